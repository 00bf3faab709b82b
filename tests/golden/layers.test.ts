import { evaluate, gradients, ops, type Tensor } from "tensorlane";
import { describe, expect, test } from "vitest";
import { asTensor, type Json, readJson, readTensors, type Stored } from "./files.ts";
import { Keywords } from "./keywords.ts";
import { kinds } from "./kinds/index.ts";
import { Arguments } from "./kinds/kind.ts";
import { expectClose, gradientSlack, tolerance } from "./tolerance.ts";

type Keys = Readonly<Record<string, string>>;
interface Case {
  readonly name: string;
  readonly kind: string;
  readonly config: Readonly<Record<string, Json>>;
  readonly inputs?: Keys;
  readonly params?: Keys;
  readonly outputs: Keys;
  readonly upstream?: Keys;
  readonly grads?: Keys;
  readonly after?: Keys;
  readonly float32_error: number;
}
/** Float tensors that PyTorch differentiates no loss by. */
const CONSTANT = new Set(["target", "class_weight", "pos_weight", "running_mean", "running_var"]);
const FIELDS = "name kind config inputs params outputs upstream grads after float32_error".split(
  " ",
);

const { cases } = readJson<{ readonly cases: readonly Case[] }>("layers.json");
const stored = readTensors("layers.safetensors");
const read = (key: string): Stored => {
  const value = stored.get(key);
  if (!value) throw new Error(`${key} is missing in layers.safetensors`);
  return value;
};

async function check(golden: Case): Promise<void> {
  const kind = kinds[golden.kind];
  if (!kind) throw new Error(`kind ${golden.kind} is not known to this suite`);
  expect(FIELDS, "fields of the case").toEqual(expect.arrayContaining(Object.keys(golden)));

  const given = Object.entries({ ...golden.inputs, ...golden.params });
  const t = new Arguments(golden.kind, new Map(given.map(([name, key]) => [name, read(key)])));
  const keywords = new Keywords(golden.kind, golden.config);
  const outputs = kind(t, keywords);
  keywords.done();
  t.done();

  const float = (names: readonly string[], of: (name: string) => Tensor) =>
    names.filter((name) => of(name).dtype === "float32" && !CONSTANT.has(name)).sort();
  const names = Object.keys(golden.outputs).sort();
  expect(Object.keys(outputs).sort(), "outputs").toEqual(names);
  const smooth = float(names, (name) => outputs[name]);
  expect(Object.keys(golden.upstream ?? {}).sort(), "upstream gradients").toEqual(smooth);
  const leaves = float(t.names, (name) => t.get(name));
  expect(Object.keys(golden.grads ?? {}).sort(), "gradients").toEqual(leaves);

  const updated = [...t.after.keys()].sort();
  expect(Object.keys(golden.after ?? {}).sort(), "inputs that change").toEqual(updated);

  // PyTorch differentiates the sum of output · upstream over all outputs.
  const loss = smooth
    .map((name) => outputs[name].mul(asTensor(read(golden.upstream![name]))).sum())
    .reduce((a, b) => a.add(b), ops.constant(0));
  const grads = gradients(
    loss,
    leaves.map((name) => t.get(name)),
  );
  const values = [
    ...names.map((name) => outputs[name]),
    ...updated.map((name) => t.after.get(name)!),
  ];
  const results = await evaluate([...values, ...grads]);
  // Without gradients a layer may run in another form: fused, as inference and export have it.
  const alone = await evaluate(values);
  const limit = tolerance(golden.float32_error);
  const slack = smooth.map((name) => gradientSlack(golden.kind, read(golden.upstream![name]).data));
  const compare = (what: string, key: string, result: (typeof results)[number], extra = 0) => {
    const { shape, data } = read(key);
    expect(result.shape, `${what}: shape`).toEqual(shape);
    expectClose(what, result.data, data, data instanceof Float32Array ? limit : 0, extra);
  };
  for (const [i, name] of names.entries()) {
    compare(`output ${name}`, golden.outputs[name], results[i]);
    compare(`output ${name} without gradients`, golden.outputs[name], alone[i]);
  }
  for (const [i, name] of updated.entries()) {
    compare(`${name} afterwards`, golden.after![name], results[names.length + i]);
  }
  for (const [i, name] of leaves.entries()) {
    const result = results[values.length + i];
    compare(`gradient of ${name}`, golden.grads![name], result, Math.max(0, ...slack));
  }
}

for (const kind of new Set(cases.map((golden) => golden.kind))) {
  describe(kind, () => {
    test.for(cases.filter((golden) => golden.kind === kind))("$name", check);
  });
}
