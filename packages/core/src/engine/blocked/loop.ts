import { isStatic, sameShape, staticSize } from "../../graph/dim.ts";
import { lowerScan, type ScanAttrs } from "../../graph/loop.ts";
import { reluGradientOp, reluOp, sigmoidOp, tanhOp } from "../../graph/ops/activations.ts";
import * as elementwise from "../../graph/ops/elementwise.ts";
import { linearOp, matmulOp } from "../../graph/ops/matmul.ts";
import { loopOf, scanOp } from "../../graph/ops/scan.ts";
import { concatOp, reshapeOp, splitOp } from "../../graph/ops/shape.ts";
import type { Node, Op, Tensor } from "../../graph/tensor.ts";
import type { Resolve } from "../../graph/walk.ts";
import type { Lowering, Rewriter } from "../../onnx/lowering.ts";
import { type Blocks, POINTWISE } from "./layout.ts";
import { type Cut, keepsRows } from "./rows.ts";

const { addOp, subOp, mulOp, divOp, negOp, expOp, sqrtOp, reciprocalOp, absOp } = elementwise;
const { whereOp, logOp, maximumOp, minimumOp } = elementwise;

const is = (node: Node, op: Op<never>): boolean => node.op === (op as unknown as Op);

/** Operators that look at one element at a time: they work on rows in blocks as on any others. */
const pointwise: ReadonlySet<Op> = new Set([
  ...[addOp, subOp, mulOp, divOp, negOp, expOp, logOp, sqrtOp, reciprocalOp, absOp],
  ...[maximumOp, minimumOp, whereOp, sigmoidOp, tanhOp, reluOp, reluGradientOp],
]);

/** How a loop is computed on rows in blocks. */
interface Plan extends Cut {
  /** Masks (rows, 1) among the slices and what is read from outside, and how wide they must become. */
  readonly masks: ReadonlyMap<Tensor, number>;
  /** Tensors from outside that enter element by element: (rows, width), or (width) for every row. */
  readonly operands: ReadonlySet<Tensor>;
}

/** Multiplications of a step's largest product from which blocks pay: 2 sequences of 256 units, 32 of 64. */
const LARGE = 2 ** 19;

/** The plan for a loop whose every operator works on rows in blocks; undefined for others. */
function planOf(blocks: Blocks, node: Node): Plan | undefined {
  const attrs = node.attrs as ScanAttrs;
  const { states, slices, nextStates, results, length } = attrs;
  const { nodes, captured } = loopOf(node)!;
  const rows = states[0]?.shape[0] ?? results[0]?.shape[0];
  if (typeof length !== "number" || typeof rows !== "number" || length === 0) return;
  const outside = new Set(captured);
  const isRows = (x: Tensor) => x.rank === 2 && x.shape[0] === rows && blocks.rows.fits(x);
  const masks = new Map<Tensor, number>();
  const operands = new Set<Tensor>();

  /** Whether an operand of an elementwise node with `y` as result is fine, which is noted. */
  const accepts = (y: Tensor, x: Tensor): boolean => {
    if (x.rank === 0) return outside.has(x);
    if (sameShape(x.shape, y.shape)) {
      if (outside.has(x)) operands.add(x);
      return x.dtype === "float32";
    }
    const width = y.shape[1] as number;
    if (x.dtype === "bool" && sameShape(x.shape, [rows, 1])) {
      if (!(slices.includes(x) || outside.has(x)) || (masks.get(x) ?? width) !== width)
        return false;
      masks.set(x, width);
      return true;
    }
    if (!outside.has(x) || x.dtype !== "float32" || !sameShape(x.shape, [width])) return false;
    operands.add(x);
    return true;
  };
  const isProduct = ({ inputs: [x, weight, bias], attrs }: Node, y: Tensor): boolean => {
    if (!isRows(x) || outside.has(x) || !outside.has(weight) || weight.rank !== 2) return false;
    if (!isStatic(weight.shape) || (attrs as { readonly transA?: boolean }).transA) return false;
    if (!bias || (bias.rank === 1 && outside.has(bias))) return true;
    return sameShape(bias.shape, y.shape) && accepts(y, bias);
  };
  const isFine = (each: Node): boolean => {
    if (!each.outputs.every(isRows)) return false;
    const [y] = each.outputs;
    if (is(each, linearOp) || is(each, matmulOp)) return isProduct(each, y);
    if (is(each, splitOp) || is(each, concatOp)) {
      const { axis } = each.attrs as { readonly axis: number };
      return axis === 1 && each.inputs.every((x) => isRows(x) && !outside.has(x));
    }
    return pointwise.has(each.op) && each.inputs.every((x) => accepts(y, x));
  };
  const ends = [...states, ...nextStates, ...results];
  if (!ends.every(isRows) || ends.some((x) => outside.has(x))) return;
  if (![...nodes].every(isFine)) return;
  const products = [...nodes].filter((each) => is(each, linearOp) || is(each, matmulOp));
  const sizes = products.map(
    ({ inputs: [x, weight] }) => staticSize(weight.shape) * Number(x.shape[0]),
  );
  if (Math.max(0, ...sizes) < LARGE) return;
  if (!slices.every((x) => masks.has(x) || isRows(x))) return;
  return { steps: length, rows, masks, operands };
}

/** The loops of a graph that are computed on rows in blocks. */
export class Loops {
  readonly plans = new Map<Node, Plan>();
  /** What their sequences are reshaped from: better computed in blocks at once, cut as the loop wants it. */
  readonly wanted = new Map<Tensor, Cut>();

  /** Plans those among `nodes`; what an operator is expanded to comes later than the rest. */
  plan(blocks: Blocks, nodes: readonly Node[], resolve: Resolve): void {
    for (const node of nodes) {
      const plan = is(node, scanOp) ? planOf(blocks, node) : undefined;
      if (!plan) continue;
      this.plans.set(node, plan);
      const { states, slices } = node.attrs as ScanAttrs;
      for (let x of node.inputs.slice(states.length, states.length + slices.length).map(resolve)) {
        while (is(x.node, reshapeOp) && keepsRows(x.node.inputs[0].shape, x.shape)) {
          x = resolve(x.node.inputs[0]);
        }
        this.wanted.set(x, plan);
      }
    }
  }
}

/** A loop whose states, slices and results are rows in blocks: its products are convolutions. */
export function scanRule(blocks: Blocks, node: Node): boolean {
  const plan = blocks.loops.plans.get(node);
  if (!plan) return false;
  const attrs = node.attrs as ScanAttrs;
  const { states, slices } = attrs;
  const inputs = blocks.inputsOf(node);
  const { rows } = blocks;
  const { steps, rows: count, masks, operands } = plan;
  const resolved = new Map(node.inputs.map((x, i) => [x, inputs[i]]));
  const outer = (x: Tensor) => blocks.onnx.nameOf(resolved.get(x) ?? x);
  const widthOf = (x: Tensor) => masks.get(x) ?? (x.shape.at(-1) as number);

  const init = states.map((_, i) => rows.of(inputs[i], { steps: 1, rows: count }).name);
  const sequences = slices.map((slice, i) => {
    const x = inputs[states.length + i];
    const width = widthOf(slice);
    const name = masks.has(slice)
      ? rows.spread(blocks.onnx.nameOf(x), { steps, rows: count, width })
      : rows.of(x, { steps, rows: count }).name;
    return blocks.reshape(name, [steps, 1, width, 1, count]);
  });
  const known = new Map<Tensor, string>();
  for (const x of operands) {
    const value = resolved.get(x) ?? x;
    const name =
      x.rank === 1
        ? rows.repeated(outer(x), widthOf(x), count)
        : rows.of(value, { steps: 1, rows: count }).name;
    known.set(value, name);
  }
  for (const [x, width] of masks) {
    if (slices.includes(x)) continue;
    known.set(resolved.get(x) ?? x, rows.spread(outer(x), { steps: 1, rows: count, width }));
  }
  const names = lowerScan(blocks.onnx, [...init, ...sequences], attrs, {
    known,
    shapeOf: (x) => [1, widthOf(x), 1, count],
    rewrite: (onnx) => new Step(blocks, onnx, outer),
  });
  for (const [i, y] of node.outputs.entries()) {
    const width = y.shape.at(-1) as number;
    if (i < states.length) rows.hold(y, { name: names[i], steps: 1, rows: count, width });
    else {
      const name = blocks.reshape(names[i], [steps, width, 1, count]);
      rows.hold(y, { name, steps, rows: count, width });
    }
  }
  return true;
}

/** A product that is not yet emitted, and what may go into it. */
interface Product {
  emit(fused: { readonly sum?: string; readonly activation?: string }): string;
  readonly hasSum: boolean;
}

/** What a convolution applies to its results. */
const activations: ReadonlyMap<Op, string> = new Map([
  [tanhOp, "Tanh"],
  [sigmoidOp, "Sigmoid"],
  [reluOp, "Relu"],
]);

/**
 * Lowers a step's products as convolutions; all other nodes take their own rules, on blocks. A product with a single
 * reader waits for it: a sum or an activation goes into the convolution, where all threads take part in it.
 */
class Step implements Rewriter {
  private readonly blocks: Blocks;
  private readonly onnx: Lowering;
  private readonly outer: (x: Tensor) => string;
  private readonly pending = new Map<Tensor, Product>();
  private readonly uses = new Map<Tensor, number>();

  constructor(blocks: Blocks, onnx: Lowering, outer: (x: Tensor) => string) {
    this.blocks = blocks;
    this.onnx = onnx;
    this.outer = outer;
  }

  begin(nodes: readonly Node[], outputs: readonly Tensor[], resolve: Resolve): void {
    const used = [...nodes.flatMap((node) => node.inputs), ...outputs];
    for (const tensor of used.map(resolve)) this.uses.set(tensor, (this.uses.get(tensor) ?? 0) + 1);
  }

  has(tensor: Tensor): boolean {
    return this.pending.has(tensor);
  }

  plain(tensor: Tensor): string {
    return this.pending.get(tensor)!.emit({});
  }

  lower(node: Node, resolve: Resolve): boolean {
    const inputs = node.inputs.map(resolve);
    const [y] = node.outputs;
    if (is(node, addOp)) return this.addTo(y, inputs);
    const activation = activations.get(node.op);
    if (activation !== undefined) return this.activate(y, inputs[0], activation);
    if (!is(node, linearOp) && !is(node, matmulOp)) return false;
    const [x, , addend] = inputs;
    const [, weight, bias] = node.inputs;
    const transposed = is(node, linearOp) || (node.attrs as { transB: boolean }).transB;
    const [from, to] = [x, y].map(({ shape }) => shape[1] as number);
    const kernels = this.blocks.rows.kernels(this.outer(weight), from, to, transposed);
    const isVector = bias?.rank === 1;
    const hasSum = addend !== undefined && !isVector;
    const emit: Product["emit"] = ({ sum, activation }) => {
      const added = {
        bias: isVector ? this.outer(bias) : undefined,
        sum: hasSum ? this.onnx.nameOf(addend) : sum,
      };
      const attributes = activation === undefined ? POINTWISE : { ...POINTWISE, activation };
      return this.blocks.convolve(this.onnx.nameOf(x), kernels, added, attributes, this.onnx);
    };
    this.put(y, { emit, hasSum });
    return true;
  }

  private put(y: Tensor, product: Product): void {
    if (this.uses.get(y) === 1) this.pending.set(y, product);
    else this.onnx.define(y, product.emit({}));
  }

  private addTo(y: Tensor, [a, b]: readonly Tensor[]): boolean {
    const isOpen = (x: Tensor) => this.pending.get(x)?.hasSum === false;
    const sole = [a, b].find(isOpen);
    const other = sole === a ? b : a;
    if (!sole || a === b || !sameShape(other.shape, sole.shape)) return false;
    const { emit } = this.pending.get(sole)!;
    this.pending.delete(sole);
    this.put(y, {
      emit: (fused) => emit({ ...fused, sum: this.onnx.nameOf(other) }),
      hasSum: true,
    });
    return true;
  }

  private activate(y: Tensor, x: Tensor, activation: string): boolean {
    const product = this.pending.get(x);
    if (!product) return false;
    this.pending.delete(x);
    this.onnx.define(y, product.emit({ activation }));
    return true;
  }
}
