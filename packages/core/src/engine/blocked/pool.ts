import { toFirst } from "../../graph/ops/maxima.ts";
import type { MaxPool } from "../../graph/ops/pool.ts";
import { type Node, placeholder } from "../../graph/tensor.ts";
import type { Blocks } from "./layout.ts";

/** Whether ONNX Runtime's blocked pool can do it. */
const isPlain = ({ kernel, pads, dilations }: MaxPool): boolean =>
  dilations.every((d) => d === 1) && pads.every((n, side) => n < kernel[side % 2]);

export function maxPoolRule(blocks: Blocks, node: Node): boolean {
  const [x] = blocks.inputsOf(node);
  const attrs = node.attrs as MaxPool;
  if (!blocks.has(x) || !blocks.imagesOf(node.outputs[0]) || !isPlain(attrs)) return false;
  blocks.hold(node.outputs[0], maxPool(blocks, blocks.blocked(x), attrs));
  return true;
}

const maxPool = (
  blocks: Blocks,
  x: string,
  { kernel, strides, pads }: Omit<MaxPool, "dilations">,
) => blocks.node("MaxPool", [x], { kernel_shape: kernel, strides, pads });

/** The same two steps as the operator's own, on (N · C / B, H, W, B), where a column is B numbers. */
export function maxPoolGradientRule(blocks: Blocks, node: Node): boolean {
  const [x, y, grad] = blocks.inputsOf(node);
  const attrs = node.attrs as MaxPool;
  const [images, outputs] = [blocks.imagesOf(x), blocks.imagesOf(y)];
  if (!images || !outputs || !blocks.has(x) || !isPlain(attrs)) return false;
  const { kernel, strides, pads, dilations } = attrs;
  const [top, left, bottom, right] = pads;
  const [n, c, height, width] = images;
  const form = (h: number, w: number) => [(n * c) / blocks.size, h, w, blocks.size];
  const source = blocks.blocked(x);
  const rowMaxima = maxPool(blocks, source, {
    kernel: [1, kernel[1]],
    strides: [1, strides[1]],
    pads: [0, left, 0, right],
  });
  const names = [source, rowMaxima, blocks.blocked(y), blocks.blocked(grad)];
  const small = form(outputs[2], outputs[3]);
  const shapes = [form(height, width), form(height, outputs[3]), small, small];
  const tensors = shapes.map((shape, i) => placeholder(`pool_${i}`, shape));
  const [all, rows, maxima, upstream] = tensors;
  const along = (i: 0 | 1, before: number, after: number) => ({
    axis: 1 + i,
    taps: kernel[i],
    stride: strides[i],
    dilation: dilations[i],
    before,
    after,
  });
  const perRow = toFirst(rows, maxima, upstream, along(0, top, bottom));
  const result = toFirst(all, rows, perRow, along(1, left, right));
  const given = new Map(tensors.map((t, i) => [t, blocks.reshape(names[i], shapes[i])]));
  const [name] = blocks.onnx.expand([result], given);
  blocks.hold(node.outputs[0], blocks.reshape(name, images));
  return true;
}

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
