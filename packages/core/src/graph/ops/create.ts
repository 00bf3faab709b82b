import { TensorlaneError } from "../../errors.ts";
import { onnxType } from "../../onnx/builder.ts";
import { format, isStatic, type Shape, type Size } from "../dim.ts";
import { allocate, type DType, type TensorData } from "../dtype.ts";
import { apply, noGradient, type Op, type Tensor, type TensorType } from "../tensor.ts";

/** A constant of the graph: embedded in the model, part of the graph's structure. */
export const constantOp: Op<TensorType & { readonly data: TensorData }> = {
  name: "constant",
  infer: (_, { dtype, shape }) => [{ dtype, shape }],
  gradient: noGradient,
  lower: (onnx, _inputs, { dtype, shape, data }) => [
    onnx.builder.constant(dtype, shape as readonly number[], data),
  ],
};

/** A scalar constant, or with a shape and data a constant tensor. */
export function constant(
  value: number | TensorData,
  dtype: DType = "float32",
  shape: readonly number[] = [],
): Tensor {
  let data: TensorData;
  if (typeof value === "number") {
    data = allocate(dtype, 1);
    data[0] = (dtype === "int64" ? BigInt(value) : value) as never;
  } else data = value;
  return apply(constantOp, [], { dtype, shape, data })[0];
}

/** A tensor filled with one value; the shape may be symbolic. */
export const fullOp: Op<TensorType & { readonly value: number }> = {
  name: "full",
  infer: (_, { dtype, shape }) => [{ dtype, shape }],
  gradient: noGradient,
  lower: (onnx, _inputs, { dtype, shape, value }) => {
    const scalar = allocate(dtype, 1);
    scalar[0] = (dtype === "int64" ? BigInt(value) : value) as never;
    const one = onnx.builder.constant(dtype, [], scalar);
    if (isStatic(shape) && shape.includes(0)) return [onnx.empty(dtype, shape)];
    return shape.length === 0 ? [one] : onnx.node("Expand", [one, onnx.shape(shape)]);
  },
};
export const full = (shape: Shape, value: number, dtype: DType = "float32"): Tensor =>
  apply(fullOp, [], { dtype, shape, value })[0];
export const zeros = (shape: Shape, dtype: DType = "float32"): Tensor => full(shape, 0, dtype);
export const ones = (shape: Shape, dtype: DType = "float32"): Tensor => full(shape, 1, dtype);

/** The numbers 0 to n - 1. */
export function arange(n: number, dtype: DType = "float32"): Tensor {
  const data = allocate(dtype, n);
  for (let i = 0; i < n; i++) data[i] = (dtype === "int64" ? BigInt(i) : i) as never;
  return constant(data, dtype, [n]);
}

export const castOp: Op<{ readonly to: DType }> = {
  name: "cast",
  infer: ([x], { to }) => [{ dtype: to, shape: x.shape }],
  gradient: noGradient,
  lower: (onnx, [x], { to }) => onnx.node("Cast", [x], { to: onnxType[to] }),
};
/** Converts the element type; no gradient flows through a conversion. */
export const cast = (x: Tensor, to: DType): Tensor =>
  x.dtype === to ? x : apply(castOp, [x], { to })[0];

/** A size as a float32 scalar, so that means over symbolic axes have a gradient. */
export const sizeOp: Op<{ readonly size: Size }> = {
  name: "size",
  infer: () => [{ dtype: "float32", shape: [] }],
  gradient: noGradient,
  lower: (onnx, _inputs, { size }) => {
    const whole = onnx.node("Squeeze", [onnx.size(size), onnx.builder.ints([0])]);
    return onnx.node("Cast", whole, { to: onnxType.float32 });
  },
};
export const sizeAsFloat = (size: Size): Tensor =>
  typeof size === "number" ? constant(size) : apply(sizeOp, [], { size })[0];

/** The value of x, through which no gradient flows. */
export const detachOp: Op = {
  name: "detach",
  infer: ([x]) => [x],
  gradient: noGradient,
  lower: (_onnx, inputs) => inputs,
};
export const detach = (x: Tensor): Tensor => apply(detachOp, [x], {})[0];

/** Throws unless every size is known; for operators that cannot work with symbolic ones. */
export function requireStatic(what: string, shape: Shape): readonly number[] {
  if (!isStatic(shape)) {
    throw new TensorlaneError(`${what}: needs concrete sizes, received ${format(shape)}`);
  }
  return shape;
}
