import { describe, expect, test } from "vitest";
import { Parameter } from "../graph/tensor.ts";
import * as init from "./init.ts";

function drawn(rule: init.Initializer, shape: readonly number[], seed = 1, name = "weight") {
  const target = new Float32Array(shape.reduce((a, b) => a * b, 1));
  rule(target, shape, init.drawFor(seed, name));
  return target;
}
function moments(values: Float32Array) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return { mean, std: Math.sqrt(variance), largest };
}

describe("distributions", () => {
  const shape = [64, 32, 3, 3];
  const [fanIn, fanOut] = [32 * 9, 64 * 9];
  const relu = { nonlinearity: "relu" } as const;
  test.each<[string, init.Initializer, number, "uniform" | "normal"]>([
    ["uniform", init.uniform(-2, 2), 2 / Math.sqrt(3), "uniform"],
    ["normal", init.normal(0, 0.01), 0.01, "normal"],
    ["xavierUniform", init.xavierUniform(), Math.sqrt(2 / (fanIn + fanOut)), "uniform"],
    ["xavierNormal", init.xavierNormal({ gain: 2 }), 2 * Math.sqrt(2 / (fanIn + fanOut)), "normal"],
    ["kaimingUniform", init.kaimingUniform(relu), Math.sqrt(2 / fanIn), "uniform"],
    [
      "kaimingNormal",
      init.kaimingNormal({ ...relu, mode: "fanOut" }),
      Math.sqrt(2 / fanOut),
      "normal",
    ],
    // What PyTorch's Linear and Conv2d do: the bound is 1 / sqrt(fanIn).
    ["default", init.kaimingUniform({ a: Math.sqrt(5) }), 1 / Math.sqrt(3 * fanIn), "uniform"],
  ])("%s", (_, rule, std, kind) => {
    const values = drawn(rule, shape);
    const found = moments(values);
    expect(Math.abs(found.mean)).toBeLessThan((5 * std) / Math.sqrt(values.length));
    expect(Math.abs(found.std / std - 1)).toBeLessThan(0.03);
    if (kind === "uniform")
      expect(found.largest).toBeLessThanOrEqual(std * Math.sqrt(3) * (1 + 1e-6));
    else expect(found.largest).toBeGreaterThan(3 * std);
  });
});

test("gains are PyTorch's", () => {
  expect(init.calculateGain("linear")).toBe(1);
  expect(init.calculateGain("tanh")).toBe(5 / 3);
  expect(init.calculateGain("relu")).toBe(Math.SQRT2);
  expect(init.calculateGain("leakyRelu")).toBeCloseTo(Math.sqrt(2 / 1.0001), 12);
  expect(init.calculateGain("leakyRelu", 0.2)).toBeCloseTo(Math.sqrt(2 / 1.04), 12);
  expect(init.calculateGain("selu")).toBe(0.75);
});

test.each([[[20, 50]], [[50, 20]], [[32, 32]], [[8, 3, 3, 3]]])("orthogonal %j", (shape) => {
  const values = drawn(init.orthogonal({ gain: 2 }), shape);
  const rows = shape[0];
  const columns = values.length / rows;
  const at =
    rows < columns
      ? (i: number, k: number) => values[i * columns + k]
      : (i: number, k: number) => values[k * columns + i];
  const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      let product = 0;
      for (let k = 0; k < length; k++) product += at(i, k) * at(j, k);
      expect(product).toBeCloseTo(i === j ? 4 : 0, 5);
    }
  }
});

test("constants, the identity and a row of zeros", () => {
  expect([...drawn(init.constant(0.5), [2, 2])]).toEqual([0.5, 0.5, 0.5, 0.5]);
  expect([...drawn(init.identity, [2, 3])]).toEqual([1, 0, 0, 0, 1, 0]);
  expect([...drawn(init.forgetGate(2), [8])]).toEqual([0, 0, 2, 2, 0, 0, 0, 0]);
  expect([...drawn(init.withZeroRow(init.ones, -1), [3, 2])]).toEqual([1, 1, 1, 1, 0, 0]);
});

describe("parameters that know their rule", () => {
  const build = () => {
    const weight = init.parameter([4, 5], init.normal());
    const bias = init.parameter([4], init.uniform(-1, 1));
    const plain = new Parameter(new Float32Array([7]), [1]);
    const named = [
      ["weight", weight],
      ["bias", bias],
      ["plain", plain],
    ] as const;
    return { namedParameters: () => named, weight, bias, plain };
  };

  test("get the values of (seed, name), whatever was built before", () => {
    const first = init.initialize(build(), { seed: 3 });
    build();
    const second = init.initialize(build(), { seed: 3 });
    expect(second.weight.data).toEqual(first.weight.data);
    expect(second.bias.data).toEqual(first.bias.data);
    expect(second.plain.data).toEqual(new Float32Array([7]));
    const other = init.initialize(build(), { seed: 4 });
    expect(other.weight.data).not.toEqual(first.weight.data);
  });

  test("start with different values each, also without a seed", () => {
    const { weight } = build();
    expect(weight.data).not.toEqual(build().weight.data);
  });

  test("are drawn when they are read, with the numbers of their place in the order", () => {
    let drawn = 0;
    const rule: init.Initializer = (target, shape, draw) => {
      drawn++;
      init.normal()(target, shape, draw);
    };
    const expected = (name: string) => {
      const target = new Float32Array(6);
      init.normal()(target, [6], init.drawFor(5, name));
      return target;
    };
    init.manualSeed(5);
    const [first, second, third] = [1, 2, 3].map(() => init.parameter([6], rule));
    init.manualSeed(0);
    expect(drawn).toBe(0);
    expect([second.data, first.data]).toEqual([expected("#1"), expected("#0")]);
    third.assign(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect([...third.data]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(first.data).toBe(first.data);
    expect(drawn).toBe(2);
  });

  test("keep their memory once it is read", () => {
    const { weight } = build();
    const { data } = weight;
    init.reset(weight, init.constant(2));
    expect(weight.data).toBe(data);
    weight.assign(new Float32Array(20).fill(3));
    expect(data[19]).toBe(3);
  });

  test("take another rule", () => {
    const model = build();
    init.reset(model.weight, init.zeros);
    expect(new Set(init.initialize(model, { seed: 1 }).weight.data as Float32Array)).toEqual(
      new Set([0]),
    );
  });
});

test.each([
  [
    () => drawn(init.kaimingNormal(), [5]),
    /needs a weight with at least 2 axes, received shape \[5\]/,
  ],
  [() => drawn(init.identity, [5]), /identity: needs a matrix/],
  [() => drawn(init.forgetGate(), [6]), /forgetGate: needs an LSTM's bias .* received shape \[6\]/],
  [() => drawn(init.orthogonal(), [5]), /orthogonal: needs at least 2 axes/],
  [
    () => drawn(init.kaimingNormal({ mode: "fan" as "fanIn" }), [5, 5]),
    /mode must be "fanIn" or "fanOut"/,
  ],
  [() => init.calculateGain("gelu" as "relu"), /unknown nonlinearity "gelu"/],
  [
    () => init.reset(new Parameter(new Int32Array(1), [1]), init.zeros),
    /float32 parameters, received int32/,
  ],
] as const)("refuses %#", (run, message) => {
  expect(run).toThrow(message);
});
