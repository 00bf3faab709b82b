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
 * The arithmetic of pixels. The function refers to nothing outside itself but its argument, since its source
 * text is also the program of the workers (as in core's random numbers): no file that a bundler or a
 * test runner would have to find and compile.
 */
export function pixelTools(view: typeof VIEW) {
  /**
   * Weights of a triangle filter as wide as one output pixel, at least one input pixel: bilinear
   * interpolation that averages when it shrinks, as Pillow's and torchvision's `antialias` do.
   */
  const taps = (from: number, to: number) => {
    const scale = from / to;
    const reach = Math.max(1, scale);
    return Array.from({ length: to }, (_, i) => {
      const middle = (i + 0.5) * scale;
      const first = Math.max(0, Math.floor(middle - reach + 0.5));
      const last = Math.min(from, Math.floor(middle + reach + 0.5));
      const weights: number[] = [];
      for (let k = first; k < last; k++) {
        weights.push(Math.max(0, 1 - Math.abs(k + 0.5 - middle) / reach));
      }
      const sum = weights.reduce((a, b) => a + b, 0);
      return { first, weights: weights.map((w) => w / sum) };
    });
  };

  /** A picture of another size; values are rounded once, at the end. */
  const resize = (picture: Picture, width: number, height: number): Picture => {
    const { data, channels, width: fromWidth, height: fromHeight } = picture;
    if (width === fromWidth && height === fromHeight) return picture;
    const across = taps(fromWidth, width);
    const down = taps(fromHeight, height);
    const rows = new Float32Array(width * fromHeight);
    const result = new Uint8Array(channels * width * height);
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < fromHeight; y++) {
        const row = (c * fromHeight + y) * fromWidth;
        for (let x = 0; x < width; x++) {
          const { first, weights } = across[x]!;
          let sum = 0;
          for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[row + first + k]!;
          rows[y * width + x] = sum;
        }
      }
      for (let y = 0; y < height; y++) {
        const { first, weights } = down[y]!;
        for (let x = 0; x < width; x++) {
          let sum = 0;
          for (let k = 0; k < weights.length; k++) {
            sum += weights[k]! * rows[(first + k) * width + x]!;
          }
          result[(c * height + y) * width + x] = Math.round(sum);
        }
      }
    }
    return { data: result, width, height, channels };
  };

  /** The same picture with its shorter side at most `side` pixels long. */
  const shrink = (picture: Picture, side: number): Picture => {
    const { width, height } = picture;
    const factor = side / Math.min(width, height);
    if (factor >= 1) return picture;
    return resize(picture, Math.round(width * factor), Math.round(height * factor));
  };

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

  /** Samples the picture along the matrix, bilinearly: values 0 .. 1. */
  const warp = (picture: Picture, views: Float64Array, at: number, target: RenderTarget): void => {
    const { data, width, height, channels } = picture;
    const { out, size, border } = target;
    const [a, b, c, d, e, f] = views.subarray(at + view.matrix, at + view.matrix + 6);
    const edge = border === "edge";
    const area = width * height;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const sx = a! * (x + 0.5) + b! * (y + 0.5) + c! - 0.5;
        const sy = d! * (x + 0.5) + e! * (y + 0.5) + f! - 0.5;
        const x0 = Math.floor(sx);
        const y0 = Math.floor(sy);
        const right = sx - x0;
        const below = sy - y0;
        const inside = x0 >= 0 && y0 >= 0 && x0 + 1 < width && y0 + 1 < height;
        for (let channel = 0; channel < channels; channel++) {
          const plane = channel * area;
          let value: number;
          if (inside) {
            const i = plane + y0 * width + x0;
            const k = i + width;
            const above = data[i]! + right * (data[i + 1]! - data[i]!);
            value = above + below * (data[k]! + right * (data[k + 1]! - data[k]!) - above);
          } else value = atBorder(picture, plane, sx, sy, edge);
          out[(channel * size + y) * size + x] = value / 255;
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
    const grey =
      channels === 3
        ? (i: number) => 0.299 * out[i]! + 0.587 * out[i + area]! + 0.114 * out[i + 2 * area]!
        : (i: number) => out[i]!;
    if (contrast !== 1) {
      let mean = 0;
      for (let i = 0; i < area; i++) mean += grey(i) / area;
      for (let i = 0; i < out.length; i++) out[i] = clamp(mean + contrast * (out[i]! - mean));
    }
    if (saturation !== 1 && channels === 3) {
      for (let i = 0; i < area; i++) {
        const own = grey(i);
        for (let k = i; k < out.length; k += area) {
          out[k] = clamp(own + saturation * (out[k]! - own));
        }
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

  /** Writes the picture as the view at `at` shows it: sampled, jittered, scaled, partly blanked. */
  const render = (picture: Picture, views: Float64Array, at: number, target: RenderTarget) => {
    const { channels } = picture;
    const { out, size, mean, std } = target;
    warp(picture, views, at, target);
    jitter(views, at, channels, target);
    for (let channel = 0; channel < channels; channel++) {
      const end = (channel + 1) * size * size;
      for (let i = channel * size * size; i < end; i++) {
        out[i] = (out[i]! - mean[channel]!) / std[channel]!;
      }
    }
    if (views[at + view.cutSide]! > 0) cut(views, at, channels, target);
  };

  return { resize, shrink, render };
}
