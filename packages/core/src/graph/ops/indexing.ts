import { TensorlaneError } from "../../errors.ts";
import * as sizes from "../dim.ts";
import { format, isStatic, type Size, sizeOf } from "../dim.ts";
import { normalizeAxis } from "../shape.ts";
import { apply, noGradient, type Op, type Tensor, type TensorType } from "../tensor.ts";
import { arange, cast, zeros } from "./create.ts";
import { equal } from "./elementwise.ts";
import { concat, reshape, split, transpose } from "./shape.ts";

function requireIndices(what: string, indices: TensorType): void {
  if (indices.dtype !== "int32" && indices.dtype !== "int64") {
    throw new TensorlaneError(
      `${what}: indices must be int32 or int64, received ${indices.dtype}; ` +
        'make them with tensor(values, shape, "int32")',
    );
  }
}

/** Slices x along an axis at the given positions; the axis is replaced by the indices' axes. */
export const takeOp: Op<{ readonly axis: number }> = {
  name: "take",
  infer: ([x, indices], { axis }) => {
    requireIndices("take", indices);
    return [
      {
        dtype: x.dtype,
        shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
      },
    ];
  },
  gradient: ({ grad, inputs: [x, indices], attrs: { axis } }) => {
    const n = sizeOf(indices.shape);
    const before = x.shape.slice(0, axis);
    const after = x.shape.slice(axis + 1);
    // Rows first: scatter wants the indexed axis in front.
    const rows = reshape(grad, [sizeOf(before), n, sizeOf(after)]);
    const front =
      axis === 0
        ? reshape(rows, [n, sizeOf(after)])
        : reshape(transpose(rows, 0, 1), [n, sizes.multiply(sizeOf(before), sizeOf(after))]);
    const summed = sumRows(reshape(indices, [n]), front, x.shape[axis]);
    if (axis === 0) return [reshape(summed, x.shape)];
    const apart = reshape(summed, [x.shape[axis], sizeOf(before), sizeOf(after)]);
    return [reshape(transpose(apart, 0, 1), x.shape)];
  },
  lower: (onnx, inputs, { axis }) => onnx.node("Gather", inputs, { axis }),
};
export const take = (x: Tensor, indices: Tensor, dim = 0): Tensor =>
  apply(takeOp, [x, indices], { axis: normalizeAxis("take", dim, x.rank) })[0];

/**
 * Elements that one ScatterND may add. ONNX Runtime (1.30) shares 210,000 and more out among its threads, which
 * then lose each other's sums where positions are equal: microsoft/onnxruntime#18048 and #23396. Asking for
 * deterministic computation does not change this.
 */
const ADDED_AT_ONCE = 200_000;

const quotient = (size: number, by: number): number => Math.ceil(size / Math.max(1, by));

/** target (V, E) with rows (n, E) added at positions indices (n); equal positions add up, in their order. */
export const scatterRowsOp: Op = {
  name: "scatterRows",
  infer: ([target, indices]) => {
    requireIndices("scatterRows", indices);
    return [target];
  },
  gradient: ({ grad, inputs: [, indices] }) => [grad, null, take(grad, indices, 0)],
  lower: (onnx, [target, indices, rows], _, node) => {
    const { shape } = node.inputs[2];
    const wide = onnx.node("Cast", [indices], { to: 7 })[0];
    const column = onnx.node("Unsqueeze", [wide, onnx.builder.ints([1])])[0];
    if (!isStatic(shape)) {
      // How much is added is not known here; this operator never shares it out, and takes about five times as long.
      const each = onnx.node("Expand", [column, onnx.shape(shape)])[0];
      return onnx.node("ScatterElements", [target, each, rows], { axis: 0, reduction: "add" });
    }
    const [n, width] = shape;
    const most = Math.max(1, Math.floor(ADDED_AT_ONCE / Math.max(1, width)));
    const parts = Array.from({ length: quotient(n, most) }, (_, i) => Math.min(most, n - i * most));
    const cut = (x: string) =>
      parts.length > 1
        ? onnx.node("Split", [x, onnx.builder.ints(parts)], { axis: 0 }, parts.length)
        : [x];
    const [at, added] = [cut(column), cut(rows)];
    const add = (sum: string, row: string, i: number) =>
      onnx.node("ScatterND", [sum, at[i], row], { reduction: "add" })[0];
    return [added.reduce(add, target)];
  },
};

/** Sums (count, E) of the rows (n, E) with equal indices (n). */
function sumRows(indices: Tensor, rows: Tensor, count: Size): Tensor {
  const sum = (part: Tensor) =>
    apply(scatterRowsOp, [zeros([count, part.shape[1]]), indices, part], {})[0];
  const { shape } = rows;
  if (!isStatic(shape) || typeof count !== "number") return sum(rows);
  const [n, width] = shape;
  const parts = quotient(n * width, ADDED_AT_ONCE);
  // Adding part of the rows after part copies all sums each time; parts of their columns are copied once.
  if (parts < 2 || n > ADDED_AT_ONCE || (parts - 2) * count < n) return sum(rows);
  return concat(split(rows, Math.floor(ADDED_AT_ONCE / n), 1).map(sum), 1);
}

/** target (V, E) plus rows (n, E) at row positions indices (n). */
export const scatterRows = (target: Tensor, indices: Tensor, rows: Tensor): Tensor =>
  apply(scatterRowsOp, [target, indices, rows], {})[0];

interface AlongAxis {
  readonly axis: number;
}
export const gatherOp: Op<AlongAxis> = {
  name: "gather",
  infer: ([x, index], { axis }) => {
    requireIndices("gather", index);
    const fits =
      x.shape.length === index.shape.length &&
      index.shape.every((size, i) => i === axis || fitsInside(size, x.shape[i]));
    if (!fits) {
      throw new TensorlaneError(
        `gather: index ${format(index.shape)} does not fit ${format(x.shape)} off axis ${axis}`,
      );
    }
    return [{ dtype: x.dtype, shape: index.shape }];
  },
  gradient: ({ grad, inputs: [x, index], attrs: { axis } }) => [
    apply(scatterAddOp, [zeros(x.shape), index, grad], { axis })[0],
  ],
  lower: (onnx, inputs, { axis }) => onnx.node("GatherElements", inputs, { axis }),
};
const fitsInside = (size: Size, limit: Size): boolean =>
  typeof size === "number" && typeof limit === "number" ? size <= limit : sizes.equal(size, limit);
/** PyTorch's gather: result[i][j] = x[i][index[i][j]] for dim 1, and so on. */
export const gather = (x: Tensor, dim: number, index: Tensor): Tensor =>
  apply(gatherOp, [x, index], { axis: normalizeAxis("gather", dim, x.rank) })[0];

export const scatterAddOp: Op<AlongAxis> = {
  name: "scatterAdd",
  infer: ([target, index]) => {
    requireIndices("scatterAdd", index);
    return [target];
  },
  gradient: ({ grad, inputs: [, index], attrs: { axis } }) => [
    grad,
    null,
    gather(grad, axis, index),
  ],
  lower: (onnx, inputs, { axis }) =>
    onnx.node("ScatterElements", inputs, { axis, reduction: "add" }),
};
/** PyTorch's scatter_add: target[i][index[i][j]] += source[i][j] for dim 1, and so on. */
export const scatterAdd = (target: Tensor, dim: number, index: Tensor, source: Tensor): Tensor =>
  apply(scatterAddOp, [target, index, source], {
    axis: normalizeAxis("scatterAdd", dim, target.rank),
  })[0];

/** 1 at each index, 0 elsewhere, on a new last axis of `classes`. Indices outside give all zeros. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  requireIndices("oneHot", indices);
  const column = reshape(indices, [...indices.shape, 1]);
  return cast(equal(column, arange(classes, indices.dtype)), "float32");
}

/** The k largest values along an axis, in falling order, and their positions (int64). */
export const topkOp: Op<{ readonly axis: number; readonly k: number; readonly largest: boolean }> =
  {
    name: "topk",
    infer: ([x], { axis, k }) => {
      const size = x.shape[axis];
      if (typeof size === "number" && k > size) {
        throw new TensorlaneError(`topk: k = ${k} exceeds axis ${axis} of ${format(x.shape)}`);
      }
      const shape = x.shape.with(axis, k);
      return [
        { dtype: x.dtype, shape },
        { dtype: "int64", shape },
      ];
    },
    gradient: ({ grads: [grad], inputs: [x], outputs: [, index], attrs: { axis } }) =>
      grad ? [scatterAdd(zeros(x.shape), axis, index, grad)] : [],
    lower: (onnx, [x], { axis, k, largest }) =>
      onnx.node(
        "TopK",
        [x, onnx.builder.ints([k])],
        { axis, largest: Number(largest), sorted: 1 },
        2,
      ),
  };
export function topk(
  x: Tensor,
  k: number,
  dim = -1,
  largest = true,
): { values: Tensor; indices: Tensor } {
  const axis = normalizeAxis("topk", dim, x.rank);
  const [values, indices] = apply(topkOp, [x], { axis, k, largest });
  return { values, indices };
}

/**
 * Largest value along an axis and its position (int64), the first of equals; all of the gradient goes
 * there, as with PyTorch's max(dim).
 */
export const maxOp: Op<{ readonly axis: number; readonly keepdim: boolean }> = {
  name: "max",
  infer: ([x], { axis, keepdim }) => {
    const shape = keepdim ? x.shape.with(axis, 1) : x.shape.toSpliced(axis, 1);
    return [
      { dtype: x.dtype, shape },
      { dtype: "int64", shape },
    ];
  },
  gradient: ({ grads: [grad], inputs: [x], outputs: [, index], attrs: { axis } }) => {
    if (!grad) return noGradient();
    const shape = x.shape.with(axis, 1);
    return [scatterAdd(zeros(x.shape), axis, reshape(index, shape), reshape(grad, shape))];
  },
  lower: (onnx, [x], { axis, keepdim }) => {
    const keepdims = Number(keepdim);
    const [values] = onnx.node("ReduceMax", [x], { axes: [axis], keepdims });
    const [indices] = onnx.node("ArgMax", [x], { axis, keepdims });
    return [values, indices];
  },
};
export function max(x: Tensor, dim: number, keepdim = false): { values: Tensor; indices: Tensor } {
  const axis = normalizeAxis("max", dim, x.rank);
  const [values, indices] = apply(maxOp, [x], { axis, keepdim });
  return { values, indices };
}
