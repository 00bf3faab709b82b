import { TensorlaneError } from "../../errors.ts";
import * as sizes from "../dim.ts";
import { format } from "../dim.ts";
import type { DType } from "../dtype.ts";
import { apply, type Op, type Tensor } from "../tensor.ts";
import { constant } from "./create.ts";
import { take } from "./indexing.ts";

interface Padding {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: number;
}
export const padOp: Op<Padding> = {
  name: "pad",
  infer: ([x], { before, after }) => [
    {
      dtype: x.dtype,
      shape: x.shape.map((size, axis) => sizes.add(size, before[axis] + after[axis])),
    },
  ],
  gradient: ({ grad, attrs: { before, after } }) => {
    const negative = (values: readonly number[]) => values.map((value) => -value);
    return [
      apply(padOp, [grad], { before: negative(before), after: negative(after), value: 0 })[0],
    ];
  },
  lower: (onnx, [x], { before, after, value }, node) => {
    const inputs = [x, onnx.builder.ints([...before, ...after])];
    if (value !== 0) inputs.push(scalarOf(onnx.builder, node.inputs[0].dtype, value));
    return onnx.node("Pad", inputs);
  },
};
function scalarOf(
  builder: { constant(dtype: DType, shape: readonly number[], data: never): string },
  dtype: DType,
  value: number,
): string {
  const data =
    dtype === "float32"
      ? Float32Array.of(value)
      : dtype === "int32"
        ? Int32Array.of(value)
        : BigInt64Array.of(BigInt(value));
  return builder.constant(dtype, [], data as never);
}
export interface PadOptions {
  /**
   * What fills the new elements: `value`, the tensor mirrored at its edge elements, its edge elements
   * repeated, or the tensor continued from its other end.
   */
  readonly mode?: "constant" | "reflect" | "replicate" | "circular";
  readonly value?: number;
}
/**
 * Adds elements around a tensor. As in PyTorch, `padding` is [before, after] for the last axis, then for
 * the one before it, and so on; negative numbers crop.
 *
 * @example
 * x.pad([1, 1], { mode: "reflect" }); // [1, 2, 3] -> [2, 1, 2, 3, 2]
 */
export function pad(
  x: Tensor,
  padding: readonly number[],
  options: number | PadOptions = {},
): Tensor {
  if (padding.length % 2 !== 0 || padding.length > 2 * x.rank) {
    throw new TensorlaneError(
      `pad: received ${padding.length} numbers for shape ${format(x.shape)}; give two per axis, last axis first`,
    );
  }
  const { mode = "constant", value = 0 } =
    typeof options === "number" ? { value: options } : options;
  const side = (offset: number) =>
    x.shape.map((_, axis) => padding[2 * (x.rank - 1 - axis) + offset] ?? 0);
  const [before, after] = [side(0), side(1)];
  if ([...before, ...after].every((n) => n === 0)) return x;
  for (const [axis, size] of x.shape.entries()) {
    const rest = typeof size === "number" ? size + before[axis] + after[axis] : 0;
    if (rest < 0) {
      throw new TensorlaneError(
        `pad: [${before[axis]}, ${after[axis]}] crops more than the ${size} elements of axis ${axis} of ${format(x.shape)}`,
      );
    }
  }
  if (mode === "constant") return apply(padOp, [x], { before, after, value })[0];
  return before.reduce((y, _, axis) => padFromInside(y, axis, before[axis], after[axis], mode), x);
}

/** Where element `i` of an endless axis is found in the `size` elements that there are. */
const sources = {
  replicate: (i: number, size: number) => Math.min(Math.max(i, 0), size - 1),
  circular: (i: number, size: number) => ((i % size) + size) % size,
  reflect: (i: number, size: number) => size - 1 - Math.abs(size - 1 - Math.abs(i)),
};

function padFromInside(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  mode: keyof typeof sources,
): Tensor {
  if (before === 0 && after === 0) return x;
  if (mode === "circular" && Math.min(before, after) < 0) {
    // PyTorch crops first: what is cut off does not come in again at the other end.
    const none = x.shape.map(() => 0);
    const crop = (n: number) => none.with(axis, Math.min(n, 0));
    const cropped = apply(padOp, [x], { before: crop(before), after: crop(after), value: 0 })[0];
    return padFromInside(cropped, axis, Math.max(before, 0), Math.max(after, 0), mode);
  }
  const size = x.shape[axis];
  // One reflection or turn: what PyTorch allows.
  const most =
    mode === "reflect" ? Number(size) - 1 : mode === "circular" ? Number(size) : Infinity;
  if (typeof size !== "number" || size === 0 || Math.max(before, after) > most) {
    throw new TensorlaneError(
      `pad: ${mode} padding [${before}, ${after}] of axis ${axis} of ${format(x.shape)} ` +
        `needs ${typeof size === "number" ? `at most ${most} elements a side` : "a concrete size"}`,
    );
  }
  const index = Int32Array.from({ length: size + before + after }, (_, i) =>
    sources[mode](i - before, size),
  );
  return take(x, constant(index, "int32", [index.length]), axis);
}
