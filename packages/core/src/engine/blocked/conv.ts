import { isStatic } from "../../graph/dim.ts";
import type { Conv } from "../../graph/ops/conv.ts";
import { isOneWindow } from "../../graph/ops/window.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import type { Blocks, Images, Scaling } from "./layout.ts";
import { interleaved } from "./strides.ts";
import { convolveImages } from "./winograd.ts";

/** Output and input channels, height and width of a kernel that the blocked layout can take. */
function kernelOf(blocks: Blocks, weight: Tensor): Images | undefined {
  const { shape } = weight;
  if (!isStatic(shape) || shape.includes(0)) return undefined;
  const [k, c, height, width] = shape;
  const isWhole = k % blocks.size === 0 && (c % blocks.size === 0 || c < blocks.size);
  return isWhole ? [k, c, height, width] : undefined;
}

/**
 * conv2d as a blocked convolution. Up to B - 1 input channels (a network's first layer) are read from
 * plain images, as ONNX Runtime does it.
 */
export function convRule(blocks: Blocks, node: Node): boolean {
  const [x, weight, bias] = blocks.inputsOf(node);
  const { strides, pads, dilations, groups } = node.attrs as Conv;
  if (isStatic(x.shape) && isStatic(weight.shape) && !x.shape.includes(0)) {
    const [window, size] = [weight.shape.slice(2), x.shape.slice(2)];
    if (isOneWindow(window, size, node.attrs as Conv)) return oneWindow(blocks, node);
  }
  const kernel = kernelOf(blocks, weight);
  if (groups !== 1 || !kernel || !isStatic(x.shape) || x.shape.includes(0)) return false;
  const [, c, height, width] = kernel;
  // A kernel larger than its result is a weight gradient as a convolution. With few channels, which are images
  // there, the plain form is faster: 15 ms instead of 65 for ResNet's stem (8 images).
  const [rows, columns] = node.outputs[0].shape.slice(2).map(Number);
  if (c < blocks.size && (height > rows || width > columns)) return false;
  const image = c < blocks.size ? blocks.onnx.nameOf(x) : blocks.blocked(x);
  const isFixed = blocks.onnx.isFixed(weight);
  const convolution = { images: x.shape as Images, kernel, pads, strides, dilations, isFixed };
  blocks.defer(node.outputs[0], ({ scaling, ...after }) => {
    const given = { weight: blocks.onnx.nameOf(weight), bias: bias && blocks.onnx.nameOf(bias) };
    const own = scaling ? scaled(blocks, given, kernel, scaling) : given;
    const lay = isFixed ? fixedKernel : blockedKernel;
    const taps = lay(blocks, own.weight, kernel);
    return convolveImages(blocks, image, taps, convolution, { ...after, bias: own.bias });
  });
  return true;
}

/** Weight and bias with what scales and shifts the channels of their convolution. */
function scaled(
  blocks: Blocks,
  { weight, bias }: { readonly weight: string; readonly bias?: string },
  [k]: Images,
  { scale, shift }: Scaling,
): { readonly weight: string; readonly bias: string } {
  const factors = blocks.reshape(scale, [k, 1, 1, 1]);
  const own = bias && blocks.standard("Mul", [bias, scale]);
  return {
    weight: blocks.standard("Mul", [weight, factors]),
    bias: own ? blocks.standard("Add", [own, shift]) : shift,
  };
}

/** A kernel that covers the whole image, once (LeNet-5's C5), as a product of matrices. */
function oneWindow(blocks: Blocks, node: Node): boolean {
  const [x, weight, bias] = blocks.inputsOf(node);
  const [n, ...image] = x.shape as readonly number[];
  const k = weight.shape[0] as number;
  const depth = image.reduce((a, b) => a * b, 1);
  const rows = blocks.reshape(blocks.onnx.nameOf(x), [n, depth]);
  const columns = blocks.reshape(blocks.onnx.nameOf(weight), [k, depth]);
  const inputs = bias ? [rows, columns, blocks.onnx.nameOf(bias)] : [rows, columns];
  const product = blocks.standard("Gemm", inputs, { transB: 1 });
  blocks.onnx.define(node.outputs[0], blocks.reshape(product, [n, k, 1, 1]));
  return true;
}

/**
 * (K, C, taps) -> (K / B, C / B, taps, B of C, B of K). Moving a block of channels to the end is what ReorderInput does to
 * images: first C's, as the data gradient wants it, too, then K's.
 */
function blockedKernel(blocks: Blocks, weight: string, [k, c, height, width]: Images): string {
  const { size } = blocks;
  const taps = height * width;
  const cLast = c < size || taps === 1 ? weight : chunksOf(blocks, weight, [k, c, height, width]);
  const asImages = blocks.reshape(cLast, [k / size, size, c * taps, 1]);
  return blocks.reshape(blocks.node("ReorderInput", [asImages]), [k, c, height, width]);
}

/** The same by a node that ONNX Runtime computes once, when the graph is compiled: it knows only standard ones well enough. */
function fixedKernel(blocks: Blocks, weight: string, [k, c, height, width]: Images): string {
  const { size } = blocks;
  const lanes = c < size ? 1 : size;
  const axes = [k / size, size, c / lanes, lanes, height * width];
  const cells = blocks.reshape(weight, axes);
  const turned = blocks.standard("Transpose", [cells], { perm: [0, 2, 4, 3, 1] });
  return blocks.reshape(turned, [k, c, height, width]);
}

/** One residue of the input's rows or columns modulo the stride: which taps reach it, and from where. */
interface Phase {
  readonly taps: readonly number[];
  readonly before: number;
  readonly after: number;
}

/**
 * Row h of the input lies under tap i of output row o where s o + i = h + pad. For h = s v + r the taps are
 * those that equal r + pad modulo s, and o = v + floor((r + pad) / s) - m for the m-th of them: over v a
 * convolution of stride 1 with these taps in reverse.
 */
function phasesOf(size: number, out: number, kernel: number, stride: number, pad: number): Phase[] {
  const rows = size / stride;
  return Array.from({ length: stride }, (_, r) => {
    const offset = Math.floor((r + pad) / stride);
    const taps: number[] = [];
    for (let i = (r + pad) % stride; i < kernel; i += stride) taps.unshift(i);
    const before = taps.length - 1 - offset;
    return { taps, before, after: rows - 1 + offset - (out - 1) };
  });
}

/** Gradient of conv2d by its input, from [grad, weight]: for every phase of the stride a convolution. */
export function dataGradientRule(blocks: Blocks, node: Node): boolean {
  const [grad, weight] = blocks.inputsOf(node);
  const { strides, pads, dilations, groups } = node.attrs as Conv;
  const from = blocks.imagesOf(grad);
  if (from && isThin(blocks, node)) return thinDataGradient(blocks, node);
  const kernel = kernelOf(blocks, weight);
  const images = blocks.imagesOf(node.outputs[0]);
  if (groups !== 1 || !kernel || !images || !from || dilations.some((d) => d !== 1)) return false;
  const [n, c, ...size] = images;
  if (size.some((s, i) => s % strides[i] !== 0)) return false;
  const [rows, columns] = [0, 1].map((i) =>
    phasesOf(size[i], from[2 + i], kernel[2 + i], strides[i], pads[i]),
  );
  const reached = [...rows, ...columns].filter(({ taps }) => taps.length > 0);
  // A phase that begins or ends beyond the gradient would need cropping.
  if (reached.some(({ before, after }) => before < 0 || after < 0)) return false;
  const name = blocks.onnx.nameOf(weight);
  const height = size[0] / strides[0];
  const part = (row: Phase, column: Phase): string => {
    if (column.taps.length === 0) return blocks.zeros([n, c, height, size[1] / strides[1]]);
    const taps = row.taps.flatMap((i) => column.taps.map((j) => i * kernel[3] + j));
    const turned = turnedKernel(blocks, name, kernel, taps);
    const taken: Images = [c, kernel[0], row.taps.length, column.taps.length];
    return convolveImages(blocks, blocks.blocked(grad), blocks.reshape(turned, taken), {
      images: from,
      kernel: taken,
      pads: [row.before, column.before, row.after, column.after],
    });
  };
  const phases = rows.map((row) =>
    row.taps.length === 0
      ? [blocks.zeros([n, c, height, size[1]])]
      : columns.map((column) => part(row, column)),
  );
  blocks.hold(node.outputs[0], interleaved(blocks, phases, images));
  return true;
}

/** Less than a block of input channels at stride 1, such as the 6 that LeNet-5's second convolution reads. */
function isThin(blocks: Blocks, node: Node): boolean {
  const [grad, weight] = blocks.inputsOf(node);
  const { strides, pads, dilations, groups } = node.attrs as Conv;
  if (!isStatic(weight.shape) || weight.shape.includes(0) || groups !== 1) return false;
  const [k, c, ...kernel] = weight.shape;
  return (
    c < blocks.size &&
    k % blocks.size === 0 &&
    isStatic(grad.shape) &&
    [...strides, ...dilations].every((n) => n === 1) &&
    pads.every((n, side) => n < kernel[side % 2])
  );
}

/** The weight gets zeros for the channels that a block lacks; the way back to plain images leaves them out. */
function thinDataGradient(blocks: Blocks, node: Node): boolean {
  const [grad, weight] = blocks.inputsOf(node);
  const { pads } = node.attrs as Conv;
  const [k, c, height, width] = weight.shape as [number, number, number, number];
  const { size, onnx } = blocks;
  const missing = onnx.builder.ints([0, 0, 0, 0, 0, size - c, 0, 0]);
  const whole = blocks.standard("Pad", [onnx.nameOf(weight), missing]);
  const kernel = [k, size, height, width] as const;
  const taps = Array.from({ length: height * width }, (_, i) => height * width - 1 - i);
  const turned = turnedKernel(blocks, whole, kernel, taps);
  const images = blocks.convolve(
    blocks.blocked(grad),
    blocks.reshape(turned, [size, k, height, width]),
    {},
    {
      kernel_shape: [height, width],
      pads: pads.map((n, side) => [height, width][side % 2] - 1 - n),
      group: 1,
    },
  );
  onnx.define(node.outputs[0], blocks.node("ReorderOutput", [images], { channels: c }));
  return true;
}

/** (K, C, taps) -> rows of B input channels, (K · C / B · taps, B). */
function chunksOf(blocks: Blocks, weight: string, [k, c, height, width]: Images): string {
  const asImages = blocks.reshape(weight, [k, c, height * width, 1]);
  const rows = (k * c * height * width) / blocks.size;
  return blocks.reshape(blocks.node("ReorderInput", [asImages]), [rows, blocks.size]);
}

/** (K, C, taps) -> (C / B, K / B, the taps asked for, B of K, B of C): channels swapped. */
function turnedKernel(
  blocks: Blocks,
  weight: string,
  kernel: Images,
  taps: readonly number[],
): string {
  const { size } = blocks;
  const [k, c, height, width] = kernel;
  const all = height * width;
  if (all === 1) {
    return blocks.node("ReorderInput", [blocks.reshape(weight, [1, k, 1, c])], {
      channels_last: 1,
    });
  }
  const rows = [(k * c * taps.length) / size] as const;
  const index = blocks.positions(`turned ${kernel} ${taps}`, rows, (put) => {
    for (let cb = 0; cb < c / size; cb++) {
      for (let kb = 0; kb < k / size; kb++) {
        for (const tap of taps) {
          for (let i = 0; i < size; i++) put(((kb * size + i) * (c / size) + cb) * all + tap);
        }
      }
    }
  });
  return blocks.standard("Gather", [chunksOf(blocks, weight, kernel), index], { axis: 0 });
}
