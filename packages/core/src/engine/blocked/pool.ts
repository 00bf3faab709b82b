import type { MaxPool } from "../../graph/ops/pool.ts";
import type { Node } from "../../graph/tensor.ts";
import type { Blocks } from "./layout.ts";

/** Whether ONNX Runtime's blocked pool can do it. */
export const isPlainPool = ({ kernel, pads, dilations }: MaxPool): boolean =>
  dilations.every((d) => d === 1) && pads.every((n, side) => n < kernel[side % 2]);

export function maxPoolRule(blocks: Blocks, node: Node): boolean {
  const [x] = blocks.inputsOf(node);
  const attrs = node.attrs as MaxPool;
  if (!blocks.has(x) || !blocks.imagesOf(node.outputs[0]) || !isPlainPool(attrs)) return false;
  blocks.hold(node.outputs[0], maxPool(blocks, blocks.blocked(x), attrs));
  return true;
}

export const maxPool = (
  blocks: Blocks,
  x: string,
  { kernel, strides, pads }: Readonly<Record<"kernel" | "strides" | "pads", readonly number[]>>,
) => blocks.node("MaxPool", [x], { kernel_shape: kernel, strides, pads });

/** The mean over whole images; where an image is one pixel, both forms are the same. */
export function globalMeanRule(blocks: Blocks, node: Node): boolean {
  const [x] = blocks.inputsOf(node);
  const { axes, keepdim } = node.attrs as { axes: readonly number[]; keepdim: boolean };
  if (!blocks.has(x) || axes.length !== 2 || axes[0] !== 2 || axes[1] !== 3) return false;
  const [n, c] = blocks.imagesOf(x)!;
  const means = blocks.node("GlobalAveragePool", [blocks.blocked(x)]);
  blocks.onnx.define(node.outputs[0], keepdim ? means : blocks.reshape(means, [n, c]));
  return true;
}
