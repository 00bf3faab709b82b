import * as ops from "../../ops/index.ts";
import type { OpCase } from "../checkOp.ts";
import { at, broadcastShape, build, type Nd, sum } from "../ndarray.ts";

const swap = (x: Nd): Nd =>
  build([...x.shape.slice(0, -2), x.shape.at(-1)!, x.shape.at(-2)!], (index) =>
    at(x, [...index.slice(0, -2), index.at(-1)!, index.at(-2)!]),
  );

function product(a: Nd, b: Nd): Nd {
  const [rows, inner] = a.shape.slice(-2);
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return build([...batch, rows, b.shape.at(-1)!], (index) => {
    const [outer, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
    return sum(
      Array.from(
        { length: inner },
        (_, k) => elementOf(a, outer, i, k) * elementOf(b, outer, k, j),
      ),
    );
  });
}
/** Broadcasts over the batch only: rows and columns of size 1 are what they are. */
const elementOf = (x: Nd, outer: readonly number[], i: number, j: number): number =>
  at(x, [...outer, i, j]);

const promoted = (a: Nd, b: Nd): Nd => {
  const left = a.shape.length === 1 ? { ...a, shape: [1, ...a.shape] } : a;
  const right = b.shape.length === 1 ? { ...b, shape: [...b.shape, 1] } : b;
  const { shape, data } = product(left, right);
  const kept = shape.filter(
    (_, axis) =>
      !(a.shape.length === 1 && axis === shape.length - 2) &&
      !(b.shape.length === 1 && axis === shape.length - 1),
  );
  return { shape: kept, data };
};

const pairs: readonly (readonly [number[], number[]])[] = [
  [
    [2, 3],
    [3, 4],
  ],
  [
    [2, 2, 3],
    [2, 3, 2],
  ],
  [
    [2, 2, 3],
    [3, 2],
  ],
  [
    [2, 3],
    [2, 3, 2],
  ],
  [
    [2, 1, 2, 3],
    [3, 3, 2],
  ],
  [[3], [3, 2]],
  [[2, 3], [3]],
  [[2, 2, 3], [3]],
  [[3], [2, 3, 2]],
  [[3], [3]],
];

const linear = (x: Nd, weight: Nd, bias?: Nd): Nd =>
  build([...x.shape.slice(0, -1), weight.shape[0]], (index) => {
    const [outer, o] = [index.slice(0, -1), index.at(-1)!];
    const terms = Array.from({ length: weight.shape[1] }, (_, k) => {
      return at(x, [...outer, k]) * at(weight, [o, k]);
    });
    return sum(terms) + (bias ? at(bias, [o]) : 0);
  });

export const products: readonly OpCase[] = [
  ...pairs.map(
    ([a, b]): OpCase => ({
      name: "matmul",
      inputs: [a, b],
      run: ops.matmul,
      reference: promoted,
    }),
  ),
  ...(
    [
      [[3, 2], [3, 4], true, false],
      [[2, 3], [4, 3], false, true],
      [[3, 2], [4, 3], true, true],
      [[2, 3, 2], [2, 4, 3], true, true],
      [[2, 2, 3], [4, 3], false, true],
      [[2, 3, 2], [3, 4], true, false],
      [[3, 2], [2, 3, 4], true, false],
    ] as const
  ).map(
    ([a, b, transA, transB]): OpCase => ({
      name: "multiply",
      inputs: [a, b],
      run: (x, y) => ops.multiply(x, y, transA, transB),
      reference: (x, y) => product(transA ? swap(x) : x, transB ? swap(y) : y),
    }),
  ),
  { name: "linear", inputs: [[2, 3], [4, 3], [4]], run: ops.linear, reference: linear },
  { name: "linear", inputs: [[2, 2, 3], [4, 3], [4]], run: ops.linear, reference: linear },
  { name: "linear", inputs: [[3], [4, 3], [4]], run: ops.linear, reference: linear },
  {
    name: "linear",
    inputs: [
      [2, 2, 3],
      [4, 3],
    ],
    run: (x, w) => ops.linear(x, w),
    reference: linear,
  },
  { name: "linear", inputs: [[3], [4, 3]], run: (x, w) => ops.linear(x, w), reference: linear },
];
