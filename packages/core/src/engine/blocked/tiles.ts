import type { Conv } from "../../graph/ops/conv.ts";
import type { Blocks, Images } from "./layout.ts";
import { extentUnder, type Tiling } from "./tiling.ts";

export interface WeightGradient extends Conv {
  readonly kernel: readonly [number, number];
}

/** The sizes of one weight gradient. */
export interface Problem extends WeightGradient {
  readonly images: Images;
  /** Whole blocks of channels, of which the first `kept` are the gradient's. */
  readonly from: Images;
  readonly kept: number;
}
/** Input channel `lane` of the convolution: an image, and the place of its tile. */
const placeOf = (lane: number, { images, columns }: Tiling) => {
  const tile = Math.floor(lane / images);
  return { image: lane % images, row: Math.floor(tile / columns), column: tile % columns };
};
const lanesOf = ({ images, rows, columns }: Tiling): number => images * rows * columns;

/** The tiles of some images, from the first of them on, laid out for the convolution. */
export type Tiles = (firstImage: number) => string;

/** Whether every image is one tile, so that nothing needs to be gathered. */
const isWholeImages = ({ rows, columns, images }: Tiling, [n]: Images) =>
  rows === 1 && columns === 1 && images === n;

/** (groups · K, lanes / groups, h, w) of the gradient's tiles, blocked as kernels are; zeros complete the last ones. */
export function tilesOfGradient(
  blocks: Blocks,
  grad: string,
  problem: Problem,
  tiling: Tiling,
): Tiles {
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
export function tilesOfRows(blocks: Blocks, x: string, problem: Problem, tiling: Tiling): Tiles {
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
export function tilesOfLines(blocks: Blocks, x: string, problem: Problem, tiling: Tiling): Tiles {
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

/** (A, B, C, D) -> (A, C, B, D). */
export const swapped = (blocks: Blocks, name: string, [a, b, c, d]: Images): string =>
  b === 1 || c === 1
    ? name
    : blocks.standard("Transpose", [blocks.reshape(name, [a, b, c, d])], { perm: [0, 2, 1, 3] });
