import { TensorlaneError } from "../../errors.ts";
import { isStatic, multiply, type Shape, type Size, staticSize } from "../dim.ts";
import type { DType } from "../dtype.ts";
import { normalizeAxes, normalizeAxis, reduced } from "../shape.ts";
import { apply, noGradient, type Op, type Tensor } from "../tensor.ts";
import { cast, sizeAsFloat } from "./create.ts";
import {
  add,
  div,
  equal,
  exp,
  log,
  logicalAnd,
  mul,
  sqrt,
  square,
  sub,
  where,
} from "./elementwise.ts";
import { expand, reshape } from "./shape.ts";

/** Axes to reduce over (all, where none are given) and whether they stay as size 1. */
export interface ReduceOptions {
  readonly dim?: number | readonly number[];
  readonly keepdim?: boolean;
}
interface Reduction {
  readonly axes: readonly number[];
  readonly keepdim: boolean;
}

/** Shape with the reduced axes put back as size 1. */
const kept = (shape: Shape, axes: readonly number[]): Shape => reduced(shape, axes, true);

/**
 * Numbers that are added up in one go. ONNX Runtime (1.30) adds a whole tensor one after another: a mean of 8 million
 * numbers was off by 3e-4, axis by axis by 1e-7.
 */
const ADDED_AT_ONCE = 2 ** 18;

/** The axes to reduce before all others, one by one, so that no sum of a whole tensor grows too long. */
function axesBefore(type: string, shape: Shape, axes: readonly number[]): readonly number[] {
  const adds = type === "ReduceSum" || type === "ReduceMean";
  if (!adds || axes.length < shape.length || !isStatic(shape)) return [];
  let left = staticSize(shape);
  const before: number[] = [];
  for (let axis = shape.length - 1; axis > 0 && left > ADDED_AT_ONCE; axis--) {
    before.push(axis);
    left /= shape[axis];
  }
  return before;
}

function reduction(
  name: string,
  type: string,
  gradient: Op<Reduction>["gradient"],
  axesAsInput = false,
): Op<Reduction> {
  return {
    name,
    infer: ([x], { axes, keepdim }) => {
      if (x.dtype === "bool") {
        throw new TensorlaneError(
          `${name}: takes numbers, received bool; convert with .cast("int32")`,
        );
      }
      return [{ dtype: x.dtype, shape: reduced(x.shape, axes, keepdim) }];
    },
    gradient,
    lower: (onnx, [x], { axes, keepdim }, node) => {
      // ONNX reads an empty axes list as "all of them".
      if (axes.length === 0) return onnx.node("Identity", [x]);
      const reduce = (from: string, over: readonly number[], keepdims: number) =>
        axesAsInput
          ? onnx.node(type, [from, onnx.builder.ints(over)], { keepdims })
          : onnx.node(type, [from], { axes: over, keepdims });
      const before = axesBefore(type, node.inputs[0].shape, axes);
      const rest = before.reduce((from, axis) => reduce(from, [axis], 1)[0], x);
      return reduce(rest, axes, Number(keepdim));
    },
  };
}

function run(op: Op<Reduction>, x: Tensor, { dim, keepdim = false }: ReduceOptions): Tensor {
  return apply(op, [x], { axes: normalizeAxes(op.name, dim, x.rank), keepdim })[0];
}

export const sumOp = reduction(
  "sum",
  "ReduceSum",
  ({ grad, inputs: [x], attrs: { axes } }) => [expand(reshape(grad, kept(x.shape, axes)), x.shape)],
  true,
);
/** Sum over axes. */
export const sum = (x: Tensor, options: ReduceOptions = {}): Tensor => run(sumOp, x, options);

const count = (x: Tensor, axes: readonly number[]): Size =>
  axes.reduce<Size>((product, axis) => multiply(product, x.shape[axis]), 1);

export const meanOp = reduction("mean", "ReduceMean", ({ grad, inputs: [x], attrs: { axes } }) => [
  expand(reshape(div(grad, sizeAsFloat(count(x, axes))), kept(x.shape, axes)), x.shape),
]);
/** Mean over axes. */
export const mean = (x: Tensor, options: ReduceOptions = {}): Tensor => run(meanOp, x, options);

/** The gradient of an extremum is shared evenly among equal elements, as PyTorch's amax does. */
const extremum = (name: string, type: string): Op<Reduction> =>
  reduction(name, type, ({ grad, inputs: [x], outputs: [y], attrs: { axes } }) => {
    const shape = kept(x.shape, axes);
    const hits = cast(equal(x, reshape(y, shape)), "float32");
    return [mul(hits, div(reshape(grad, shape), sum(hits, { dim: axes, keepdim: true })))];
  });
export const amaxOp = extremum("amax", "ReduceMax");
export const aminOp = extremum("amin", "ReduceMin");
/** Largest value over axes. */
export const amax = (x: Tensor, options: ReduceOptions = {}): Tensor => run(amaxOp, x, options);
/** Smallest value over axes. */
export const amin = (x: Tensor, options: ReduceOptions = {}): Tensor => run(aminOp, x, options);

/** d/dx_i of a product is the product of the others, also where some element is 0. */
export const prodOp = reduction("prod", "ReduceProd", ({ grad, inputs: [x], attrs: { axes } }) => {
  const over = { dim: axes, keepdim: true };
  const isZero = equal(x, 0);
  const zeros = sum(cast(isZero, "float32"), over);
  const others = where(isZero, 1, x);
  const product = prod(others, over);
  // With one zero only that element's slope differs from 0; with more, none does.
  const atZero = where(logicalAnd(isZero, equal(zeros, 1)), product, 0);
  const slope = where(equal(zeros, 0), div(product, others), atZero);
  return [mul(slope, reshape(grad, kept(x.shape, axes)))];
});
/** Product over axes. Where an element is 0, second-order gradients are not defined. */
export const prod = (x: Tensor, options: ReduceOptions = {}): Tensor => run(prodOp, x, options);

const arg = (
  name: string,
  type: string,
): Op<{ readonly axis: number; readonly keepdim: boolean }> => ({
  name,
  infer: ([x], { axis, keepdim }) => [
    { dtype: "int64" as DType, shape: reduced(x.shape, [axis], keepdim) },
  ],
  gradient: noGradient,
  lower: (onnx, [x], { axis, keepdim }) =>
    onnx.node(type, [x], { axis, keepdims: Number(keepdim) }),
});
export const argmaxOp = arg("argmax", "ArgMax");
export const argminOp = arg("argmin", "ArgMin");
interface ArgOptions {
  readonly dim: number;
  readonly keepdim?: boolean;
}
/** Index (int64) of the largest value along an axis, the first of equals. */
export const argmax = (x: Tensor, { dim, keepdim = false }: ArgOptions): Tensor =>
  apply(argmaxOp, [x], { axis: normalizeAxis("argmax", dim, x.rank), keepdim })[0];
/** Index (int64) of the smallest value along an axis, the first of equals. */
export const argmin = (x: Tensor, { dim, keepdim = false }: ArgOptions): Tensor =>
  apply(argminOp, [x], { axis: normalizeAxis("argmin", dim, x.rank), keepdim })[0];

export const cumsumOp: Op<{ readonly axis: number; readonly reverse: boolean }> = {
  name: "cumsum",
  infer: ([x]) => [x],
  gradient: ({ grad, attrs: { axis, reverse } }) => [
    apply(cumsumOp, [grad], { axis, reverse: !reverse })[0],
  ],
  lower: (onnx, [x], { axis, reverse }) => {
    const at = onnx.builder.constant("int64", [], BigInt64Array.of(BigInt(axis)));
    return onnx.node("CumSum", [x, at], { reverse: Number(reverse) });
  },
};
/** Running sum along an axis. */
export const cumsum = (x: Tensor, dim: number): Tensor =>
  apply(cumsumOp, [x], { axis: normalizeAxis("cumsum", dim, x.rank), reverse: false })[0];

/** How far the number of elements is corrected: n - 1 (PyTorch's default), n, or n - correction. */
export interface VarianceOptions extends ReduceOptions {
  readonly unbiased?: boolean;
  readonly correction?: number;
}
/** Variance over axes: Σ (x - mean)² / (n - correction). */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  const { dim, keepdim = false, unbiased = true, correction = unbiased ? 1 : 0 } = options;
  const axes = normalizeAxes("variance", dim, x.rank);
  const centred = sub(x, mean(x, { dim: axes, keepdim: true }));
  const total = sum(square(centred), { dim: axes, keepdim });
  const n = sizeAsFloat(count(x, axes));
  return div(total, correction === 0 ? n : sub(n, correction));
}
/** Standard deviation over axes. */
export const std = (x: Tensor, options: VarianceOptions = {}): Tensor => sqrt(variance(x, options));

/** log of the sum of exponentials over axes, safe for large values. */
export function logSumExp(x: Tensor, { dim, keepdim = false }: ReduceOptions = {}): Tensor {
  const axes = normalizeAxes("logSumExp", dim, x.rank);
  const top = amax(x, { dim: axes, keepdim: true });
  const total = log(sum(exp(sub(x, top)), { dim: axes, keepdim: true }));
  const result = add(total, top);
  return keepdim ? result : reshape(result, reduced(x.shape, axes, false));
}
