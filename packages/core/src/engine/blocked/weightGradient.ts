import type { Conv } from "../../graph/ops/conv.ts";
import type { Node } from "../../graph/tensor.ts";
import type { Blocks, Images } from "./layout.ts";

/** Bytes of shifted inputs that one product takes at most; beyond, taps are taken in several products. */
const MOST_BYTES = 64 * 2 ** 20;

interface WeightGradient extends Conv {
  readonly kernel: readonly [number, number];
}

/**
 * Gradient of conv2d's weight, from [x, grad], as one product over all images and positions of the gradient
 * (positions, K) with the inputs under every tap (positions, taps · C): rows of channels, which a gather
 * copies whole. Borders are zeros that a 1x1 convolution with padding writes.
 */
export function weightGradientRule(blocks: Blocks, node: Node): boolean {
  const [x, grad] = blocks.inputsOf(node);
  const { kernel, groups } = node.attrs as WeightGradient;
  const images = blocks.imagesOf(x);
  const from = blocks.imagesOf(grad);
  if (groups !== 1 || !images || !from) return false;
  const [, c] = images;
  const [n, k, height, width] = from;
  const positions = n * height * width;
  const rows = blocks.reshape(blocks.rows(grad), [positions, k]);
  const taps = kernel[0] * kernel[1];
  const most = Math.max(1, Math.floor(MOST_BYTES / (4 * positions * c)));
  const parts: string[] = [];
  const source = padded(blocks, blocks.blocked(x), images, node.attrs as WeightGradient);
  for (let from = 0; from < taps; from += most) {
    const count = Math.min(most, taps - from);
    const shifted = source(from, count, height, width);
    const product = blocks.transposedProduct(rows, blocks.reshape(shifted, [positions, count * c]));
    parts.push(blocks.reshape(product, [k, count, c]));
  }
  const all = blocks.concat(parts, 1);
  const last = taps === 1 ? all : blocks.standard("Transpose", [all], { perm: [0, 2, 1] });
  blocks.onnx.define(node.outputs[0], blocks.reshape(last, [k, c, ...kernel]));
  return true;
}

/** Gives the inputs under some taps, (N, positions, taps, C). */
function padded(
  blocks: Blocks,
  x: string,
  [n, c, height, width]: Images,
  { kernel, strides, pads, dilations }: WeightGradient,
): (from: number, count: number, rows: number, columns: number) => string {
  const isWhole = pads.every((p) => p === 0);
  const framed = isWhole ? x : blocks.affine(x, blocks.filled(c, 1), {}, c, pads);
  const [h, w] = [height + pads[0] + pads[2], width + pads[1] + pads[3]];
  const source = blocks.reshape(blocks.toRows(framed, c), [n, h * w, c]);
  if (isWhole && kernel[0] * kernel[1] === 1 && strides.every((s) => s === 1)) return () => source;
  return (from, count, rows, columns) => {
    const index = new Int32Array(rows * columns * count);
    let at = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (let tap = from; tap < from + count; tap++) {
          const i = row * strides[0] + Math.floor(tap / kernel[1]) * dilations[0];
          const j = column * strides[1] + (tap % kernel[1]) * dilations[1];
          index[at++] = i * w + j;
        }
      }
    }
    const which = blocks.onnx.builder.constant("int32", [rows * columns, count], index, "taps");
    return blocks.standard("Gather", [source, which], { axis: 1 });
  };
}
