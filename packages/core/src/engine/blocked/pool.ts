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

/** One pixel for each channel, everywhere: the gradient of a mean over images. One pixel has the same form, blocked or not. */
export function expandRule(blocks: Blocks, node: Node): boolean {
  const [x] = blocks.inputsOf(node);
  const [from, to] = [x, node.outputs[0]].map((tensor) => blocks.imagesOf(tensor));
  if (!from || !to || from[0] !== to[0] || from[1] !== to[1] || from[2] * from[3] !== 1)
    return false;
  const [n, c, height, width] = to;
  const rows = (n * c) / blocks.size;
  const pixels = blocks.reshape(blocks.onnx.nameOf(x), [rows, 1, blocks.size]);
  const shape = blocks.onnx.builder.ints([rows, height * width, blocks.size]);
  blocks.hold(node.outputs[0], blocks.reshape(blocks.standard("Expand", [pixels, shape]), to));
  return true;
}
