import {
  evaluate,
  gradients,
  models,
  nn,
  ops,
  Parameter,
  type Result,
  Tensor,
  tensor,
} from "tensorlane";
import { describe, expect, test } from "vitest";
import { readJson } from "./files.ts";
import { Fill } from "./fill.ts";
import { makeNet, type NetCase } from "./nets.ts";
import { expectClose, gradientTolerance, tolerance } from "./tolerance.ts";

interface Digest {
  readonly name: string;
  readonly l2: number;
  readonly sum: number;
  /** [flat index, value]; the first is the element of largest magnitude. */
  readonly samples: readonly (readonly [number, number])[];
  readonly vanishes?: boolean;
}
interface Pass {
  readonly heads: Readonly<
    Record<string, { readonly first10: readonly (readonly number[])[]; readonly l2: number }>
  >;
  readonly loss: number;
  readonly grads?: readonly Digest[];
  readonly running?: readonly (readonly [name: string, l2: number])[];
  readonly float32_error: Readonly<Record<"heads" | "loss", number>> &
    Readonly<Partial<Record<"running" | "grads" | "grads_median" | "grads_l2", number>>>;
}
interface Case extends NetCase {
  readonly name: string;
  readonly net: string;
  readonly input: readonly number[];
  readonly labels: readonly number[];
  readonly eval: Pass;
  readonly train: Pass;
}
const { salt, cases } = readJson<{ salt: string; cases: readonly Case[] }>("models.json");
const fill = new Fill(salt);

/** Summed in float64, as the reference is. */
function sums({ data }: Result): { readonly l2: number; readonly sum: number } {
  let [squares, sum] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    squares += value * value;
    sum += value;
  }
  return { l2: Math.sqrt(squares), sum };
}

/** What a forward returns, by the names of the reference. */
function headsOf(net: string, outputs: unknown): Readonly<Record<string, Tensor>> {
  if (outputs instanceof Tensor) return { logits: outputs };
  const { logits, aux1, aux2 } = outputs as models.GoogLeNetOutputs;
  // torchvision 0.14 returns them under each other's name: its aux_logits1 is the head after 4d.
  return net === "googlenet" ? { logits, aux1: aux2, aux2: aux1 } : { logits, aux1, aux2 };
}

async function check(model: models.Classifier, golden: Case, pass: Pass): Promise<void> {
  const x = new Parameter(fill.values("input", golden.input), golden.input);
  const labels = tensor(Int32Array.from(golden.labels), [golden.labels.length]);
  const { value: outputs, updates } = nn.trace(model, () => model.forward(x));
  const heads = headsOf(golden.net, outputs);
  expect(Object.keys(heads).sort(), "heads").toEqual(Object.keys(pass.heads).sort());
  const loss = models.googlenetLoss(outputs as Tensor | models.GoogLeNetOutputs, labels);
  const leaves = new Map<string, Tensor>([["input", x], ...model.namedParameters()]);
  const digests = pass.grads ?? [];
  if (pass.grads) {
    // PyTorch has no gradient for what the loss does not depend on; ours is a tensor filled with zeros.
    const grads = gradients(loss, [...leaves.values()]);
    const reached = [...leaves.keys()].filter(
      (_, i) => (grads[i]!.node.op as object) !== ops.fullOp,
    );
    expect(
      digests.map(({ name }) => name),
      "gradients",
    ).toEqual(reached);
  }
  const running = pass.running ?? [];
  const names = Object.keys(pass.heads);
  const tensors = [
    loss,
    ...names.map((name) => heads[name]!),
    ...running.map(([name]) => updates.get(name)!),
    ...gradients(
      loss,
      digests.map(({ name }) => leaves.get(name)!),
    ),
  ];
  const results = await evaluate(tensors);
  const error = pass.float32_error;
  expectClose("loss", results[0]!.data, [pass.loss], tolerance(error.loss));
  for (const [i, name] of names.entries()) {
    const result = results[1 + i]!;
    const { first10, l2 } = pass.heads[name]!;
    const columns = result.shape[1]!;
    const own = first10.flatMap((row, n) => row.map((_, c) => result.data[n * columns + c]!));
    expectClose(name, own.map(Number), first10.flat(), tolerance(error.heads));
    expectClose(`${name}: l2`, [sums(result).l2], [l2], tolerance(error.heads));
  }
  for (const [i, [name, l2]] of running.entries()) {
    const result = results[1 + names.length + i]!;
    expectClose(`${name}: l2`, [sums(result).l2], [l2], tolerance(error.running ?? 0));
  }
  if (digests.length > 0) checkGradients(digests, results.slice(-digests.length), error);
}

function checkGradients(
  digests: readonly Digest[],
  results: readonly Result[],
  error: Pass["float32_error"],
): void {
  const limit = gradientTolerance(error);
  const errors: number[] = [];
  for (const [i, { name, l2, sum, samples, vanishes }] of digests.entries()) {
    const result = results[i]!;
    const own = sums(result);
    if (vanishes) {
      // Nothing but rounding, on both sides.
      expect(own.l2, `gradient of ${name}, which vanishes`).toBeLessThan(limit.vanishing);
      continue;
    }
    const what = `gradient of ${name}`;
    expectClose(`${what}: l2`, [own.l2], [l2], limit.l2);
    // A sum cancels: its error is set against what the elements could add up to.
    const scale = l2 * Math.sqrt(result.data.length);
    expectClose(`${what}: sum`, [own.sum / scale, 1], [sum / scale, 1], limit.l2);
    const values = samples.map(([index]) => Number(result.data[index]));
    const expected = samples.map(([, value]) => value);
    const isHead = i >= digests.length - 2;
    expectClose(what, values, expected, isHead ? limit.head : limit.worst);
    const largest = Math.abs(expected[0]!);
    errors.push(Math.max(...values.map((v, k) => Math.abs(v - expected[k]!))) / largest);
  }
  const median = errors.sort((a, b) => a - b)[Math.floor(errors.length / 2)]!;
  expect(median, "median error of the gradients").toBeLessThanOrEqual(limit.median);
}

describe("models", () => {
  // A kept-back folder may hold no models; Vitest wants at least one test in a file.
  if (cases.length === 0) test("there are none in this folder", () => {});
  test.for(cases)("$name", async (golden) => {
    const model = makeNet(golden, fill);
    await check(model.eval(), golden, golden.eval);
    await check(model.train(), golden, golden.train);
  });
});
