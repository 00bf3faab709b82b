import type { Box, resizingTools } from "./resizing.ts";

/** A picture of bytes, one plane a channel: (channels, height, width), row by row. */
export interface Picture {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** What `render` makes of a picture: one square of numbers a channel. */
export interface RenderTarget {
  /** (channels, size, size). */
  readonly out: Float32Array;
  readonly size: number;
  /** Of the values 0 .. 1, for each channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** What lies outside the picture: black, or its nearest pixel. */
  readonly border: "black" | "edge";
}

type Size = Pick<Picture, "width" | "height">;
type Triple = readonly [number, number, number];
type Matrix = readonly [...Triple, ...Triple];

type Spread = ReturnType<typeof resizingTools>["spread"];

/** Where sampled values go: (channels, size, size), each times its channel's `scale`, less its `shift`. */
interface Sink extends Pick<RenderTarget, "out" | "size"> {
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

/** Places in the numbers that describe how one picture is rendered. */
export const VIEW = {
  /**
   * Six numbers a, b, c, d, e, f: output point (x, y) shows the picture's point
   * (a x + b y + c, d x + e y + f); both in pixels, with (0.5, 0.5) in the middle of the first one.
   */
  matrix: 0,
  /** Factors of brightness, contrast and saturation; 1 changes nothing. */
  brightness: 6,
  contrast: 7,
  saturation: 8,
  /** Middle and side of a square that is blanked, in output pixels; side 0 for none. */
  cutX: 9,
  cutY: 10,
  cutSide: 11,
  length: 12,
} as const;

/**
 * The arithmetic of pixels. The function refers to nothing outside itself but its arguments, since its source
 * text is also the program of the workers (as in core's random numbers): no file that a bundler or a
 * test runner would have to find and compile.
 */
export function pixelTools(view: typeof VIEW, spread: Spread) {
  /** The value between four pixels, all of them looked up with care for the border. */
  const atBorder = (
    picture: Picture,
    plane: number,
    sx: number,
    sy: number,
    edge: boolean,
  ): number => {
    const { data, width, height } = picture;
    if (!edge && (sx <= -1 || sy <= -1 || sx >= width || sy >= height)) return 0;
    const x0 = Math.floor(sx);
    const y0 = Math.floor(sy);
    const right = sx - x0;
    const below = sy - y0;
    let sum = 0;
    for (let corner = 0; corner < 4; corner++) {
      let px = x0 + (corner & 1);
      let py = y0 + (corner >> 1);
      const weight = (corner & 1 ? right : 1 - right) * (corner >> 1 ? below : 1 - below);
      if (edge) {
        px = Math.min(width - 1, Math.max(0, px));
        py = Math.min(height - 1, Math.max(0, py));
      } else if (px < 0 || py < 0 || px >= width || py >= height) continue;
      sum += weight * data[plane + py * width + px]!;
    }
    return sum;
  };

  /**
   * The part of a picture that a view of `size` x `size` pixels looks at, with the neighbours between which it
   * interpolates: never empty, since what lies outside takes its nearest pixel.
   */
  const seen = (views: Float64Array, at: number, size: number, picture: Size): Box => {
    const range = (place: number, length: number) => {
      const [x, y, shift] = Array.from(
        views.subarray(at + place, at + place + 3),
      ) as unknown as Triple;
      const ends = [0.5, size - 0.5].flatMap((i) => [x * i + y * 0.5, x * i + y * (size - 0.5)]);
      const from = Math.floor(Math.min(...ends) + shift - 0.5);
      const to = Math.ceil(Math.max(...ends) + shift - 0.5) + 1;
      const begin = Math.min(length - 1, Math.max(0, from));
      return { begin, count: Math.min(length, Math.max(1, to)) - begin };
    };
    const across = range(view.matrix, picture.width);
    const down = range(view.matrix + 3, picture.height);
    return { left: across.begin, top: down.begin, width: across.count, height: down.count };
  };

  /** Where the matrix moves, or mirrors, by whole pixels and stays inside: rows are copied. */
  const copy = (picture: Picture, [a, b, c, d, e, f]: Matrix, sink: Sink): boolean => {
    const { data, width, height, channels } = picture;
    const { out, size, scale, shift } = sink;
    const straight = Math.abs(a) === 1 && b === 0 && d === 0 && e === 1;
    const [left, right] = a === 1 ? [c, c + size] : [c - size, c];
    const inside = left >= 0 && f >= 0 && right <= width && f + size <= height;
    if (!straight || !inside || !Number.isInteger(c) || !Number.isInteger(f)) return false;
    const area = size * size;
    const table = new Float32Array(256);
    for (let channel = 0; channel < channels; channel++) {
      const [factor, less] = [scale[channel]!, shift[channel]!];
      let from = (channel * height + f) * width + (a === 1 ? left : right - 1);
      if (a === 1 && width === size) {
        spread(data, from, out, channel * area, area, factor, less);
        continue;
      }
      for (let v = 0; v < 256; v++) table[v] = v * factor - less;
      const by = a === 1 ? 1 : -1;
      for (let to = channel * area; to < (channel + 1) * area; from += width) {
        let k = from | 0;
        for (const end = to + size; to < end; to++, k += by) out[to] = table[data[k]!]!;
      }
    }
    return true;
  };

  /** Samples the picture along the matrix, bilinearly. */
  const warp = (picture: Picture, matrix: Matrix, edge: boolean, to: Sink): void => {
    if (copy(picture, matrix, to)) return;
    const { data, width, height, channels } = picture;
    const { out, size, scale, shift } = to;
    const [a, b, c, d, e, f] = matrix;
    const area = width * height;
    const square = size * size;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const sx = a * (x + 0.5) + b * (y + 0.5) + c - 0.5;
        const sy = d * (x + 0.5) + e * (y + 0.5) + f - 0.5;
        const x0 = Math.floor(sx);
        const y0 = Math.floor(sy);
        const right = sx - x0;
        const below = sy - y0;
        const inside = x0 >= 0 && y0 >= 0 && x0 + 1 < width && y0 + 1 < height;
        const at = y * size + x;
        if (!inside) {
          for (let channel = 0; channel < channels; channel++) {
            const value = atBorder(picture, channel * area, sx, sy, edge);
            out[channel * square + at] = value * scale[channel]! - shift[channel]!;
          }
          continue;
        }
        let i = (y0 * width + x0) | 0;
        for (let channel = 0; channel < channels; channel++, i += area) {
          const k = i + width;
          const above = data[i]! + right * (data[i + 1]! - data[i]!);
          const under = data[k]! + right * (data[k + 1]! - data[k]!);
          const value = above + below * (under - above);
          out[channel * square + at] = value * scale[channel]! - shift[channel]!;
        }
      }
    }
  };

  const clamp = (value: number): number => Math.min(1, Math.max(0, value));

  /** Brightness, then contrast about the mean grey, then saturation about each pixel's grey. */
  const jitter = (views: Float64Array, at: number, channels: number, target: RenderTarget) => {
    const { out, size } = target;
    const area = size * size;
    const brightness = views[at + view.brightness]!;
    const contrast = views[at + view.contrast]!;
    const saturation = views[at + view.saturation]!;
    if (brightness !== 1) for (let i = 0; i < out.length; i++) out[i] = clamp(out[i]! * brightness);
    // Luma of ITU-R 601, as Pillow's grey.
    const luma = channels === 3 ? [0.299, 0.587, 0.114] : [1];
    if (contrast !== 1) {
      let mean = 0;
      for (let c = 0; c < luma.length; c++) {
        let sum = 0;
        for (let i = c * area; i < (c + 1) * area; i++) sum += out[i]!;
        mean += (luma[c]! * sum) / area;
      }
      const rest = (1 - contrast) * mean;
      for (let i = 0; i < out.length; i++) out[i] = clamp(rest + contrast * out[i]!);
    }
    if (saturation !== 1 && channels === 3) {
      const [r, g, b] = luma as [number, number, number];
      for (let i = 0; i < area; i++) {
        const [red, green, blue] = [out[i]!, out[i + area]!, out[i + 2 * area]!];
        const rest = (1 - saturation) * (r * red + g * green + b * blue);
        out[i] = clamp(rest + saturation * red);
        out[i + area] = clamp(rest + saturation * green);
        out[i + 2 * area] = clamp(rest + saturation * blue);
      }
    }
  };

  /** Blanks a square to the mean, which is 0 after scaling. */
  const cut = (views: Float64Array, at: number, channels: number, target: RenderTarget) => {
    const { out, size } = target;
    const side = views[at + view.cutSide]!;
    const from = (middle: number) => Math.max(0, Math.round(middle - side / 2));
    const to = (middle: number) => Math.min(size, Math.round(middle + side / 2));
    const [x, y] = [views[at + view.cutX]!, views[at + view.cutY]!];
    for (let channel = 0; channel < channels; channel++) {
      for (let row = from(y); row < to(y); row++) {
        const start = (channel * size + row) * size;
        out.fill(0, start + from(x), start + Math.max(from(x), to(x)));
      }
    }
  };

  /**
   * Writes the picture as the view at `at` shows it: sampled, jittered, scaled, partly blanked. The view is one
   * of a larger picture where this is only a part, which begins at `corner`.
   */
  const render = (
    picture: Picture,
    views: Float64Array,
    at: number,
    target: RenderTarget,
    corner: Pick<Box, "left" | "top"> = { left: 0, top: 0 },
  ): void => {
    const { channels } = picture;
    const { out, size, mean, std } = target;
    const places = Array.from(views.subarray(at + view.matrix, at + view.matrix + 6));
    const [a, b, c, d, e, f] = places as unknown as Matrix;
    const matrix = [a, b, c - corner.left, d, e, f - corner.top] as const;
    const [brightness, saturation] = [at + view.brightness, at + view.saturation];
    const coloured = views.subarray(brightness, saturation + 1).some((factor) => factor !== 1);
    // Colours change between 0 and 1; without that one multiplication does for everything.
    const scale = std.map((s) => 1 / (coloured ? 255 : 255 * s));
    const shift = mean.map((m, c) => (coloured ? 0 : m / std[c]!));
    warp(picture, matrix, target.border === "edge", { out, size, scale, shift });
    if (coloured) {
      jitter(views, at, channels, target);
      for (let channel = 0; channel < channels; channel++) {
        const end = (channel + 1) * size * size;
        for (let i = channel * size * size; i < end; i++) {
          out[i] = (out[i]! - mean[channel]!) / std[channel]!;
        }
      }
    }
    if (views[at + view.cutSide]! > 0) cut(views, at, channels, target);
  };

  return { seen, render };
}
