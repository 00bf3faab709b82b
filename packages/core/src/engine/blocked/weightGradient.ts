import { isStatic, staticSize } from "../../graph/dim.ts";
import { isOneWindow, spanOf } from "../../graph/ops/window.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { type Blocks, type Images, imagesIn, POINTWISE } from "./layout.ts";
import { interleavedRows } from "./strides.ts";
import {
  type Problem,
  swapped,
  type Tiles,
  tilesOfGradient,
  tilesOfLines,
  tilesOfRows,
  type WeightGradient,
} from "./tiles.ts";
import { bestTiling, groupsOf, type Sizes, type Tiling } from "./tiling.ts";
import { filtering } from "./toomCook.ts";
import { combinedRows, rowsOfProducts, TOGETHER } from "./winograd.ts";

/**
 * Output channels from which a block is filled up with zeros: that multiplies the products, but the plain form reaches a
 * tenth of the rate (LeNet-5's first layer, 6 channels: 0.74 ms, filled up 0.6).
 */
const FEW = 4;

/**
 * Gradient of conv2d's weight, from [x, grad], itself a blocked convolution, whose input channels are images and
 * positions: dw[k, c, i, j] = Σ over them of grad[k, h, w] x[c, h + i, w + j].
 */
export function weightGradientRule(blocks: Blocks, node: Node): boolean {
  const [x, grad] = blocks.inputsOf(node);
  const attrs = node.attrs as WeightGradient;
  const whole = blocks.imagesOf(grad);
  const from = whole ?? filledUp(blocks, grad);
  if (attrs.groups !== 1 || !from || !isStatic(x.shape) || x.shape.includes(0)) return false;
  const sizes = x.shape.slice(2) as number[];
  if (!whole && isOneWindow(attrs.kernel, sizes, attrs)) return false;
  const kept = grad.shape[1] as number;
  const problem: Problem = { ...attrs, images: x.shape as unknown as Images, from, kept };
  const emit = whole && blocks.imagesOf(x) && isPointwise(blocks, problem) ? pointwise : tiled;
  const result = emit(blocks, x, grad, problem);
  if (result === undefined) return false;
  blocks.onnx.define(node.outputs[0], result);
  return true;
}

/** The sizes of few channels with zeros up to a block. */
function filledUp(blocks: Blocks, grad: Tensor): Images | undefined {
  const [n, k, height, width] = imagesIn(grad) ?? [0, 0, 0, 0];
  return k >= FEW && k < blocks.size ? [n, blocks.size, height, width] : undefined;
}

/** Blocked images of the gradient, filled up where it has few channels. */
function blockedGradient(blocks: Blocks, grad: Tensor, { kept, from: [, k] }: Problem): string {
  if (kept === k) return blocks.blocked(grad);
  // ReorderInput itself fills up blocks, but takes channels by fours.
  const missing = (4 - (kept % 4)) % 4;
  const plain = blocks.onnx.nameOf(grad);
  const pads = blocks.onnx.builder.ints([0, 0, 0, 0, 0, missing, 0, 0]);
  const fours = missing === 0 ? plain : blocks.standard("Pad", [plain, pads]);
  return blocks.node("ReorderInput", [fours]);
}

// A kernel of one tap --------------------------------------------------------------------------------

/** Whether the product needs no tiles: every position is an input channel. */
const isPointwise = (blocks: Blocks, { kernel, strides, pads, from: [n, , h, w] }: Problem) =>
  [...kernel, ...strides].every((s) => s === 1) &&
  pads.every((p) => p === 0) &&
  (n * h * w) % blocks.size === 0;

/**
 * (positions, K) transposed · (positions, C) as a 1x1 convolution, which needs less packing than a product. The larger of
 * the two is the kernel: it has nearly the form of one.
 */
function pointwise(blocks: Blocks, x: Tensor, grad: Tensor, problem: Problem): string {
  const [, k] = problem.from;
  const c = problem.images[1];
  const [large, small] = k >= c ? [grad, x] : [x, grad];
  const [most, least] = k >= c ? [k, c] : [c, k];
  const { size } = blocks;
  const [n, , height, width] = problem.from;
  const positions = n * height * width;
  // Whole images to each part.
  const groups = n % 2 === 0 ? groupsOf(most, 1, positions, size) : 1;
  const parts: Images = [groups, n / groups, most / size, height * width * size];
  const kernel = swapped(blocks, blocks.blocked(large), parts);
  const rows = blocks.toRows(blocks.blocked(small), least);
  const result = blocks.convolve(
    blocks.node("ReorderInput", [blocks.reshape(rows, [1, positions, least, 1])]),
    blocks.reshape(kernel, [groups * most, positions / groups, 1, 1]),
    {},
    { ...POINTWISE, group: groups },
  );
  const sum = blocks.summed(result, [groups, k * c]);
  const blocked = blocks.reshape(sum, [1, most, least, 1]);
  const matrix = blocks.node("ReorderOutput", [blocked], {
    channels: most,
    ...(k < c && { channels_last: 1 }),
  });
  return blocks.reshape(matrix, [k, c, 1, 1]);
}

// Tiles ----------------------------------------------------------------------------------------------

function tiled(blocks: Blocks, x: Tensor, grad: Tensor, problem: Problem): string | undefined {
  const isWhole = blocks.imagesOf(x) !== undefined;
  // Plain images are copied by whole lines.
  const best = bestTiling(sizesOf(problem), blocks.size, isWhole ? undefined : 1);
  if (!best) return undefined;
  const { tiling, cost } = best;
  const gradient = blockedGradient(blocks, grad, problem);
  const image = isWhole ? blocks.blocked(x) : blocks.onnx.nameOf(x);
  const fewer = isWhole ? bestFiltering(problem, blocks.size, cost) : undefined;
  const tilesOf = isWhole ? tilesOfRows : tilesOfLines;
  const rows = fewer
    ? filteredRows(blocks, image, gradient, problem, fewer)
    : correlated(blocks, tilesOf(blocks, image, problem, tiling), gradient, problem, tiling);
  return kernelFrom(blocks, rows, problem);
}

const sizesOf = ({ images, from, kernel, strides, dilations }: Problem): Sizes => ({
  images: from[0],
  channelsIn: images[1],
  channelsOut: from[1],
  height: from[2],
  width: from[3],
  kernel,
  strides,
  dilations,
});

/** Blocked (K, h, columns · C): the sum over all tiles, and what is added to it. */
function correlated(
  blocks: Blocks,
  under: Tiles,
  gradient: string,
  problem: Problem,
  tiling: Tiling,
  sum?: string,
): string {
  const gradients = tilesOfGradient(blocks, gradient, problem, tiling);
  const { groups } = tiling;
  let result = groups === 1 ? sum : undefined;
  for (let first = 0; first < problem.from[0]; first += tiling.images) {
    result = convolved(blocks, under(first), gradients(first), problem, tiling, result);
  }
  if (groups === 1) return result!;
  const shape = shapeOfRows(problem);
  const total = blocks.reshape(blocks.summed(result!, [groups, staticSize(shape)]), shape);
  return sum ? blocks.standard("Add", [total, sum]) : total;
}

/** (1, K, h, columns · C). */
const shapeOfRows = ({ from: [, k], images: [, c], kernel, dilations }: Problem): Images => [
  1,
  k,
  kernel[0],
  spanOf(kernel[1], dilations[1]) * c,
];

/**
 * The gradient is the convolution's kernel, one tile large, and what lies under the tile is its input, lines of
 * (columns, C) in one axis: the kernel's columns lie C apart, so that the places of the result are the taps' rows and,
 * in one axis, the taps' columns and channels.
 */
function convolved(
  blocks: Blocks,
  under: string,
  gradients: string,
  { images: [, c], strides, dilations }: Problem,
  { height, width, groups }: Tiling,
  sum: string | undefined,
): string {
  return blocks.convolve(
    under,
    gradients,
    { sum },
    {
      kernel_shape: [height, width],
      dilations: [strides[0], strides[1] * c],
      strides: [dilations[0], 1],
      group: groups,
    },
  );
}

/** Blocked (K, h, columns · C) -> (K, C, h, w). */
function kernelFrom(blocks: Blocks, blocked: string, problem: Problem): string {
  const { kept: k } = problem;
  const [, c] = problem.images;
  const [height, width] = problem.kernel;
  const { dilations } = problem;
  const columns = spanOf(width, dilations[1]);
  const plain = blocks.node("ReorderOutput", [blocked], { channels: k });
  if (height * columns === 1) return blocks.reshape(plain, [k, c, 1, 1]);
  const taps = blocks.everyNth(
    blocks.reshape(plain, [k * height, columns, c]),
    columns,
    dilations[1],
  );
  if (c % blocks.size === 0) return blocks.channelsFirst(taps, [k, c, height, width]);
  const rows = blocks.reshape(taps, [k, height * width, c]);
  const turned = blocks.standard("Transpose", [rows], { perm: [0, 2, 1] });
  return blocks.reshape(turned, [k, c, height, width]);
}

// Fewer products --------------------------------------------------------------------------------------

/** Rows of the gradient that are taken together, and how each of the products is tiled. */
interface Fewer {
  readonly m: number;
  readonly tiling: Tiling;
}
/** Milliseconds for a number of the transformed images and gradients, and of the products (bench/NOTES.md, 13). */
const PER_TRANSFORMED = 2e-7;
const PER_PRODUCT = 6e-7;

/** Winograd's minimal filtering, where it should take less time. */
function bestFiltering(problem: Problem, block: number, direct: number): Fewer | undefined {
  const { images, from, kernel, strides, dilations } = problem;
  if ([...strides, ...dilations].some((step) => step !== 1)) return undefined;
  let best: Fewer | undefined;
  let least = direct;
  for (const m of TOGETHER[kernel[0]] ?? []) {
    const part = partOf(problem, m);
    const each = bestTiling(sizesOf(part), block);
    if (!each) continue;
    const transformed = staticSize(part.images) + staticSize(part.from);
    const products = images[1] * from[1] * kernel[1];
    const time = each.cost + transformed * PER_TRANSFORMED + products * PER_PRODUCT;
    const all = (m + kernel[0] - 1) * time;
    if (all < least) [best, least] = [{ m, tiling: each.tiling }, all];
  }
  return best;
}

/** The weight gradient at one point: of a kernel of one row, over rows of tiles with their padding. */
function partOf({ images, from, kernel, pads, ...conv }: Problem, m: number): Problem {
  const tiles = Math.ceil(from[2] / m);
  return {
    ...conv,
    images: [images[0], images[1], tiles, images[3] + pads[1] + pads[3]],
    from: [from[0], from[1], tiles, from[3]],
    kernel: [1, kernel[1]],
    pads: [0, 0, 0, 0],
  };
}

/**
 * Blocked (K, r, columns · C) by F(r, m): the rows of the kernel's gradient are what m rows of the gradient, as a filter,
 * make of the images' rows.
 */
function filteredRows(
  blocks: Blocks,
  image: string,
  gradient: string,
  problem: Problem,
  { m, tiling }: Fewer,
): string {
  const { images, from, kernel, pads } = problem;
  const part = partOf(problem, m);
  const matrices = filtering(kernel[0], m);
  const tiles = { stride: m, rows: part.from[2] };
  const [top, left, , right] = pads;
  const around = { top, left, right };
  const ofImages = { ...tiles, ...around, channels: images[1], height: images[2], isAgain: true };
  const ofGradient = { ...tiles, channels: from[1], height: from[2], top: 0 };
  const rows = rowsOfProducts(blocks, matrices.output, from[1], {}, (point, { sum }) => {
    const x = combinedRows(blocks, image, matrices.input[point], ofImages);
    const slopes = combinedRows(blocks, gradient, matrices.kernel[point], ofGradient);
    return correlated(blocks, tilesOfRows(blocks, x, part, tiling), slopes, part, tiling, sum);
  });
  return interleavedRows(blocks, rows, shapeOfRows(problem));
}
