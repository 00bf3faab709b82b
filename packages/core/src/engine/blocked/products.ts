import { isStatic } from "../../graph/dim.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { type Blocks, POINTWISE } from "./layout.ts";
import { type Cut, keepsRows, type Rows } from "./rows.ts";

/** Rows of the operands from which a transposed product is a convolution, and columns of its filters. */
const LONG = 256;
const WIDE = 128;

interface Transposition {
  readonly transA: boolean;
  readonly transB: boolean;
}

/** Rows in blocks stay rows in blocks, under whatever leading axes. */
export function reshapeRule(blocks: Blocks, node: Node): boolean {
  const [x] = blocks.inputsOf(node);
  const rows = blocks.rows.get(x);
  const [y] = node.outputs;
  if (!rows || !keepsRows(x.shape, y.shape)) return false;
  blocks.rows.hold(y, rows);
  return true;
}

/** x · weightᵀ + bias of rows in blocks, or of rows that a loop wants in blocks. */
export function linearRule(blocks: Blocks, node: Node): boolean {
  const [x, weight, bias] = blocks.inputsOf(node);
  if (bias.rank !== 1) return false;
  return product(blocks, node.outputs[0], x, { weight, transposed: true, bias });
}

/** Products of matrices: of rows in blocks, or of two transposed ones with a long sum. */
export function matmulRule(blocks: Blocks, node: Node): boolean {
  const [a, b] = blocks.inputsOf(node);
  const { transA, transB } = node.attrs as Transposition;
  if (a.rank !== 2 || b.rank !== 2) return false;
  if (transA) return !transB && transposedProduct(blocks, node.outputs[0], a, b);
  return product(blocks, node.outputs[0], a, { weight: b, transposed: transB });
}

interface Matrix {
  readonly weight: Tensor;
  readonly transposed: boolean;
  readonly bias?: Tensor;
}

function product(blocks: Blocks, y: Tensor, x: Tensor, matrix: Matrix): boolean {
  const { rows, onnx } = blocks;
  const cut: Cut | undefined = rows.get(x) ?? blocks.loops.wanted.get(y);
  if (!cut || !rows.fits(y) || !isStatic(x.shape) || !isStatic(matrix.weight.shape)) return false;
  const from = rows.fits(x) ? rows.of(x, cut) : rows.padded(onnx.nameOf(x), x.shape[1], cut);
  const width = y.shape.at(-1) as number;
  const missing = from.width - x.shape[1];
  const weight = rows.withZeros(
    onnx.nameOf(matrix.weight),
    matrix.transposed ? [0, missing] : [missing, 0],
  );
  const kernels = rows.kernels(weight, from.width, width, matrix.transposed);
  const bias = matrix.bias && onnx.nameOf(matrix.bias);
  const name = blocks.convolve(from.name, kernels, { bias }, POINTWISE);
  rows.hold(y, { ...cut, name, width } satisfies Rows);
  return true;
}

/**
 * (n, k) transposed · (n, c), such as a weight's gradient over all steps of a loop: a 1x1 convolution whose channels
 * are the n, its pixels the c and its kernels the k. Unlike ONNX Runtime's product it copies neither operand again.
 */
function transposedProduct(blocks: Blocks, y: Tensor, a: Tensor, b: Tensor): boolean {
  const { rows, size } = blocks;
  if (!isStatic(a.shape) || !isStatic(b.shape)) return false;
  const [n, k] = a.shape;
  const c = b.shape[1];
  if (n < LONG || k < WIDE || n % size !== 0 || k % size !== 0 || c === 0) return false;
  const kernels = blocks.reshape(rows.of(a, { steps: 1, rows: n }).name, [k, n, 1, 1]);
  const pixels = blocks.reshape(blocks.onnx.nameOf(b), [1, n, 1, c]);
  const image = blocks.node("ReorderInput", [pixels]);
  const result = blocks.convolve(image, kernels, {}, POINTWISE);
  const plain = blocks.node("ReorderOutput", [result], { channels: k });
  blocks.onnx.define(y, blocks.reshape(plain, [k, c]));
  return true;
}

/** The sum of rows in blocks over all rows, such as a bias's gradient. */
export function sumRule(blocks: Blocks, node: Node): boolean {
  const [x] = blocks.inputsOf(node);
  const { axes } = node.attrs as { readonly axes: readonly number[] };
  const held = blocks.rows.get(x);
  const leading = x.shape.slice(0, -1).map((_, axis) => axis);
  if (!held || leading.length !== axes.length || leading.some((axis) => !axes.includes(axis))) {
    return false;
  }
  const count = held.steps * held.rows;
  const { name, width } = blocks.rows.of(x, { steps: 1, rows: count });
  const runs = blocks.reshape(name, [width / blocks.size, count, blocks.size]);
  const over = blocks.onnx.builder.ints([1]);
  const sums = blocks.standard("ReduceSum", [runs, over], { keepdims: 0 });
  const [y] = node.outputs;
  blocks.onnx.define(y, blocks.reshape(sums, y.shape as readonly number[]));
  return true;
}

/** Features of rows in blocks side by side, such as those of two directions. */
export function concatRowsRule(blocks: Blocks, node: Node): boolean {
  const inputs = blocks.inputsOf(node);
  const { axis } = node.attrs as { readonly axis: number };
  const parts = inputs.flatMap((x) => blocks.rows.get(x) ?? []);
  const [first] = parts;
  if (parts.length < inputs.length || axis !== inputs[0].rank - 1) return false;
  if (parts.some(({ steps, rows }) => steps !== first.steps || rows !== first.rows)) return false;
  const name = blocks.concat(
    parts.map((part) => part.name),
    1,
  );
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  blocks.rows.hold(node.outputs[0], { ...first, name, width });
  return true;
}
