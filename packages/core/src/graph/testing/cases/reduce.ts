import * as ops from "../../ops/index.ts";
import type { ReduceOptions } from "../../ops/reduce.ts";
import type { Tensor } from "../../tensor.ts";
import type { OpCase } from "../checkOp.ts";
import { alongAxis, type Nd, product, reduce, sum } from "../ndarray.ts";

const options: readonly ReduceOptions[] = [
  {},
  { dim: 1 },
  { dim: [-1, 0], keepdim: true },
  { dim: [] },
];
const axesOf = ({ dim }: ReduceOptions, rank: number): number[] =>
  (dim === undefined ? Array.from({ length: rank }, (_, i) => i) : [dim].flat()).map((axis) =>
    axis < 0 ? axis + rank : axis,
  );
const reference =
  (over: ReduceOptions, f: (group: number[]) => number) =>
  (x: Nd): Nd =>
    reduce(x, axesOf(over, x.shape.length), over.keepdim ?? false, f);

const reduction = (
  name: string,
  run: (x: Tensor, over: ReduceOptions) => Tensor,
  f: (group: number[]) => number,
  of: readonly ReduceOptions[] = options,
): OpCase[] =>
  of.map((over) => ({
    name,
    inputs: [[2, 3, 2]],
    run: (x) => run(x, over),
    reference: reference(over, f),
  }));

const mean = (values: number[]) => sum(values) / values.length;
const variance = (values: number[], correction: number) => {
  const m = mean(values);
  return sum(values.map((v) => (v - m) ** 2)) / (values.length - correction);
};
const norm = (values: number[], p: number) => sum(values.map((v) => Math.abs(v) ** p)) ** (1 / p);
const several = options.slice(0, 3);

const softmax = (line: number[]) => {
  const total = sum(line.map(Math.exp));
  return line.map((v) => Math.exp(v) / total);
};
const indexOf = (line: number[], best: number) => line.indexOf(best);

export const reductions: readonly OpCase[] = [
  ...reduction("sum", ops.sum, sum),
  ...reduction("mean", ops.mean, mean),
  ...reduction("amax", ops.amax, (values) => Math.max(...values)),
  ...reduction("amin", ops.amin, (values) => Math.min(...values)),
  ...reduction("prod", ops.prod, product, several),
  ...reduction("variance", ops.variance, (values) => variance(values, 1), several),
  ...reduction(
    "variance",
    (x, over) => ops.variance(x, { ...over, unbiased: false }),
    (values) => {
      return variance(values, 0);
    },
  ),
  ...reduction("std", ops.std, (values) => Math.sqrt(variance(values, 1)), several),
  ...reduction("logSumExp", ops.logSumExp, (values) => Math.log(sum(values.map(Math.exp)))),
  ...reduction("norm", ops.norm, (values) => norm(values, 2), several),
  ...reduction(
    "norm",
    (x, over) => ops.norm(x, { ...over, p: 1 }),
    (values) => norm(values, 1),
  ),
  ...reduction(
    "norm",
    (x, over) => ops.norm(x, { ...over, p: 3 }),
    (values) => norm(values, 3),
    several,
  ),
  ...reduction(
    "norm",
    (x, over) => ops.norm(x, { ...over, p: Infinity }),
    (values) => {
      return Math.max(...values.map(Math.abs));
    },
  ),
  {
    // The product of the others is the slope, also where one or two elements are 0.
    name: "prod",
    inputs: [{ shape: [3, 3], values: [2, 0, 3, 0, 0, 1, 1, 2, -4] }],
    run: (x) => ops.prod(x, { dim: 1 }),
    reference: (x) => reduce(x, [1], false, product),
    order: 1,
  },
  {
    name: "argmax",
    inputs: [{ shape: [2, 4], values: [1, 3, 3, 0, -1, -5, -1, -2] }],
    run: (x) => ops.argmax(x, { dim: -1 }),
    reference: (x) => reduce(x, [1], false, (line) => indexOf(line, Math.max(...line))),
    dtypes: ["int64"],
    order: 0,
  },
  {
    name: "argmin",
    inputs: [[3, 4]],
    run: (x) => ops.argmin(x, { dim: 0, keepdim: true }),
    reference: (x) => reduce(x, [0], true, (line) => indexOf(line, Math.min(...line))),
    dtypes: ["int64"],
    order: 0,
  },
  {
    name: "cumsum",
    inputs: [[2, 4, 2]],
    run: (x) => ops.cumsum(x, -2),
    reference: (x) => alongAxis(x, 1, (line) => line.map((_, i) => sum(line.slice(0, i + 1)))),
  },
  ...[0, 1, -1].flatMap((dim): OpCase[] => [
    {
      name: "softmax",
      inputs: [[2, 3, 4]],
      run: (x) => ops.softmax(x, dim),
      reference: (x) => alongAxis(x, (dim + 3) % 3, softmax),
    },
    {
      name: "logSoftmax",
      inputs: [[2, 3, 4]],
      run: (x) => ops.logSoftmax(x, dim),
      reference: (x) => alongAxis(x, (dim + 3) % 3, (line) => softmax(line).map(Math.log)),
    },
  ]),
  {
    name: "softmax",
    inputs: [[]],
    run: (x) => ops.softmax(x),
    reference: () => ({ shape: [], data: [1] }),
  },
  {
    name: "layerNorm",
    inputs: [
      [2, 3, 4],
      [3, 4],
      [3, 4],
    ],
    run: (x, weight, bias) => ops.layerNorm(x, weight, bias, 1e-2),
    reference: (x, weight, bias) => {
      const size = weight.data.length;
      const data = x.data.map((value, i) => {
        const group = x.data.slice(i - (i % size), i - (i % size) + size);
        const normal = (value - mean(group)) / Math.sqrt(variance(group, 0) + 1e-2);
        return normal * weight.data[i % size] + bias.data[i % size];
      });
      return { shape: x.shape, data };
    },
  },
];
