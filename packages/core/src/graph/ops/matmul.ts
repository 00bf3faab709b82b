import { TensorlaneError } from "../../errors.ts";
import { f32 } from "../../onnx/builder.ts";
import { equal, format, type Shape, sizeOf } from "../dim.ts";
import { broadcast } from "../shape.ts";
import { apply, type Op, type Tensor, type TensorType } from "../tensor.ts";
import { reshape, squeeze, unsqueeze } from "./shape.ts";

/** Whether the last two axes of an operand are swapped first, without a copy where ONNX allows it. */
interface MatmulAttrs {
  readonly transA: boolean;
  readonly transB: boolean;
}

const swapped = (shape: Shape, swap: boolean): Shape =>
  swap ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;

function product([a, b]: readonly TensorType[], { transA, transB }: MatmulAttrs): Shape {
  const [left, right] = [swapped(a.shape, transA), swapped(b.shape, transB)];
  if (a.dtype !== "float32" || b.dtype !== "float32" || !equal(left.at(-1)!, right.at(-2)!)) {
    const mark = (type: TensorType, swap: boolean) =>
      `${type.dtype}${format(type.shape)}${swap ? " (transposed)" : ""}`;
    throw new TensorlaneError(
      `matmul: ${mark(a, transA)} times ${mark(b, transB)}: the last axis of the first ` +
        "must equal the second-last of the second, both float32",
    );
  }
  const batch = broadcast("matmul", left.slice(0, -2), right.slice(0, -2));
  return [...batch, left.at(-2)!, right.at(-1)!];
}

/** Matrix product of operands of rank 2 or more; leading axes broadcast. */
export const matmulOp: Op<MatmulAttrs> = {
  name: "matmul",
  infer: (inputs, attrs) => [{ dtype: "float32", shape: product(inputs, attrs) }],
  gradient: ({ grad, inputs: [a, b], attrs: { transA, transB }, needs }) => [
    !needs[0] ? null : transA ? multiply(b, grad, transB, true) : multiply(grad, b, false, !transB),
    !needs[1] ? null : weightGradient(a, b, grad, transA, transB),
  ],
  lower: (onnx, [a, b], { transA, transB }, node) => {
    const [rankA, rankB] = node.inputs.map((input) => input.rank);
    if (rankA === 2 && rankB === 2 && (transA || transB)) {
      return onnx.node("Gemm", [a, b], { transA: Number(transA), transB: Number(transB) });
    }
    const flipped = (name: string, rank: number, swap: boolean) => {
      if (!swap) return name;
      const perm = Array.from({ length: rank }, (_, i) => i);
      [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
      return onnx.node("Transpose", [name], { perm })[0];
    };
    return onnx.node("MatMul", [flipped(a, rankA, transA), flipped(b, rankB, transB)]);
  },
};

/**
 * The product of many left matrices with one shared right matrix has its gradient as one product over
 * all of them, instead of a product for each and a sum.
 */
function weightGradient(
  a: Tensor,
  b: Tensor,
  grad: Tensor,
  transA: boolean,
  transB: boolean,
): Tensor {
  if (b.rank === 2 && a.rank > 2 && !transA) {
    const rows = (x: Tensor) => reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
    return weightGradient(rows(a), b, rows(grad), false, transB);
  }
  return transB ? multiply(grad, a, true, transA) : multiply(a, grad, !transA, false);
}

/** Matrix product with operands optionally transposed; rank 2 or more. */
export function multiply(a: Tensor, b: Tensor, transA = false, transB = false): Tensor {
  // Many rows against one matrix: one large two-dimensional product.
  if (a.rank > 2 && b.rank === 2 && !transA) {
    const rows = reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!]);
    const out = apply(matmulOp, [rows, b], { transA, transB })[0];
    return reshape(out, [...a.shape.slice(0, -1), out.shape[1]]);
  }
  return apply(matmulOp, [a, b], { transA, transB })[0];
}

/** Matrix product as in PyTorch: vectors are promoted, leading axes broadcast. (…, n, k) · (…, k, m) */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.rank === 0 || b.rank === 0) {
    throw new TensorlaneError(
      `matmul: received shapes ${format(a.shape)} and ${format(b.shape)}; scalars are multiplied with mul`,
    );
  }
  if (a.rank === 1) return squeeze(matmul(unsqueeze(a, 0), b), b.rank === 1 ? 0 : -2);
  if (b.rank === 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  return multiply(a, b);
}

/** x · weightᵀ + bias as one node for two-dimensional x; (…, in) with weight (out, in), bias (out). */
export const linearOp: Op = {
  name: "linear",
  infer: ([x, weight, bias]) => {
    const shape = product([x, weight], { transA: false, transB: true });
    if (!equal(bias.shape.at(-1)!, shape.at(-1)!)) {
      throw new TensorlaneError(
        `linear: bias ${format(bias.shape)} does not fit output ${format(shape)}`,
      );
    }
    return [{ dtype: "float32", shape }];
  },
  gradient: ({ grad, inputs: [x, weight], needs }) => [
    needs[0] ? multiply(grad, weight) : null,
    needs[1] ? multiply(grad, x, true) : null,
    grad,
  ],
  lower: (onnx, inputs) => onnx.node("Gemm", inputs, { transB: 1, alpha: f32(1) }),
};

/** x · weightᵀ + bias. (…, in) -> (…, out); weight (out, in); bias (out), or (rows, out) added as is. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  if (weight.rank !== 2 || x.rank === 0 || !equal(x.shape.at(-1)!, weight.shape[1])) {
    throw new TensorlaneError(
      `linear: input ${format(x.shape)} against weight ${format(weight.shape)}: ` +
        "the input's last axis must equal the weight's second",
    );
  }
  if (!bias)
    return x.rank === 1
      ? squeeze(multiply(unsqueeze(x, 0), weight, false, true), 0)
      : multiply(x, weight, false, true);
  const rows = reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
  const out = apply(linearOp, [rows, weight, bias], {})[0];
  return reshape(out, [...x.shape.slice(0, -1), out.shape[1]]);
}
