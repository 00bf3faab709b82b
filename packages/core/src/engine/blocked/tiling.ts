import { spanOf } from "../../graph/ops/window.ts";

/** The sizes that decide how a weight gradient is cut up. */
export interface Sizes {
  readonly images: number;
  readonly channelsIn: number;
  readonly channelsOut: number;
  /** Of the gradient. */
  readonly height: number;
  readonly width: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** The gradient's positions as tiles: (images, rows, columns) of them are the input channels of a convolution. */
export interface Tiling {
  readonly rows: number;
  readonly columns: number;
  /** Positions of the gradient in a tile, from top to bottom and from left to right. */
  readonly height: number;
  readonly width: number;
  /** What of the input lies under a tile. */
  readonly heightUnder: number;
  readonly widthUnder: number;
  /** Images that one convolution takes; the results of several are added. */
  readonly images: number;
  /** Parts of the tiles that are summed apart, so that all threads have work. */
  readonly groups: number;
}

/** Bytes of copied inputs that one convolution takes at most. */
const MOST_BYTES = 64 * 2 ** 20;
/** ONNX Runtime's blocked convolution computes 4 blocks of output channels at a time. */
const BLOCKS_AT_ONCE = 4;
/**
 * Positions of a tile for which the weights of a set of output channels, here the gradient, stay in a core's cache; their
 * products are also added one after the other, so that few of them keep more digits.
 */
const FEW_POSITIONS = 128;
/** Milliseconds: a multiplication and addition, and a byte of copied input (2 cores with AVX-512, see bench/NOTES.md). */
const PER_MAC = 1 / 1.1e8;
const PER_BYTE = 5e-8;
/** Milliseconds for a convolution more: some ten nodes. */
const PER_ROUND = 0.1;

/** A tiling, and how many milliseconds it should take. */
export interface Costed {
  readonly tiling: Tiling;
  readonly cost: number;
}

/** The cheapest tiling, or undefined where there is none that fills blocks of `block` channels. */
export function bestTiling(
  sizes: Sizes,
  block: number,
  mostColumns = Number.POSITIVE_INFINITY,
): Costed | undefined {
  const { images, channelsIn, channelsOut, height, width, kernel, strides, dilations } = sizes;
  const numbers = [images, channelsIn, channelsOut, height, width, block, mostColumns];
  const key = [...numbers, ...kernel, ...strides, ...dilations].join();
  if (!found.has(key)) found.set(key, searched(sizes, block, mostColumns));
  return found.get(key);
}
/** Networks repeat their layers, and graphs are built more than once. */
const found = new Map<string, Costed | undefined>();

function searched(sizes: Sizes, block: number, mostColumns: number): Costed | undefined {
  let best: Costed | undefined;
  for (const tiling of tilings(sizes, block, mostColumns)) {
    const cost = costOf(sizes, tiling, block);
    if (!best || cost < best.cost) best = { tiling, cost };
  }
  return best;
}

/** Every tile's size, with the fewest tiles of it that cover an image and fill blocks. */
function* tilings(sizes: Sizes, block: number, mostColumns: number): Generator<Tiling> {
  const { channelsOut, kernel } = sizes;
  for (const images of divisorsOf(sizes.images)) {
    for (const [height, rows] of cutsOf(sizes.height, block)) {
      for (const [width, columns] of cutsOf(sizes.width, block)) {
        const lanes = images * rows * columns;
        if (columns > mostColumns || lanes % block !== 0) continue;
        const [heightUnder, widthUnder] = extentUnder(sizes, [height, width]);
        const tile = { height, width, heightUnder, widthUnder };
        yield {
          rows,
          columns,
          ...tile,
          images,
          groups: groupsOf(channelsOut, kernel[0], lanes, block),
        };
      }
    }
  }
}

/**
 * A length cut into equal parts, [length of a part, parts]: the last has less in it, and some nothing where their number
 * is rounded up so that they fill blocks.
 */
function* cutsOf(length: number, block: number): Generator<readonly [number, number]> {
  let last = 0;
  for (let parts = 1; parts <= length; parts++) {
    const part = Math.ceil(length / parts);
    if (part === last) continue;
    last = part;
    let rounded = parts;
    yield [part, rounded];
    for (let unit = 2; unit <= block; unit *= 2) {
      if (rounded % unit === 0) continue;
      rounded = Math.ceil(parts / unit) * unit;
      yield [part, rounded];
    }
  }
}

/** Height and width of what lies under so many positions of the gradient. */
export const extentUnder = (
  { kernel, strides, dilations }: Pick<Sizes, "kernel" | "strides" | "dilations">,
  positions: readonly [number, number],
): number[] =>
  positions.map((size, i) => (size - 1) * strides[i] + spanOf(kernel[i], dilations[i]));

/** What the threads share among them: rows of the result for each set of output channels. */
const rowsOfWork = (channelsOut: number, rows: number, block: number): number =>
  Math.ceil(channelsOut / (block * BLOCKS_AT_ONCE)) * rows;

/** Parts that are summed apart: two where an odd number of rows would leave one of two threads without work. */
export const groupsOf = (
  channelsOut: number,
  rows: number,
  lanes: number,
  block: number,
): number => (rowsOfWork(channelsOut, rows, block) % 2 === 1 && lanes % (2 * block) === 0 ? 2 : 1);

function costOf(sizes: Sizes, tiling: Tiling, block: number): number {
  const { images, channelsIn, channelsOut, kernel, dilations } = sizes;
  const { rows, columns, height, width, heightUnder, widthUnder, groups } = tiling;
  const tiles = tiling.images * rows * columns;
  const under = 4 * tiles * heightUnder * widthUnder * channelsIn;
  if (under > MOST_BYTES && tiling.images > 1) return Number.POSITIVE_INFINITY;
  // Gathered, then laid out; whole images are only laid out.
  const copied = rows * columns === 1 ? under : 2 * under;
  const taps = kernel[0] * spanOf(kernel[1], dilations[1]);
  const macs = tiles * height * width * channelsIn * channelsOut * taps;
  const work = rowsOfWork(channelsOut, kernel[0], block) * groups;
  const idle = (2 * Math.ceil(work / 2)) / work;
  const atOnce = Math.min(1, channelsOut / (block * BLOCKS_AT_ONCE));
  const long = Math.max(0, Math.log2((height * width * atOnce) / FEW_POSITIONS));
  const rounds = images / tiling.images;
  return rounds * (macs * PER_MAC * idle * (1 + 0.03 * long) + copied * PER_BYTE + PER_ROUND);
}

/** Divisors of a number, ascending. */
const divisorsOf = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
