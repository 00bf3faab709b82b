import type { Picture } from "./pixelTools.ts";

/** Pixels one after another, `step` bytes each: grey (1), or red, green and blue (3) and a byte that says nothing (4). */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly step: number;
}

/** A part of a picture, in whole pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The functions of `resizing.wat`, and the memory that they work on. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly down: (...places: number[]) => void;
  readonly across: (...places: number[]) => void;
  readonly spread: (from: number, to: number, length: number, scale: number, shift: number) => void;
}

/**
 * Changes the size of pictures, by SIMD instructions of WebAssembly: the same numbers on every machine. Like
 * `pixelTools` it refers to nothing outside itself, since its source text is a part of the workers' program.
 *
 * @param module the bytes of `resizing.wat`, assembled, in base64
 */
export function resizingTools(module: string) {
  let started: Kernel | undefined;
  /** Where the kernel has room for the numbers of a plane of the last part. */
  let room = 0;
  const start = (): Kernel => {
    const { WebAssembly } = globalThis as unknown as {
      WebAssembly: {
        Module: new (bytes: Uint8Array) => object;
        Instance: new (module: object) => { exports: unknown };
      };
    };
    const { exports } = new WebAssembly.Instance(
      new WebAssembly.Module(Buffer.from(module, "base64")),
    );
    return exports as Kernel;
  };

  /**
   * Weights of a triangle filter as wide as one output pixel, at least one input pixel: bilinear
   * interpolation that averages when it shrinks, as Pillow's and torchvision's `antialias` do. For the output
   * pixels `begin` to `end`: the first input pixel of each and how many count, `most` weights each.
   */
  const taps = (from: number, to: number, begin: number, end: number) => {
    const scale = from / to;
    const reach = Math.max(1, scale);
    const most = Math.min(from, Math.ceil(2 * reach));
    const firsts = new Int32Array(end - begin);
    const counts = new Int32Array(end - begin);
    const weights = new Float32Array((end - begin) * most);
    for (let i = 0; i < firsts.length; i++) {
      const middle = (begin + i + 0.5) * scale;
      const lowest = Math.max(0, Math.floor(middle - reach + 0.5));
      const last = Math.min(from, Math.floor(middle + reach + 0.5));
      // All `most` lie inside: those in front that do not count weigh 0.
      const first = Math.min(lowest, from - most);
      const weight = (k: number) => Math.max(0, 1 - Math.abs(k + 0.5 - middle) / reach);
      let sum = 0;
      for (let k = lowest; k < last; k++) sum += weight(k);
      for (let k = lowest; k < last; k++) weights[i * most + k - first] = weight(k) / sum;
      firsts[i] = first;
      counts[i] = last - first;
    }
    return { firsts, counts, weights, most };
  };

  /** Places in the kernel's memory, one behind the other; the memory grows where it has to. */
  const allocate = ({ memory }: Kernel, lengths: readonly number[]): number[] => {
    let end = 0;
    const places = lengths.map((length) => {
      const place = end;
      // Up to 15 bytes, or numbers, behind each are read and written, too.
      end += (length + 79) & ~15;
      return place;
    });
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    return places;
  };

  /**
   * A part of the picture in another size, its planes one behind the other in the kernel's memory: valid until
   * the next call. Values are rounded once, at the end.
   */
  const part = (pixels: Pixels, width: number, height: number, box: Box): Picture => {
    started ??= start();
    const { data, step } = pixels;
    const across = taps(pixels.width, width, box.left, box.left + box.width);
    const down = taps(pixels.height, height, box.top, box.top + box.height);
    // Only these columns matter, and the rows of some output rows lie in the kernel's memory at a time.
    const left = across.firsts[0]!;
    const columns = across.firsts[box.width - 1]! + across.most - left;
    const stride = pixels.width * step;
    const atOnce = Math.max(down.most, Math.floor(2 ** 20 / stride));
    const area = box.width * box.height;
    const [rows, line, firsts, acrossWeights, downWeights, planes, numbers] = allocate(started, [
      atOnce * stride,
      4 * columns * step,
      4 * box.width,
      4 * across.weights.length,
      4 * down.weights.length,
      3 * area,
      4 * area,
    ]) as [number, number, number, number, number, number, number];
    room = numbers;
    const bytes = new Uint8Array(started.memory.buffer);
    const offsets = across.firsts.map((first) => 4 * step * (first - left));
    new Int32Array(started.memory.buffer, firsts).set(offsets);
    new Float32Array(started.memory.buffer, acrossWeights).set(across.weights);
    new Float32Array(started.memory.buffer, downWeights).set(down.weights);
    const lastRow = down.firsts[box.height - 1]! + down.counts[box.height - 1]!;
    let [begin, end] = [0, 0];
    for (let y = 0; y < box.height; y++) {
      const first = down.firsts[y]!;
      const count = down.counts[y]!;
      if (first + count > end) {
        begin = first;
        end = Math.min(lastRow, first + atOnce);
        bytes.set(data.subarray(begin * stride, end * stride), rows);
      }
      const from = rows + (first - begin) * stride + left * step;
      const weights = downWeights + 4 * down.most * y;
      started.down(from, stride, count, weights, line, columns * step);
      const to = planes + y * box.width;
      started.across(line, firsts, acrossWeights, across.most, 4 * step, to, area, box.width);
    }
    const channels = step < 3 ? 1 : 3;
    const found = bytes.subarray(planes, planes + channels * area);
    return { data: found, width: box.width, height: box.height, channels };
  };

  /** Writes scale data[from + i] - shift to out[to + i], for i below `length`; `data` may be a part's. */
  const spread = (
    data: Uint8Array,
    from: number,
    out: Float32Array,
    to: number,
    length: number,
    scale: number,
    shift: number,
  ): void => {
    started ??= start();
    let [source, numbers] = [data.byteOffset + from, room];
    if (data.buffer !== started.memory.buffer) {
      [source, numbers] = allocate(started, [length, 4 * length]) as [number, number];
      const bytes = new Uint8Array(started.memory.buffer, source);
      bytes.set(data.subarray(from, from + length));
    }
    started.spread(source, numbers, length, scale, shift);
    out.set(new Float32Array(started.memory.buffer, numbers, length), to);
  };

  /** Width and height once the shorter side is at most `side` pixels long. */
  const shrunk = ({ width, height }: Pick<Picture, "width" | "height">, side: number) => {
    const factor = Math.min(1, side / Math.min(width, height));
    return { width: Math.round(width * factor), height: Math.round(height * factor) };
  };

  /** All of a picture in another size, in memory of its own. */
  const scaled = (pixels: Pixels, width: number, height: number): Picture => {
    const picture = part(pixels, width, height, { left: 0, top: 0, width, height });
    return { ...picture, data: picture.data.slice() };
  };

  /** The same for a picture of planes. */
  const resize = (picture: Picture, width: number, height: number): Picture => {
    const { data, channels } = picture;
    if (width === picture.width && height === picture.height) return picture;
    const area = picture.width * picture.height;
    const mixed = new Uint8Array(channels * area);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < area; i++) mixed[i * channels + c] = data[c * area + i]!;
    }
    return scaled({ ...picture, data: mixed, step: channels }, width, height);
  };

  return { part, spread, shrunk, scaled, resize };
}
