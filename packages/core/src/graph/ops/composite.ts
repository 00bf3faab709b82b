/** Operators composed of others: their gradients, of any order, come for free. */
import { TensorlaneError } from "../../errors.ts";
import { format } from "../dim.ts";
import { normalizeAxis } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { sigmoid } from "./activations.ts";
import { arange, requireStatic } from "./create.ts";
import {
  abs,
  equal,
  floor,
  greaterEqual,
  lessEqual,
  logicalNot,
  mul,
  type Operand,
  sign,
  sub,
  where,
} from "./elementwise.ts";
import { concat, slice, split, unsqueeze } from "./shape.ts";

/** a ≠ b, as bool. */
export const notEqual = (a: Operand, b: Operand): Tensor => logicalNot(equal(a, b));
/** True where exactly one of two masks is. */
export const logicalXor = (a: Tensor, b: Tensor): Tensor => notEqual(a, b);

/** Towards zero, to an integer. */
export const trunc = (x: Tensor): Tensor => mul(sign(x), floor(abs(x)));

/** x · sigmoid(x), also known as swish. */
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));

/** Column minus row of each element of the last two axes. */
function offDiagonal(what: string, x: Tensor): Tensor {
  if (x.rank < 2) {
    throw new TensorlaneError(`${what}: takes matrices, received shape ${format(x.shape)}`);
  }
  const [rows, columns] = requireStatic(what, x.shape.slice(-2));
  return sub(arange(columns), unsqueeze(arange(rows), 1));
}
/** The lower triangle of the last two axes, up to a diagonal above (positive) or below the main one. */
export const tril = (x: Tensor, diagonal = 0): Tensor =>
  where(lessEqual(offDiagonal("tril", x), diagonal), x, 0);
/** The upper triangle of the last two axes, from a diagonal above (positive) or below the main one. */
export const triu = (x: Tensor, diagonal = 0): Tensor =>
  where(greaterEqual(offDiagonal("triu", x), diagonal), x, 0);

/** Shifts along an axis by `shift` places; what leaves at one end comes in at the other. */
export function roll(x: Tensor, shift: number, dim: number): Tensor {
  const axis = normalizeAxis("roll", dim, x.rank);
  const [size] = requireStatic("roll", [x.shape[axis]]);
  const cut = size === 0 ? 0 : ((-shift % size) + size) % size;
  if (cut === 0) return x;
  const part = (from: number, to: number) =>
    slice(
      x,
      x.shape.map((_, i) => (i === axis ? [from, to] : null)),
    );
  return concat([part(cut, size), part(0, cut)], axis);
}

/** Cuts an axis into `count` parts of one size; the last may be smaller, as in PyTorch. */
export function chunk(x: Tensor, count: number, dim = 0): readonly Tensor[] {
  const axis = normalizeAxis("chunk", dim, x.rank);
  const [size] = requireStatic("chunk", [x.shape[axis]]);
  return split(x, Math.max(1, Math.ceil(size / count)), axis);
}
