import { isStatic } from "../../graph/dim.ts";
import type { Conv } from "../../graph/ops/conv.ts";
import { spanOf } from "../../graph/ops/window.ts";
import type { Node, Tensor } from "../../graph/tensor.ts";
import { type Blocks, type Images, POINTWISE } from "./layout.ts";
import { interleaved } from "./strides.ts";
import { bestCut, extentUnder, groupsOf, type Sizes, type Tiling } from "./tiling.ts";
import { filtering } from "./toomCook.ts";
import { combinedRows, rowsOfProducts, TOGETHER } from "./winograd.ts";

interface WeightGradient extends Conv {
  readonly kernel: readonly [number, number];
}

/** The sizes of one weight gradient. */
interface Problem extends WeightGradient {
  readonly images: Images;
  /** Whole blocks of channels, of which the first `kept` are the gradient's. */
  readonly from: Images;
  readonly kept: number;
}
/** Output channels from which a block is filled up with zeros. */
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
  const kept = grad.shape[1] as number;
  const problem: Problem = { ...attrs, images: x.shape as unknown as Images, from, kept };
  const emit = whole && blocks.imagesOf(x) && isPointwise(blocks, problem) ? pointwise : tiled;
  const result = emit(blocks, x, grad, problem);
  if (result === undefined) return false;
  blocks.onnx.define(node.outputs[0], result);
  return true;
}

/** The sizes of few channels with zeros up to a block. */
function filledUp(blocks: Blocks, { shape, dtype }: Tensor): Images | undefined {
  if (shape.length !== 4 || dtype !== "float32" || !isStatic(shape) || shape.includes(0)) return;
  const [n, k, height, width] = shape;
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

/** (A, B, C, D) -> (A, C, B, D). */
const swapped = (blocks: Blocks, name: string, [a, b, c, d]: Images): string =>
  b === 1 || c === 1
    ? name
    : blocks.standard("Transpose", [blocks.reshape(name, [a, b, c, d])], { perm: [0, 2, 1, 3] });

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
  const cut = bestCut(sizesOf(problem), blocks.size, isWhole ? undefined : 1);
  if (!cut) return undefined;
  const gradient = blockedGradient(blocks, grad, problem);
  if (!isWhole) {
    const { tiling } = cut;
    const under = tilesOfLines(blocks, blocks.onnx.nameOf(x), problem, tiling);
    return kernelFrom(blocks, correlated(blocks, under, gradient, problem, tiling), problem);
  }
  const image = blocks.blocked(x);
  const fewer = bestFiltering(problem, blocks.size, cut.cost);
  const rows = fewer
    ? filteredRows(blocks, image, gradient, problem, fewer)
    : correlated(
        blocks,
        tilesOfRows(blocks, image, problem, cut.tiling),
        gradient,
        problem,
        cut.tiling,
      );
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
  const size = shape.reduce((a, b) => a * b, 1);
  const total = blocks.reshape(blocks.summed(result!, [groups, size]), shape);
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

/** Outputs of a column that are computed together, and how each of the products is cut. */
interface Fewer {
  readonly m: number;
  readonly tiling: Tiling;
}
/** Milliseconds for a number of the transformed images and gradients, and of the products (bench/NOTES.md, 13). */
const PER_TRANSFORMED = 2e-7;
const PER_PRODUCT = 6e-7;

/** Winograd's minimal filtering, where it should take less time. */
function bestFiltering(problem: Problem, block: number, time: number): Fewer | undefined {
  const { images, from, kernel, strides, dilations } = problem;
  if ([...strides, ...dilations].some((step) => step !== 1)) return undefined;
  let best: Fewer | undefined;
  let least = time;
  for (const m of TOGETHER[kernel[0]] ?? []) {
    const part = partOf(problem, m);
    const cut = bestCut(sizesOf(part), block);
    if (!cut) continue;
    const transformed = size(part.images) + size(part.from);
    const products = images[1] * from[1] * kernel[1];
    const each = cut.cost + transformed * PER_TRANSFORMED + products * PER_PRODUCT;
    const cost = (m + kernel[0] - 1) * each;
    if (cost < least) [best, least] = [{ m, tiling: cut.tiling }, cost];
  }
  return best;
}
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

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
 * Blocked (K, r, columns · C) by F(r, m): a row of the kernel's gradient filters columns of the images with columns of m
 * of the gradient.
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
  const cut = { stride: m, rows: part.from[2] };
  const [top, left, , right] = pads;
  const around = { top, left, right };
  const ofImages = { ...cut, ...around, channels: images[1], height: images[2], isAgain: true };
  const ofGradient = { ...cut, channels: from[1], height: from[2], top: 0 };
  const rows = rowsOfProducts(blocks, matrices.output, from[1], {}, (point, { sum }) => {
    const x = combinedRows(blocks, image, matrices.input[point], ofImages);
    const slopes = combinedRows(blocks, gradient, matrices.kernel[point], ofGradient);
    return correlated(blocks, tilesOfRows(blocks, x, part, tiling), slopes, part, tiling, sum);
  });
  return interleaved(
    blocks,
    rows.map((row) => [row]),
    shapeOfRows(problem),
  );
}

// Tiles of images and gradients -----------------------------------------------------------------------

/** Input channel `lane` of the convolution: an image, and the place of its tile. */
const placeOf = (lane: number, { images, columns }: Tiling) => {
  const tile = Math.floor(lane / images);
  return { image: lane % images, row: Math.floor(tile / columns), column: tile % columns };
};
const lanesOf = ({ images, rows, columns }: Tiling): number => images * rows * columns;

type Tiles = (firstImage: number) => string;

/** Whether every image is one tile, so that nothing needs to be gathered. */
const isWholeImages = ({ rows, columns, images }: Tiling, [n]: Images) =>
  rows === 1 && columns === 1 && images === n;

/** (groups · K, lanes / groups, h, w) of the gradient's tiles, blocked as kernels are; zeros complete the last ones. */
function tilesOfGradient(blocks: Blocks, grad: string, problem: Problem, tiling: Tiling): Tiles {
  if (isWholeImages(tiling, problem.from)) {
    return () => imagesAsKernel(blocks, grad, problem.from, tiling.groups);
  }
  const { size } = blocks;
  const [n, k, h, w] = problem.from;
  const { rows, columns, height, width, groups } = tiling;
  const [below, right] = [rows * height - h, columns * width - w];
  const whole = framed(blocks, grad, k, [0, 0, below, right]);
  const [lines, line] = [h + below, w + right];
  const source = blocks.reshape(whole, [(n * k * lines * line) / size, size]);
  const lanes = lanesOf(tiling);
  const each = lanes / size / groups;
  return (first) => {
    const index = blocks.positions(
      `gradient ${problem.from} ${first} ${Object.values(tiling)}`,
      [(k * lanes * height * width) / size],
      (put) => {
        for (let set = 0; set < (groups * k) / size; set++) {
          const [group, kb] = [Math.floor(set / (k / size)), set % (k / size)];
          for (let part = group * each; part < (group + 1) * each; part++) {
            for (let i = 0; i < height; i++) {
              for (let j = 0; j < width; j++) {
                for (let lane = part * size; lane < (part + 1) * size; lane++) {
                  const { image, row, column } = placeOf(lane, tiling);
                  const block = (first + image) * (k / size) + kb;
                  put((block * lines + row * height + i) * line + column * width + j);
                }
              }
            }
          }
        }
      },
    );
    const gathered = blocks.standard("Gather", [source, index], { axis: 0 });
    return blocks.reshape(gathered, [groups * k, lanes / groups, height, width]);
  };
}

/** Blocked images -> (groups · K, N / groups, h, w), blocked as kernels are: images are channels. */
function imagesAsKernel(
  blocks: Blocks,
  x: string,
  [n, k, height, width]: Images,
  groups: number,
): string {
  const { size } = blocks;
  const area = height * width;
  // Rows of B channels trade places with images: B x B cells are turned, and turned once more.
  const lanes = blocks.reshape(x, [n / size, size, k * area, 1]);
  const cells = blocks.reshape(blocks.node("ReorderInput", [lanes]), [
    (n * k * area) / size ** 2,
    size,
    size,
    1,
  ]);
  const turned = blocks.node("ReorderInput", [cells]);
  const ordered = swapped(blocks, turned, [groups, n / size / groups, k / size, area * size ** 2]);
  return blocks.reshape(ordered, [groups * k, n / groups, height, width]);
}

/** How many zeros go around the input so that every tile finds what lies under it. */
function paddingOf(problem: Problem, { rows, columns, height, width }: Tiling) {
  const { images, pads } = problem;
  const [below, right] = extentUnder(problem, [rows * height, columns * width]).map(
    (needed, i) => needed - images[2 + i] - pads[i],
  );
  return [pads[0], pads[1], below, right] as const;
}

/** (1, lanes, height under a tile, width under a tile · C), blocked, of blocked images. */
function tilesOfRows(blocks: Blocks, x: string, problem: Problem, tiling: Tiling): Tiles {
  const [n, c, h, w] = problem.images;
  const { strides } = problem;
  const { height, width, heightUnder, widthUnder } = tiling;
  const pads = paddingOf(problem, tiling).map((p) => Math.max(0, p));
  const [lines, line] = [h + pads[0] + pads[2], w + pads[1] + pads[3]];
  const rows = blocks.toRows(framed(blocks, x, c, pads), c);
  const lanes = lanesOf(tiling);
  const isWhole =
    isWholeImages(tiling, problem.from) && lines === heightUnder && line === widthUnder;
  const gathered = (first: number): string => {
    const index = blocks.positions(
      `rows ${problem.images} ${pads} ${strides} ${first} ${Object.values(tiling)}`,
      [lanes * heightUnder * widthUnder],
      (put) => {
        for (let lane = 0; lane < lanes; lane++) {
          const { image, row, column } = placeOf(lane, tiling);
          const top = (first + image) * lines + row * height * strides[0];
          for (let i = 0; i < heightUnder; i++) {
            const start = (top + i) * line + column * width * strides[1];
            for (let j = 0; j < widthUnder; j++) put(start + j);
          }
        }
      },
    );
    const source = blocks.reshape(rows, [n * lines * line, c]);
    return blocks.standard("Gather", [source, index], { axis: 0 });
  };
  return (first) => {
    const tiles = isWhole ? rows : gathered(first);
    const images = blocks.reshape(tiles, [1, lanes, heightUnder * widthUnder * c, 1]);
    const blocked = blocks.node("ReorderInput", [images]);
    return blocks.reshape(blocked, [1, lanes, heightUnder, widthUnder * c]);
  };
}

/** The same of plain images, whose few channels come together in a second gather, of whole blocks. */
function tilesOfLines(blocks: Blocks, x: string, problem: Problem, tiling: Tiling): Tiles {
  const [n, c, h] = problem.images;
  const { strides } = problem;
  const { height, heightUnder, widthUnder } = tiling;
  const [top, left, below, right] = paddingOf(problem, tiling);
  const pads = blocks.onnx.builder.ints([0, 0, top, left, 0, 0, below, right]);
  const lines = h + top + below;
  const padded = blocks.standard("Pad", [x, pads]);
  const source = blocks.reshape(padded, [n * c * lines, widthUnder]);
  const lanes = lanesOf(tiling);
  return (first) => {
    const index = blocks.positions(
      `lines ${problem.images} ${lines} ${strides} ${first} ${Object.values(tiling)}`,
      [lanes * heightUnder * c],
      (put) => {
        for (let lane = 0; lane < lanes; lane++) {
          const { image, row } = placeOf(lane, tiling);
          for (let i = 0; i < heightUnder; i++) {
            for (let channel = 0; channel < c; channel++) {
              put(((first + image) * c + channel) * lines + row * height * strides[0] + i);
            }
          }
        }
      },
    );
    const gathered = blocks.standard("Gather", [source, index], { axis: 0 });
    const images = blocks.reshape(gathered, [1, lanes, heightUnder * c * widthUnder, 1]);
    const blocked = blocks.node("ReorderInput", [images]);
    if (c === 1) return blocks.reshape(blocked, [1, lanes, heightUnder, widthUnder]);
    const parts = (lanes / blocks.size) * heightUnder;
    const apart = blocks.reshape(blocked, [parts, c * widthUnder, blocks.size]);
    const order = blocks.positions(`channels ${c} ${widthUnder}`, [c * widthUnder], (put) => {
      for (let i = 0; i < c * widthUnder; i++) put((i % c) * widthUnder + Math.floor(i / c));
    });
    const together = blocks.standard("Gather", [apart, order], { axis: 1 });
    return blocks.reshape(together, [1, lanes, heightUnder, widthUnder * c]);
  };
}

/** Blocked images with zeros around them. */
const framed = (blocks: Blocks, x: string, channels: number, pads: readonly number[]): string =>
  pads.every((p) => p === 0) ? x : blocks.affine(x, 1, {}, channels, pads);
