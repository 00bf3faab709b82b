import * as ops from "../../ops/index.ts";
import type { PadOptions } from "../../ops/padding.ts";
import type { Range } from "../../ops/shape.ts";
import type { OpCase } from "../checkOp.ts";
import { at, build, type Nd } from "../ndarray.ts";

const as =
  (shape: readonly number[]) =>
  (x: Nd): Nd => ({ shape, data: x.data });

const slicing = (shape: readonly number[], ranges: readonly (Range | null)[]): OpCase => ({
  name: "slice",
  inputs: [shape],
  run: (x) => ops.slice(x, ranges),
  reference: (x) => {
    // Python's slice.indices for positive steps.
    const kept = x.shape.map((size, axis) => {
      const [start, stop, step] = ranges[axis] ?? [];
      const clip = (i: number) => Math.min(Math.max(i < 0 ? i + size : i, 0), size);
      const list: number[] = [];
      for (let i = clip(start ?? 0); i < clip(stop ?? size); i += step ?? 1) list.push(i);
      return list;
    });
    return build(
      kept.map((list) => list.length),
      (index) =>
        at(
          x,
          index.map((i, axis) => kept[axis][i]),
        ),
    );
  },
});

/** Padding of the last axis, written down by hand as positions (null: the value). */
const padding = (
  size: number,
  pads: readonly [number, number],
  options: number | PadOptions,
  positions: readonly (number | null)[],
): OpCase => ({
  name: "pad",
  inputs: [[2, size]],
  run: (x) => ops.pad(x, pads, options),
  reference: (x) => {
    const value = typeof options === "number" ? options : (options.value ?? 0);
    return build([2, positions.length], ([row, i]) =>
      positions[i] === null ? value : at(x, [row, positions[i]]),
    );
  },
});

const joined = (parts: readonly Nd[], axis: number): Nd => {
  const shape = parts[0].shape.with(
    axis,
    parts.reduce((n, part) => n + part.shape[axis], 0),
  );
  return build(shape, (index) => {
    let [i, k] = [index[axis], 0];
    while (i >= parts[k].shape[axis]) i -= parts[k++].shape[axis];
    return at(parts[k], index.with(axis, i));
  });
};
const cut = (x: Nd, axis: number, sizes: readonly number[]): Nd[] =>
  sizes.map((size, k) => {
    const before = sizes.slice(0, k).reduce((a, b) => a + b, 0);
    return build(x.shape.with(axis, size), (index) =>
      at(x, index.with(axis, index[axis] + before)),
    );
  });

const moved = (x: Nd, dims: readonly number[]): Nd =>
  build(
    dims.map((axis) => x.shape[axis]),
    (index) =>
      at(
        x,
        x.shape.map((_, axis) => index[dims.indexOf(axis)]),
      ),
  );
const triangle =
  (keep: (offset: number) => boolean) =>
  (x: Nd): Nd =>
    build(x.shape, (index) => (keep(index.at(-1)! - index.at(-2)!) ? at(x, index) : 0));

export const shapes: readonly OpCase[] = [
  {
    name: "reshape",
    inputs: [[2, 6]],
    run: (x) => ops.reshape(x, [3, -1, 2]),
    reference: as([3, 2, 2]),
  },
  { name: "reshape", inputs: [[1]], run: (x) => ops.reshape(x, []), reference: as([]) },
  {
    name: "reshape",
    inputs: [[0, 3]],
    run: (x) => ops.reshape(x, [3, 0, 2]),
    reference: as([3, 0, 2]),
  },
  { name: "flatten", inputs: [[2, 3, 2]], run: (x) => ops.flatten(x, 1), reference: as([2, 6]) },
  { name: "flatten", inputs: [[]], run: (x) => ops.flatten(x), reference: as([1]) },
  { name: "squeeze", inputs: [[2, 1, 3]], run: (x) => ops.squeeze(x, -2), reference: as([2, 3]) },
  {
    name: "unsqueeze",
    inputs: [[2, 3]],
    run: (x) => ops.unsqueeze(x, -1),
    reference: as([2, 3, 1]),
  },
  {
    name: "permute",
    inputs: [[2, 3, 4]],
    run: (x) => ops.permute(x, [-1, 0, 1]),
    reference: (x) => moved(x, [2, 0, 1]),
  },
  {
    name: "transpose",
    inputs: [[2, 3]],
    run: (x) => ops.transpose(x),
    reference: (x) => moved(x, [1, 0]),
  },
  {
    name: "transpose",
    inputs: [[2, 3, 4]],
    run: (x) => ops.transpose(x, 0, -1),
    reference: (x) => moved(x, [2, 1, 0]),
  },
  {
    name: "expand",
    inputs: [[3, 1]],
    run: (x) => ops.expand(x, [2, 3, 4]),
    reference: (x) => build([2, 3, 4], (index) => at(x, index)),
  },
  {
    name: "concat",
    inputs: [
      [2, 3],
      [2, 1],
      [2, 2],
    ],
    run: (...parts) => ops.concat(parts, -1),
    reference: (...parts) => joined(parts, 1),
  },
  { name: "concat", inputs: [[2, 3]], run: (x) => ops.concat([x]), reference: as([2, 3]) },
  {
    name: "stack",
    inputs: [
      [2, 3],
      [2, 3],
    ],
    run: (a, b) => ops.stack([a, b], 1),
    reference: (a, b) => build([2, 2, 3], ([i, k, j]) => at(k === 0 ? a : b, [i, j])),
  },
  {
    name: "split",
    inputs: [[2, 5]],
    run: (x) => ops.split(x, 2, 1),
    reference: (x) => cut(x, 1, [2, 2, 1]),
  },
  {
    name: "split",
    inputs: [[4, 2]],
    run: (x) => ops.split(x, [3, 1]),
    reference: (x) => cut(x, 0, [3, 1]),
  },
  {
    // Only one part is used: the others' gradients are zeros.
    name: "split",
    inputs: [[4, 2]],
    run: (x) => ops.split(x, 1, 0)[2],
    reference: (x) => cut(x, 0, [2, 1, 1])[1],
  },
  {
    name: "chunk",
    inputs: [[5, 2]],
    run: (x) => ops.chunk(x, 3),
    reference: (x) => cut(x, 0, [2, 2, 1]),
  },
  slicing(
    [5, 4],
    [
      [1, 4],
      [0, 2],
    ],
  ),
  slicing([5, 4], [null, [-3]]),
  slicing(
    [7, 6],
    [
      [1, null, 2],
      [null, -1, 3],
    ],
  ),
  slicing([9], [[-100, 100, 4]]),
  slicing([4, 9], [[-1], [2, 9, 7]]),
  slicing([8, 3, 5], [[0, 8, 3], null, [4, null, 5]]),
  slicing([5, 2], [[3, 1]]),
  slicing([0, 2], [[0, 4], [1]]),
  slicing(
    [4, 5],
    [
      [0, null, 2],
      [3, 1],
    ],
  ),
  slicing(
    [5, 4],
    [
      [3, 1, 2],
      [1, null, 3],
    ],
  ),
  {
    name: "select",
    inputs: [[2, 3, 2]],
    run: (x) => ops.select(x, -1, 1),
    reference: (x) => build([2, 2], ([i, k]) => at(x, [i, 2, k])),
  },
  {
    name: "flip",
    inputs: [[2, 3]],
    run: (x) => ops.flip(x, -1),
    reference: (x) => build([2, 3], ([i, j]) => at(x, [i, 2 - j])),
  },
  ...[1, -1, 5].map(
    (shift): OpCase => ({
      name: "roll",
      inputs: [[2, 3]],
      run: (x) => ops.roll(x, shift, 1),
      reference: (x) => build([2, 3], ([i, j]) => at(x, [i, (((j - shift) % 3) + 3) % 3])),
    }),
  ),
  padding(3, [1, 2], 0.5, [null, 0, 1, 2, null, null]),
  padding(3, [-1, 1], {}, [1, 2, null]),
  padding(4, [-1, -2], 7, [1]),
  padding(3, [-2, -1], 0, []),
  padding(3, [2, 1], { mode: "reflect" }, [2, 1, 0, 1, 2, 1]),
  padding(3, [2, 4], { mode: "replicate" }, [0, 0, 0, 1, 2, 2, 2, 2, 2]),
  padding(3, [3, 2], { mode: "circular" }, [0, 1, 2, 0, 1, 2, 0, 1]),
  padding(4, [2, -1], { mode: "circular" }, [1, 2, 0, 1, 2]),
  {
    name: "pad",
    inputs: [[2, 3]],
    run: (x) => ops.pad(x, [0, 0, 1, 1], { mode: "replicate" }),
    reference: (x) => build([4, 3], ([i, j]) => at(x, [[0, 0, 1, 1][i], j])),
  },
  {
    name: "pad",
    inputs: [{ shape: [2], values: [3, 4], dtype: "int64" }],
    run: (x) => ops.pad(x, [1, 0], -1),
    reference: () => ({ shape: [3], data: [-1, 3, 4] }),
    dtypes: ["int64"],
  },
  {
    name: "tril",
    inputs: [[2, 3, 4]],
    run: (x) => ops.tril(x),
    reference: triangle((d) => d <= 0),
  },
  {
    name: "tril",
    inputs: [[3, 3]],
    run: (x) => ops.tril(x, -1),
    reference: triangle((d) => d <= -1),
  },
  {
    name: "triu",
    inputs: [[3, 4]],
    run: (x) => ops.triu(x, 1),
    reference: triangle((d) => d >= 1),
  },
  {
    name: "detach",
    inputs: [[2, 2]],
    run: (x) => ops.detach(x),
    reference: (x) => x,
    order: 0,
  },
  {
    name: "cast",
    inputs: [{ shape: [4], values: [-1.7, 0, 2.9, 1] }],
    run: (x) => [ops.cast(x, "int32"), ops.cast(x, "bool"), ops.cast(x, "int64")],
    reference: (x) => [
      { shape: [4], data: x.data.map(Math.trunc) },
      { shape: [4], data: x.data.map((v) => Number(v !== 0)) },
      { shape: [4], data: x.data.map(Math.trunc) },
    ],
    dtypes: ["int32", "bool", "int64"],
    order: 0,
  },
  ...(
    [
      ["zeros", () => ops.zeros([2, 2]), 0],
      ["ones", () => ops.ones([2, 2]), 1],
      ["full", () => ops.full([2, 2], -3), -3],
      ["constant", () => ops.constant(Float32Array.of(5, 5, 5, 5), "float32", [2, 2]), 5],
    ] as const
  ).map(
    ([name, run, value]): OpCase => ({
      name,
      inputs: [],
      run,
      reference: () => build([2, 2], () => value),
    }),
  ),
  {
    name: "arange",
    inputs: [],
    run: () => ops.arange(4, "int64"),
    reference: () => ({ shape: [4], data: [0, 1, 2, 3] }),
    dtypes: ["int64"],
  },
  {
    name: "sizeAsFloat",
    inputs: [],
    run: () => ops.sizeAsFloat(7),
    reference: () => ({ shape: [], data: [7] }),
  },
];
