import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { data, evaluate, type nn, ops, optim, type Tensor, Trainer, tensor } from "../index.ts";
import { type ImportedModule, importModel } from "./index.ts";

/** An array as reference/exports.py writes it. */
export interface Numbers {
  readonly dtype: "float32" | "int32" | "int64" | "bool";
  readonly shape: readonly number[];
  readonly data: readonly number[] | Float32Array;
}
/** What PyTorch computes with a network. */
export interface Case {
  readonly name: string;
  /** Why PyTorch does not export it so. */
  readonly refused?: string;
  readonly inputs: readonly Numbers[];
  readonly outputs: readonly Numbers[];
  /** Losses before and after one step of SGD in training mode, and the state after it. */
  readonly step?: {
    readonly lr: number;
    readonly before: number;
    readonly after: number;
    readonly state: Readonly<Record<string, Numbers>>;
  };
}

/** A case with its `.onnx` file. */
export type Exported = Case & { readonly file: Uint8Array };

const PYTHON = "/usr/bin/python3";
// One thread each: PyTorch's threads would fight those of ONNX Runtime.
const env = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

function hasTorch(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import torch, torchvision"], { stdio: "ignore", env });
    return true;
  } catch {
    return false;
  }
}
/** Why comparisons with an installed PyTorch are skipped here, if they are. */
export const skipped = hasTorch()
  ? undefined
  : "skipped: python3-torch and python3-torchvision are not installed";

/** Runs reference/exports.py; every case with its file. */
export function exportsOf(kind: "small" | "torchvision", ...names: readonly string[]): Exported[] {
  const folder = mkdtempSync(join(tmpdir(), "tensorlane-torch-"));
  try {
    const script = here("reference/exports.py");
    execFileSync(PYTHON, [script, folder, kind, ...names], { stdio: "ignore", env });
    // Large arrays lie beside: `file` names them.
    const cases = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8"), (_, value) =>
      value?.file === undefined ? value : { ...value, data: floatsOf(join(folder, value.file)) },
    ) as Case[];
    return cases.map((own) => ({
      ...own,
      file: own.refused ? new Uint8Array(0) : readFileSync(join(folder, `${own.name}.onnx`)),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const floatsOf = (path: string) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

/** A committed file and its numbers. */
export function fixture(name: string): Exported {
  const cases = JSON.parse(readFileSync(here("fixtures/cases.json"), "utf8")) as Case[];
  const own = cases.find((one) => one.name === name)!;
  return { ...own, file: readFileSync(here(`fixtures/${name}.onnx`)) };
}

export const toTensor = ({ data: values, shape, dtype }: Numbers): Tensor =>
  tensor(values as number[], shape, dtype);

/** The largest difference, relative to the largest expected number. */
function gapOf(
  actual: { readonly data: ArrayLike<number | bigint>; readonly shape: readonly unknown[] },
  expected: Numbers,
): number {
  expect(actual.shape).toEqual(expected.shape);
  let [largest, gap] = [1e-30, 0];
  for (const [i, value] of expected.data.entries()) {
    largest = Math.max(largest, Math.abs(value));
    gap = Math.max(gap, Math.abs(Number(actual.data[i]) - value));
  }
  return gap / largest;
}

/** Σ mean(y²) over all outputs, as exports.py has it. */
function lossOf(model: ImportedModule, batch: Readonly<Record<string, Tensor>>): Tensor {
  const inputs = model.graphInputs.map(({ name }) => batch[name]);
  return [...model.compute(inputs).values()]
    .filter(({ dtype }) => dtype === "float32")
    .map((y) => ops.mean(ops.square(y)))
    .reduce((a, b) => ops.add(a, b));
}

/** One step of SGD by the Trainer: the losses around it, and the state after it. */
async function stepOf(model: ImportedModule, { inputs, step }: Case) {
  const arrays = model.graphInputs.map(({ name }, i) => {
    const { data: values, shape } = inputs[i];
    const floats =
      inputs[i].dtype === "float32" ? Float32Array.from(values) : Int32Array.from(values);
    return [name, { data: floats, shape }] as const;
  });
  const set = new data.ArrayDataset(Object.fromEntries(arrays));
  const loader = new data.DataLoader(set, { batchSize: inputs[0].shape[0] });
  const optimizer = new optim.SGD({ lr: step!.lr });
  const trainer = new Trainer(model, { loss: lossOf, optimizer });
  const { history } = await trainer.fit(loader, { epochs: 1 });
  const state: nn.StateDict = new Map(
    [...model.stateDict()].map(([name, { data: values, shape }]) => [
      name,
      { data: values.slice() as Float32Array, shape },
    ]),
  );
  const after = (await trainer.fit(loader, { epochs: 2 })).history[1].loss;
  trainer.release();
  return { before: history[0].loss, after, state };
}

/** Largest error of outputs and of a step, relative to the largest number: what float32 leaves. */
const TOLERANCE = 1e-5;

/** Outputs in evaluation mode are PyTorch's. */
export async function expectOutputs({ file, inputs, outputs }: Exported): Promise<void> {
  const model = importModel(file).eval();
  const results = await evaluate([...model.compute(inputs.map(toTensor)).values()]);
  // GoogLeNet's training graph also gives its auxiliary heads, which evaluation in PyTorch does not.
  expect(results.length).toBeGreaterThanOrEqual(outputs.length);
  for (const [i, expected] of outputs.entries()) {
    expect(gapOf(results[i], expected), `output ${i}`).toBeLessThan(TOLERANCE);
  }
}

/** Whether the file has PyTorch's own weights, not batch norms folded into convolutions and the like. */
export const isWhole = ({ file, step }: Exported): boolean =>
  [...importModel(file).stateDict().keys()].every((name) => step && name in step.state);

/** One step of SGD in training mode gives PyTorch's losses, weights and running statistics. */
export async function expectStep(own: Exported, tolerance = TOLERANCE): Promise<void> {
  const model = importModel(own.file);
  expect(model.namedParameters().length).toBeGreaterThan(0);
  const { before, after, state } = await stepOf(model, own);
  const step = own.step!;
  expect(Math.abs(before / step.before - 1)).toBeLessThan(tolerance);
  expect(Math.abs(after / step.after - 1)).toBeLessThan(tolerance);
  expect(after).not.toBe(before);
  for (const [name, value] of state) {
    expect(gapOf(value, step.state[name]), name).toBeLessThan(tolerance);
  }
}
