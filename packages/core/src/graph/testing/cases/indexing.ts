import * as ops from "../../ops/index.ts";
import type { Input, OpCase } from "../checkOp.ts";
import { at, build, indices, type Nd } from "../ndarray.ts";

const ids = (shape: readonly number[], values: readonly number[], wide = false): Input => ({
  shape,
  values,
  dtype: wide ? "int64" : "int32",
});

const take = (x: Nd, index: Nd, axis: number): Nd =>
  build([...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)], (position) => {
    const to = axis + index.shape.length;
    const i = at(index, position.slice(axis, to));
    return at(x, [...position.slice(0, axis), i, ...position.slice(to)]);
  });
const gather = (x: Nd, axis: number, index: Nd): Nd =>
  build(index.shape, (position) => at(x, position.with(axis, at(index, position))));

function scatterAdd(target: Nd, axis: number, index: Nd, source: Nd): Nd {
  const added = new Map<string, number>();
  for (const position of indices(index.shape)) {
    const key = String(position.with(axis, at(index, position)));
    added.set(key, (added.get(key) ?? 0) + at(source, position));
  }
  return build(
    target.shape,
    (position) => at(target, position) + (added.get(String(position)) ?? 0),
  );
}

/** The k best of each line: their values and places. */
function best(x: Nd, axis: number, k: number, largest: boolean): [Nd, Nd] {
  const order = (position: readonly number[]) =>
    Array.from({ length: x.shape[axis] }, (_, i) => i).sort((a, b) => {
      const [va, vb] = [at(x, position.with(axis, a)), at(x, position.with(axis, b))];
      return largest ? vb - va : va - vb;
    });
  const shape = x.shape.with(axis, k);
  const places = build(shape, (position) => order(position)[position[axis]]);
  return [gather(x, axis, places), places];
}
const without = (x: Nd, axis: number): Nd => ({ shape: x.shape.toSpliced(axis, 1), data: x.data });

export const indexing: readonly OpCase[] = [
  {
    name: "take",
    inputs: [[3, 2, 2], ids([2, 2], [0, 2, 2, 1])],
    run: (x, index) => ops.take(x, index),
    reference: (x, index) => take(x, index, 0),
  },
  {
    name: "take",
    inputs: [[2, 4, 2], ids([3], [3, 0, 3], true)],
    run: (x, index) => ops.take(x, index, 1),
    reference: (x, index) => take(x, index, 1),
  },
  {
    name: "take",
    inputs: [[2, 4], ids([], [2])],
    run: (x, index) => ops.take(x, index, -1),
    reference: (x, index) => take(x, index, 1),
  },
  {
    name: "gather",
    inputs: [[3, 4], ids([3, 2], [0, 3, 1, 1, 2, 0])],
    run: (x, index) => ops.gather(x, 1, index),
    reference: (x, index) => gather(x, 1, index),
  },
  {
    name: "gather",
    inputs: [[3, 4], ids([2, 3], [0, 2, 1, 0, 0, 1], true)],
    run: (x, index) => ops.gather(x, -2, index),
    reference: (x, index) => gather(x, 0, index),
  },
  {
    name: "scatterRows",
    inputs: [[4, 2], ids([3], [1, 3, 1]), [3, 2]],
    run: ops.scatterRows,
    reference: (target, index, rows) =>
      scatterAdd(
        target,
        0,
        build(rows.shape, ([i]) => index.data[i]),
        rows,
      ),
  },
  {
    name: "scatterAdd",
    inputs: [[3, 3], ids([2, 3], [0, 2, 2, 0, 0, 1]), [2, 3]],
    run: (target, index, source) => ops.scatterAdd(target, 0, index, source),
    reference: (target, index, source) => scatterAdd(target, 0, index, source),
  },
  {
    name: "oneHot",
    inputs: [ids([2, 2], [0, 2, 5, 1])],
    run: (index) => ops.oneHot(index, 3),
    reference: (index) =>
      build([2, 2, 3], (position) => Number(at(index, position.slice(0, 2)) === position[2])),
  },
  {
    name: "topk",
    inputs: [[2, 5]],
    run: (x) => Object.values(ops.topk(x, 2)),
    reference: (x) => best(x, 1, 2, true),
    dtypes: ["float32", "int64"],
  },
  {
    name: "topk",
    inputs: [[4, 3]],
    run: (x) => Object.values(ops.topk(x, 3, 0, false)),
    reference: (x) => best(x, 0, 3, false),
    dtypes: ["float32", "int64"],
  },
  {
    name: "max",
    inputs: [[3, 4]],
    run: (x) => Object.values(ops.max(x, 0)),
    reference: (x) => best(x, 0, 1, true).map((y) => without(y, 0)),
    dtypes: ["float32", "int64"],
  },
  {
    name: "max",
    inputs: [[3, 4]],
    run: (x) => Object.values(ops.max(x, -1, true)),
    reference: (x) => best(x, 1, 1, true),
    dtypes: ["float32", "int64"],
  },
  {
    name: "embedding",
    inputs: [ids([2, 2], [0, 2, 3, 2]), [4, 3]],
    run: (tokens, weight) => ops.embedding(tokens, weight),
    reference: (tokens, weight) => take(weight, tokens, 0),
  },
];
