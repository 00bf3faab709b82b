import { data } from "tensorlane";
import { VIEW } from "./pixelTools.ts";

/** How a picture becomes the square that a network reads. */
export interface Preprocessing {
  /** Side of the square, in pixels. */
  readonly size: number;
  /** Part of the picture's shorter side that the square shows; above 1 a border is put around. */
  readonly cover: number;
  readonly border: "black" | "edge";
  /** Of the values 0 .. 1, for each channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** How training pictures are varied; every entry is the most that may happen, drawn evenly up to it. */
export interface Augmentation {
  /** Mirror left and right, every other time. */
  readonly flip?: boolean;
  /** Pixels of the square, whole ones, in both directions. */
  readonly shift?: number;
  /** Degrees, in both directions. */
  readonly rotate?: number;
  /** Part by which each side is stretched or squeezed, both together or by itself. */
  readonly scale?: number;
  readonly stretch?: number;
  /** Tangent of the slant. */
  readonly shear?: number;
  /** Least part of the area that a random crop of ratio 3/4 to 4/3 keeps (Szegedy et al. 2014). */
  readonly cropArea?: number;
  /** Factors 1 - x to 1 + x. */
  readonly brightness?: number;
  readonly contrast?: number;
  readonly saturation?: number;
  /** Side of a square that is blanked, as part of the picture's (DeVries & Taylor 2017). */
  readonly cut?: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The matrix that shows a box of the picture, turned about its middle by `linear` (row by row). */
function look(
  out: Float64Array,
  { size }: Preprocessing,
  middle: readonly [number, number],
  [a, b, c, d]: readonly [number, number, number, number],
): void {
  const half = size / 2;
  const [x, y] = middle;
  out.set([a, b, x - half * (a + b), c, d, y - half * (c + d)], VIEW.matrix);
  out.fill(1, VIEW.brightness, VIEW.saturation + 1);
}

/** Picture pixels in one pixel of the square. */
const stepOf = ({ width, height }: Size, { size, cover }: Preprocessing): number =>
  (cover * Math.min(width, height)) / size;

/** The picture's middle, as validation and `predict` see it: VIEW.length numbers. */
export function centreView(picture: Size, preprocessing: Preprocessing): Float64Array {
  const view = new Float64Array(VIEW.length);
  const step = stepOf(picture, preprocessing);
  look(view, preprocessing, [picture.width / 2, picture.height / 2], [step, 0, 0, step]);
  return view;
}

/**
 * A varied view of picture `index` in a pass over the data. It depends on (seed, index, pass) alone, whatever
 * thread renders it and whenever.
 */
export function variedView(
  picture: Size,
  preprocessing: Preprocessing,
  how: Augmentation,
  { seed, index, pass }: { readonly seed: number; readonly index: number; readonly pass: number },
): Float64Array {
  const random = data.randomStream(seed, STREAM + pass, index);
  const within = (most: number | undefined) => (2 * random.uniform() - 1) * (most ?? 0);
  const view = new Float64Array(VIEW.length);
  const { size } = preprocessing;
  const mirror = how.flip && random.uniform() < 0.5 ? -1 : 1;
  const angle = (within(how.rotate) * Math.PI) / 180;
  const shear = within(how.shear);
  const larger = 1 + within(how.scale);
  const [wide, high] = [larger * (1 + within(how.stretch)), larger * (1 + within(how.stretch))];
  const [moveX, moveY] = [0, 1].map(() => Math.round(within((how.shift ?? 0) + 0.499)));
  const { middle, stepX, stepY } = how.cropArea
    ? cropped(picture, size, how.cropArea, random)
    : {
        middle: [picture.width / 2, picture.height / 2] as const,
        stepX: stepOf(picture, preprocessing),
        stepY: stepOf(picture, preprocessing),
      };
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  // Slant, then stretch and mirror, then turn; the inverse of what happens to the picture.
  const [a, b, c, d] = [
    (mirror * cos * stepX) / wide,
    ((mirror * cos * shear - sin) * stepX) / high,
    (mirror * sin * stepY) / wide,
    ((mirror * sin * shear + cos) * stepY) / high,
  ];
  const moved = [middle[0] + a * moveX! + b * moveY!, middle[1] + c * moveX! + d * moveY!] as const;
  look(view, preprocessing, moved, [a, b, c, d]);
  view[VIEW.brightness] = 1 + within(how.brightness);
  view[VIEW.contrast] = 1 + within(how.contrast);
  view[VIEW.saturation] = 1 + within(how.saturation);
  view[VIEW.cutSide] = Math.round(size * (how.cut ?? 0));
  view[VIEW.cutX] = random.integer(size) + 0.5;
  view[VIEW.cutY] = random.integer(size) + 0.5;
  return view;
}

const STREAM = 0x76696577;

/** A box of random area and ratio at a random place; the whole picture where none of ten fits. */
function cropped(
  { width, height }: Size,
  size: number,
  least: number,
  random: ReturnType<typeof data.randomStream>,
) {
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = (least + (1 - least) * random.uniform()) * width * height;
    const ratio = (3 / 4) ** (2 * random.uniform() - 1);
    const [w, h] = [Math.sqrt(area * ratio), Math.sqrt(area / ratio)];
    if (w > width || h > height) continue;
    const left = random.uniform() * (width - w);
    const top = random.uniform() * (height - h);
    return {
      middle: [left + w / 2, top + h / 2] as const,
      stepX: w / size,
      stepY: h / size,
    };
  }
  const step = Math.min(width, height) / size;
  return { middle: [width / 2, height / 2] as const, stepX: step, stepY: step };
}
