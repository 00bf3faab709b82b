import * as ops from "../../ops/index.ts";
import type { OpCase } from "../checkOp.ts";
import { build, type Nd } from "../ndarray.ts";

/** All zeros, or nothing at all. */
const zeros = (shape: readonly number[]) => (): Nd => build(shape, () => 0);
const empty = (
  name: string,
  inputs: OpCase["inputs"],
  run: OpCase["run"],
  shape: readonly number[],
): OpCase => ({ name, inputs, run, reference: zeros(shape) });

/** An axis of size 0: an empty batch, or a part that is cut off whole. */
export const empties: readonly OpCase[] = [
  empty("add", [[0, 3], [3]], ops.add, [0, 3]),
  empty("tanh", [[0]], ops.tanh, [0]),
  empty("sum", [[0, 3]], (x) => ops.sum(x, { dim: 0 }), [3]),
  empty("sum", [[0, 3]], (x) => ops.sum(x), []),
  empty("softmax", [[0, 3]], (x) => ops.softmax(x), [0, 3]),
  empty(
    "matmul",
    [
      [0, 3],
      [3, 2],
    ],
    ops.matmul,
    [0, 2],
  ),
  empty(
    "matmul",
    [
      [2, 0],
      [0, 3],
    ],
    ops.matmul,
    [2, 3],
  ),
  empty("linear", [[0, 3], [2, 3], [2]], ops.linear, [0, 2]),
  empty("linear", [[2, 0, 3], [2, 3], [2]], ops.linear, [2, 0, 2]),
  empty("permute", [[2, 0, 3]], (x) => ops.permute(x, [2, 0, 1]), [3, 2, 0]),
  empty("expand", [[1, 0]], (x) => ops.expand(x, [3, 0]), [3, 0]),
  empty("flip", [[0, 2]], (x) => ops.flip(x, 0), [0, 2]),
  empty(
    "take",
    [[3, 2], { shape: [0], values: [], dtype: "int32" }],
    (x, i) => ops.take(x, i),
    [0, 2],
  ),
  empty(
    "embedding",
    [{ shape: [0], values: [], dtype: "int32" }, [3, 2]],
    (t, w) => ops.embedding(t, w),
    [0, 2],
  ),
  empty("pad", [[0, 2]], (x) => ops.pad(x, [0, 0, 1, 1]), [2, 2]),
  empty("cumsum", [[0, 2]], (x) => ops.cumsum(x, 0), [0, 2]),
  {
    name: "concat",
    inputs: [
      [0, 2],
      [1, 2],
    ],
    run: (a, b) => ops.concat([a, b], 0),
    reference: (_, b) => b,
  },
  {
    name: "split",
    inputs: [[2, 2]],
    run: (x) => ops.split(x, [0, 2], 0),
    reference: (x) => [{ shape: [0, 2], data: [] }, x],
  },
];
