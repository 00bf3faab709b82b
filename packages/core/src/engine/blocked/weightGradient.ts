import type { Conv } from "../../graph/ops/conv.ts";
import type { Node } from "../../graph/tensor.ts";
import type { Blocks, Images } from "./layout.ts";

/** Bytes of shifted copies that one product takes at most; beyond, it is cut into several. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * From so many bytes of inputs under all taps on, kernel rows are shifted on the gradient's side. In ms
 * (2 cores, both gathers and the product): 16 channels of 32x32, 128 images (75 MB) 6.6 instead of 10.2; 64 of
 * 56x56, 8 images (58 MB) 8.9 instead of 11.3; but 64 of 8x8, 128 images (19 MB) 3.0 instead of 2.7.
 */
const MANY_BYTES = 32 * 2 ** 20;

/** Products that run side by side, each over a part of the images, are at most so many. */
const MOST_PARTS = 8;

interface WeightGradient extends Conv {
  readonly kernel: readonly [number, number];
}

/**
 * Gradient of conv2d's weight, from [x, grad]: products over all images and positions, of rows of channels
 * that gathers copy whole. Borders are zeros that a 1x1 convolution with padding writes.
 */
export function weightGradientRule(blocks: Blocks, node: Node): boolean {
  const [x, grad] = blocks.inputsOf(node);
  const attrs = node.attrs as WeightGradient;
  const images = blocks.imagesOf(x);
  const from = blocks.imagesOf(grad);
  if (attrs.groups !== 1 || !images || !from) return false;
  const { kernel, strides } = attrs;
  const [, c] = images;
  const [n, k, height, width] = from;
  const taps = kernel[0] * kernel[1];
  const names = [blocks.blocked(x), blocks.blocked(grad)] as const;
  const bytes = 4 * n * height * width * taps * c;
  const form =
    taps === 1
      ? byPositions
      : kernel[0] > 1 && strides[0] === 1 && bytes >= MANY_BYTES
        ? byRowsAndColumns
        : byTaps;
  const result = form(blocks, names, images, from, attrs);
  blocks.onnx.define(node.outputs[0], blocks.reshape(result, [k, c, ...kernel]));
  return true;
}

type Form = (
  blocks: Blocks,
  [x, grad]: readonly [string, string],
  images: Images,
  from: Images,
  attrs: WeightGradient,
) => string;

/** A kernel of one tap: (positions, K) transposed · (positions, C). */
const byPositions: Form = (blocks, [x, grad], images, from, attrs) => {
  const [n, k, height, width] = from;
  const positions = n * height * width;
  const rows = blocks.reshape(blocks.toRows(grad, k), [positions, k]);
  const isWhole = attrs.pads.every((p) => p === 0) && attrs.strides.every((s) => s === 1);
  const under = isWhole
    ? blocks.toRows(x, images[1])
    : inputsUnder(blocks, x, images, attrs)(0, 1, height, width);
  return blocks.transposedProduct(rows, blocks.reshape(under, [positions, images[1]]));
};

/** (positions, taps · C) transposed · (positions, K): this way round ONNX Runtime packs less. */
const byTaps: Form = (blocks, [x, grad], images, from, attrs) => {
  const [, c] = images;
  const [n, k, height, width] = from;
  const positions = n * height * width;
  const taps = attrs.kernel[0] * attrs.kernel[1];
  const rows = blocks.reshape(blocks.toRows(grad, k), [positions, k]);
  const most = Math.max(1, Math.floor(MOST_BYTES / (4 * positions * c)));
  const under = inputsUnder(blocks, x, images, attrs);
  const parts: string[] = [];
  for (let first = 0; first < taps; first += most) {
    const count = Math.min(most, taps - first);
    const shifted = blocks.reshape(under(first, count, height, width), [positions, count * c]);
    parts.push(blocks.transposedProduct(shifted, rows));
  }
  // (taps, C, K) -> (K, taps, C) -> (K, C, taps)
  const kFirst = blocks.channelsFirst(blocks.concat(parts, 0), [1, k, taps * c, 1]);
  return blocks.channelsFirst(kFirst, [k, c, taps, 1]);
};

/**
 * dw[k, c, i, j] = Σ over h, w of grad[k, h - i, w] x[c, h, w + j] (stride 1, dilation 1): the kernel's rows
 * are shifts of the gradient and its columns shifts of the input, which copies h + w times what taps would
 * copy h · w times. (B, positions, h · K) transposed · (B, positions, w · C), summed over B.
 */
const byRowsAndColumns: Form = (blocks, [x, grad], images, from, attrs) => {
  const [n, c, height, width] = images;
  const [, k, rowsOut, columns] = from;
  const { kernel, strides, pads, dilations } = attrs;
  const [top, left, bottom, right] = pads;
  const lines = height + top + bottom;
  const line = width + left + right;
  const beyond = (kernel[0] - 1) * dilations[0];
  const gradients = gather(
    blocks,
    framed(blocks, grad, k, [beyond, 0, beyond, 0]),
    [n, k, rowsOut + 2 * beyond, columns],
    [lines, columns, kernel[0]],
    (h, w, i) => (h - i * dilations[0] + beyond) * columns + w,
  );
  const inputs = gather(
    blocks,
    framed(blocks, x, c, pads),
    [n, c, lines, line],
    [lines, columns, kernel[1]],
    (h, w, j) => h * line + w * strides[1] + j * dilations[1],
  );
  const bytes = 4 * n * lines * columns * (kernel[0] * k + kernel[1] * c);
  const rounds = divisorsOf(n).find((d) => d >= bytes / MOST_BYTES) ?? n;
  const each = n / rounds;
  const parts = divisorsOf(each).findLast((d) => d <= MOST_PARTS)!;
  const positions = (each / parts) * lines * columns;
  const products = Array.from({ length: rounds }, (_, round) => {
    const [a, b] = [gradients, inputs].map((from) => from(round * each, each));
    return blocks.transposedProduct(
      blocks.reshape(a, [parts, positions, kernel[0] * k]),
      blocks.reshape(b, [parts, positions, kernel[1] * c]),
    );
  });
  const sums = blocks.standard(
    "ReduceSum",
    [blocks.concat(products, 0), blocks.onnx.builder.ints([0])],
    { keepdims: 0 },
  );
  const apart = blocks.reshape(sums, [kernel[0], k, kernel[1], c]);
  return blocks.standard("Transpose", [apart], { perm: [1, 3, 0, 2] });
};

/** Divisors of a number, ascending. */
const divisorsOf = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);

/** Blocked images with zeros around them. */
const framed = (blocks: Blocks, x: string, channels: number, pads: readonly number[]): string =>
  pads.every((p) => p === 0) ? x : blocks.affine(x, blocks.filled(channels, 1), {}, channels, pads);

/**
 * Gives, for some of the images, the row of channels at `at(h, w, shift)` for every place of a grid and every
 * shift, (images, grid, shifts, C).
 */
function gather(
  blocks: Blocks,
  x: string,
  [n, c, height, width]: Images,
  [lines, columns, shifts]: readonly [number, number, number],
  at: (line: number, column: number, shift: number) => number,
): (first: number, count: number) => string {
  const index = new Int32Array(lines * columns * shifts);
  let place = 0;
  for (let h = 0; h < lines; h++) {
    for (let w = 0; w < columns; w++) {
      for (let shift = 0; shift < shifts; shift++) index[place++] = at(h, w, shift);
    }
  }
  const source = blocks.reshape(blocks.toRows(x, c), [n, height * width, c]);
  const which = blocks.onnx.builder.constant("int32", [lines * columns, shifts], index, "shifts");
  return (first, count) => {
    const some = count === n ? source : blocks.part(source, 0, first, count);
    return blocks.standard("Gather", [some, which], { axis: 1 });
  };
}

/** Gives the inputs under some taps, (N, positions, taps, C). */
function inputsUnder(
  blocks: Blocks,
  x: string,
  [n, c, height, width]: Images,
  { kernel, strides, pads, dilations }: WeightGradient,
): (from: number, count: number, rows: number, columns: number) => string {
  const padded = framed(blocks, x, c, pads);
  const [h, w] = [height + pads[0] + pads[2], width + pads[1] + pads[3]];
  return (from, count, rows, columns) => {
    const at = (row: number, column: number, shift: number) => {
      const tap = from + shift;
      const i = row * strides[0] + Math.floor(tap / kernel[1]) * dilations[0];
      const j = column * strides[1] + (tap % kernel[1]) * dilations[1];
      return i * w + j;
    };
    return gather(blocks, padded, [n, c, h, w], [rows, columns, count], at)(0, n);
  };
}
