import { expect, test } from "vitest";
import "./methods.ts";
import { gradients } from "../autodiff/gradients.ts";
import { evaluate } from "../evaluate.ts";
import * as ops from "./ops/index.ts";
import { type Tensor, tensor } from "./tensor.ts";

const slopes = async (x: Tensor, y: Tensor): Promise<number[]> => {
  const [{ data }] = await evaluate(gradients(y.sum(), [x]));
  return [...(data as Float32Array)];
};
/** Where a function has no slope, the one is taken that PyTorch takes. */
test.for<[string, number[], (x: Tensor) => Tensor, number[]]>([
  ["relu", [-1, 0, 1], ops.relu, [0, 0, 1]],
  ["abs", [-1, 0, 1], ops.abs, [-1, 0, 1]],
  ["leakyRelu", [-1, 0, 1], (x) => ops.leakyRelu(x, 0.25), [0.25, 0.25, 1]],
  ["elu", [0, 1], (x) => ops.elu(x, 0.5), [0.5, 1]],
  ["softplus at its threshold", [0, 3], (x) => ops.softplus(x, { threshold: 0 }), [0.5, 1]],
  ["clamp at its bounds", [-1, 0, 1, 2], (x) => x.clamp({ min: 0, max: 1 }), [0, 1, 1, 0]],
  ["maximum of equals", [1, 2, 3], (x) => x.maximum(2), [0, 0.5, 1]],
  ["minimum of equals", [1, 2, 3], (x) => x.minimum(2), [1, 0.5, 0]],
  ["amax shares among equals", [3, 1, 3], (x) => x.amax(), [0.5, 0, 0.5]],
  ["amin shares among equals", [1, 1, 3], (x) => x.amin(), [0.5, 0.5, 0]],
  ["max gives all to the first", [3, 1, 3], (x) => ops.max(x, 0).values, [1, 0, 0]],
  ["norm of zeros", [0, 0], (x) => ops.norm(x), [0, 0]],
  ["pow of zero", [0, 2], (x) => x.pow(2), [0, 4]],
  ["prod with a zero", [0, 2, 3], (x) => ops.prod(x), [6, 0, 0]],
])("%s", async ([, values, run, expected]) => {
  const x = tensor(values);
  expect(await slopes(x, run(x))).toEqual(expected);
});

test("large values stay finite, forward and backward", async () => {
  const x = tensor([-1000, -88, 0, 88, 1000]);
  for (const run of [
    ops.sigmoid,
    ops.tanh,
    ops.softplus,
    ops.elu,
    ops.gelu,
    ops.softmax,
    ops.silu,
  ]) {
    const y = run(x);
    const [value, slope] = await evaluate([y, ...gradients(y.sum(), [x])]);
    for (const { data } of [value, slope]) {
      expect([...(data as Float32Array)].every(Number.isFinite), run.name).toBe(true);
    }
  }
  const [value] = await evaluate([ops.logSumExp(x)]);
  expect(value.data[0]).toBe(1000);
});

test("what a loss does not depend on has a gradient of zeros", async () => {
  const [x, y] = [tensor([1, 2]), tensor([3])];
  expect(await slopes(y, x)).toEqual([0]);
  expect(await slopes(x, x.detach().mul(x))).toEqual([1, 2]);
});

test("a tensor used many times collects all its gradients", async () => {
  const x = tensor([2]);
  expect(await slopes(x, x.mul(x).mul(x).add(x))).toEqual([13]);
});

test("upstream gradients weigh the outputs", async () => {
  const x = tensor([1, 2, 3]);
  const [grad] = await evaluate(gradients(x.square(), [x], { upstream: tensor([1, 0, -1]) }));
  expect([...(grad.data as Float32Array)]).toEqual([2, 0, -6]);
});

test("deep graphs do not overflow the stack", async () => {
  const x = tensor([1]);
  let y: Tensor = x;
  for (let i = 0; i < 3000; i++) y = y.add(x);
  expect(await slopes(x, y)).toEqual([3001]);
});
