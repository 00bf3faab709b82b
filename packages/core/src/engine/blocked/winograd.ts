import type { Blocks, Fused, Images } from "./layout.ts";
import { interleavedRows } from "./strides.ts";
import { filtering, type Matrix } from "./toomCook.ts";

/** A convolution of images with a blocked kernel. */
export interface Convolution {
  /** Batch, channels, height and width of the input, blocked if it has whole blocks of channels. */
  readonly images: Images;
  /** Output and input channels, height, width. */
  readonly kernel: Images;
  /** Above, left, below, right. */
  readonly pads: readonly number[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  /** A constant kernel is transformed once, when the graph is compiled. */
  readonly isFixed?: boolean;
}

/** Rows m of an F(m, r) that may be used, for r taps: m + r is 5 or 7, so that all points but 0 and infinity come in pairs. */
export const TOGETHER: Readonly<Record<number, readonly number[]>> = { 3: [2, 4], 5: [2] };
/** What an output, an input, and a number of a transformed kernel cost besides, in multiplications (bench/NOTES.md, 13). */
const PER_OUTPUT = 90;
const PER_INPUT = 36;
const PER_KERNEL = 26;
const PER_FIXED_KERNEL = 6;
/** Part of the time without it from which the memory it takes is well spent. */
const WORTH = 0.9;

/**
 * The convolution, where that is faster by Winograd's minimal filtering along rows: m rows of output from m + r - 1
 * products instead of m · r, each a convolution with a kernel of one row. In the other direction, too, there would be fewer
 * products, but no longer whole rows to add and to copy before and after.
 */
export function convolveImages(
  blocks: Blocks,
  image: string,
  kernel: string,
  convolution: Convolution,
  fused: Fused = {},
): string {
  const m = rowsTogether(blocks, convolution);
  if (m === undefined) {
    const { kernel: shape, pads, strides = [1, 1], dilations = [1, 1] } = convolution;
    const attributes = { kernel_shape: shape.slice(2), strides, pads, dilations, group: 1 };
    return blocks.convolve(image, kernel, fused, attributes);
  }
  const { sum, ...rest } = fused;
  if (!sum) return filtered(blocks, image, kernel, convolution, m, rest);
  const product = filtered(blocks, image, kernel, convolution, m, { bias: fused.bias });
  return blocks.affine(product, 1, { sum, relu: fused.relu }, convolution.kernel[0]);
}

/** Height and width of the output. */
const outputOf = ({ images, kernel, pads }: Convolution): readonly number[] =>
  [0, 1].map((i) => images[2 + i] + pads[i] + pads[2 + i] - kernel[2 + i] + 1);

/** How many rows to compute together, if any. */
function rowsTogether(blocks: Blocks, convolution: Convolution): number | undefined {
  const { kernel, strides = [], dilations = [], isFixed } = convolution;
  const [k, c, r, width] = kernel;
  if (c < blocks.size || [...strides, ...dilations].some((step) => step !== 1)) return undefined;
  const [height, columns] = outputOf(convolution);
  const positions = convolution.images[0] * height * columns;
  let best: number | undefined;
  let least = WORTH;
  for (const m of TOGETHER[r] ?? []) {
    const n = m + r - 1;
    const products = (n * Math.ceil(height / m)) / (r * height);
    const around = (PER_OUTPUT / c + PER_INPUT / k) / (r * width);
    const kernels = ((isFixed ? PER_FIXED_KERNEL : PER_KERNEL) * n) / (r * positions);
    const cost = products + around + kernels;
    if (cost < least) [best, least] = [m, cost];
  }
  return best;
}

function filtered(
  blocks: Blocks,
  image: string,
  kernel: string,
  convolution: Convolution,
  m: number,
  after: Omit<Fused, "sum">,
): string {
  const [n, c, height] = convolution.images;
  const [k, , r, taps] = convolution.kernel;
  const [top, left, , right] = convolution.pads;
  const [rows, columns] = outputOf(convolution);
  const tiles = Math.ceil(rows / m);
  const matrices = filtering(m, r);
  const under = { channels: c, height, stride: m, top, rows: tiles };
  const phases = rowsOfProducts(blocks, matrices.output, k, after, (point, fused) =>
    blocks.convolve(
      combinedRows(blocks, image, matrices.input[point], under),
      kernelAt(blocks, kernel, convolution, matrices.kernel[point]),
      fused,
      { kernel_shape: [1, taps], pads: [0, left, 0, right], group: 1 },
    ),
  );
  const result = interleavedRows(blocks, phases, [n, k, m * tiles, columns]);
  if (m * tiles === rows) return result;
  const lines = blocks.reshape(result, [(n * k) / blocks.size, m * tiles, columns * blocks.size]);
  return blocks.reshape(blocks.part(lines, 1, 0, rows), [n, k, rows, columns]);
}

/**
 * The rows of F's output, given how to compute the product at a point, which may take along the others' share. Products at a
 * and -a enter even rows by their sum and odd ones by their difference, times a power of a, which is 1 for the first pair;
 * those at 0 and infinity enter the first row and the last.
 */
export function rowsOfProducts(
  blocks: Blocks,
  output: Matrix,
  channels: number,
  after: Omit<Fused, "sum">,
  product: (point: number, fused: Fused) => string,
): string[] {
  const infinity = output[0].length - 1;
  const pairs: string[][] = [];
  for (let point = 1; point < infinity; point += 2) {
    const both = [product(point, {}), product(point + 1, {})];
    pairs.push(["Add", "Sub"].map((type) => blocks.standard(type, both)));
  }
  const share = (i: number, fused: Fused): string => {
    const [first, second] = pairs.map((pair) => pair[i % 2]);
    const isBare = fused.bias === undefined && !fused.relu;
    if (second === undefined) return isBare ? first : blocks.affine(first, 1, fused, channels);
    if (i === 0 && isBare) return blocks.standard("Add", [first, second]);
    return blocks.affine(second, output[i][3], { ...fused, sum: first }, channels);
  };
  return output.map((_, i) => {
    if (i > 0 && i < output.length - 1) return share(i, after);
    return product(i === 0 ? 0 : infinity, { ...after, sum: share(i, {}) });
  });
}

/** (K, C, r, taps) -> (K, C, 1, taps) by one row of the kernels' transformation. */
function kernelAt(
  blocks: Blocks,
  kernel: string,
  { kernel: [k, c, r, taps], isFixed }: Convolution,
  weights: readonly number[],
): string {
  const { size, onnx } = blocks;
  if (isFixed) {
    // By standard nodes, which ONNX Runtime computes when the graph is compiled.
    const row = onnx.builder.constant("float32", [1, r], Float32Array.from(weights));
    const rows = blocks.reshape(kernel, [(k * c) / size ** 2, r, taps * size ** 2]);
    return blocks.reshape(blocks.standard("MatMul", [row, rows]), [k, c, 1, taps]);
  }
  const cells = blocks.reshape(kernel, [(k * c) / size ** 2, size, r, taps * size]);
  const under = { channels: size, height: r, stride: r, top: 0, rows: 1 };
  return blocks.reshape(combinedRows(blocks, cells, weights, under), [k, c, 1, taps]);
}

/** Which rows of blocked images are combined. */
interface Combination {
  readonly channels: number;
  readonly height: number;
  readonly stride: number;
  /** Rows of zeros above the first, and columns of zeros on the left and on the right. */
  readonly top: number;
  readonly left?: number;
  readonly right?: number;
  /** Rows of the result. */
  readonly rows: number;
  /** Computed for the backward pass again, since it is larger than the images, which are kept. */
  readonly isAgain?: boolean;
}

/** Row t is Σ over i of weights[i] times row (stride · t + i - top): a convolution of every channel. */
export function combinedRows(
  blocks: Blocks,
  image: string,
  weights: readonly number[],
  { channels, height, stride, top, left = 0, right = 0, rows, isAgain }: Combination,
): string {
  const isUsed = (weight: number) => weight !== 0;
  const first = Math.min(weights.findIndex(isUsed), top);
  const last = weights.findLastIndex(isUsed);
  const used = weights.slice(first, last + 1);
  const dilation = used.every((weight, i) => i % 2 === 0 || !isUsed(weight)) ? 2 : 1;
  const taps = used.filter((_, i) => i % dilation === 0);
  const below = stride * (rows - 1) + last - top + 1 - height;
  const extent = [taps.length, 1];
  return blocks.convolve(
    image,
    blocks.sameForAll(channels, taps, extent),
    {},
    {
      kernel_shape: extent,
      strides: [stride, 1],
      dilations: [dilation, 1],
      pads: [top - first, left, Math.max(0, below), right],
      group: channels,
      // The default, said, makes it another node than the forward pass has: equal ones are emitted once.
      ...(isAgain && { auto_pad: "NOTSET" }),
    },
  );
}
