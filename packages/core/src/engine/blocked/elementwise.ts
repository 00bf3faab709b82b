import { sameShape } from "../../graph/dim.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { Blocks } from "./layout.ts";

/** relu goes into the convolution or batch norm before it, where nobody else reads that. */
export function reluRule(blocks: Blocks, node: Node): boolean {
  const [x] = blocks.inputsOf(node);
  if (!blocks.isImage(x)) return false;
  const emit = blocks.sole(x);
  const result = emit ? emit({ relu: true }) : blocks.standard("Relu", [blocks.blocked(x)]);
  blocks.hold(node.outputs[0], result);
  return true;
}

/** A sum of two blocked tensors: one is added while the other is computed, if neither is read any more. */
export function addRule(blocks: Blocks, node: Node): boolean {
  const [a, b] = blocks.inputsOf(node);
  if (!(blocks.isImage(a) || blocks.isImage(b)) || !sameShape(a.shape, b.shape)) return false;
  const [y] = node.outputs;
  const emitOf = (x: Tensor, other: Tensor) =>
    a !== b && blocks.isLastRead(other, node) ? blocks.sole(x) : undefined;
  const [sole, other] = emitOf(a, b) ? [a, b] : [b, a];
  const emit = emitOf(sole, other);
  // The other one's memory takes the sum.
  if (emit) blocks.defer(y, ({ relu }) => emit({ sum: blocks.blocked(other), relu }));
  else blocks.hold(y, blocks.standard("Add", [blocks.blocked(a), blocks.blocked(b)]));
  return true;
}

/** Channels of blocked images side by side: whole blocks. */
export function concatRule(blocks: Blocks, node: Node): boolean {
  const inputs = blocks.inputsOf(node);
  const { axis } = node.attrs as { readonly axis: number };
  if (
    axis !== 1 ||
    !inputs.every((x) => blocks.imagesOf(x)) ||
    !inputs.some((x) => blocks.isImage(x))
  ) {
    return false;
  }
  const parts = inputs.map((x) => blocks.blocked(x));
  blocks.hold(node.outputs[0], blocks.concat(parts, 1));
  return true;
}
