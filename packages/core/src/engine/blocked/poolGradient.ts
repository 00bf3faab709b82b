import type { MaxPool } from "../../graph/ops/pool.ts";
import type { Node } from "../../graph/tensor.ts";
import type { Blocks, Images } from "./layout.ts";
import { isPlainPool, maxPool } from "./pool.ts";
import { interleaved } from "./strides.ts";

/** One axis of a pool: 0 for rows, 1 for columns. */
interface Along {
  readonly axis: 0 | 1;
  readonly taps: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
}

/** The operator's own two steps: a window's first largest row, then the first largest element within it. */
export function maxPoolGradientRule(blocks: Blocks, node: Node): boolean {
  const [x, y, grad] = blocks.inputsOf(node);
  const attrs = node.attrs as MaxPool;
  const [images, outputs] = [blocks.imagesOf(x), blocks.imagesOf(y)];
  if (!images || !outputs || !blocks.has(x) || !isPlainPool(attrs)) return false;
  const { kernel, strides, pads } = attrs;
  const [top, left, bottom, right] = pads;
  // Even two taps must reach the image, see `maximaOfFirst`.
  if (top > 1 || left > 1) return false;
  const [n, c, height] = images;
  const source = blocks.blocked(x);
  const rowMaxima = maxPool(blocks, source, {
    kernel: [1, kernel[1]],
    strides: [1, strides[1]],
    pads: [0, left, 0, right],
  });
  const along = (axis: 0 | 1, before: number, after: number): Along => ({
    ...{ axis, before, after },
    ...{ taps: kernel[axis], stride: strides[axis] },
  });
  const perRow = toFirst(
    blocks,
    [rowMaxima, blocks.blocked(y), blocks.blocked(grad)],
    [[n, c, height, outputs[3]], outputs],
    along(0, top, bottom),
  );
  const result = toFirst(
    blocks,
    [source, rowMaxima, perRow],
    [images, [n, c, height, outputs[3]]],
    along(1, left, right),
  );
  blocks.hold(node.outputs[0], result);
  return true;
}

/**
 * Each window's gradient goes to its first element that equals the window's maximum: to its last tap where the
 * maximum of all is above that of the taps before, else to the last but one where ... These maxima are pools, too.
 */
function toFirst(
  blocks: Blocks,
  [x, maxima, grad]: readonly [string, string, string],
  [from, to]: readonly [Images, Images],
  along: Along,
): string {
  const { taps, stride, before, after, axis } = along;
  if (taps === 1 && stride === 1 && before === 0 && after === 0) return grad;
  const parts: Part[] = [];
  let rest = grad;
  let upTo = maxima;
  for (let tap = taps - 1; tap > 0; tap--) {
    const under = tap > 1 ? maximaOfFirst(blocks, x, from, to, along, tap) : undefined;
    const hits = under ? rises(blocks, upTo, under) : secondRises(blocks, x, from, to, along);
    const part = blocks.standard("Mul", [rest, hits]);
    parts.push({ offset: tap - before, part });
    rest = blocks.standard("Sub", [rest, part]);
    upTo = under ?? upTo;
  }
  parts.push({ offset: -before, part: rest });
  return spread(blocks, parts, from, to, axis, stride);
}

/** 1 where the maximum of some taps is above that of fewer, 0 where they are equal. */
const rises = (blocks: Blocks, all: string, fewer: string): string =>
  blocks.positive(blocks.standard("Sub", [all, fewer]));

/** Every window's maximum over its first taps. */
function maximaOfFirst(
  blocks: Blocks,
  x: string,
  from: Images,
  to: Images,
  { axis, taps, stride, before, after }: Along,
  count: number,
): string {
  const behind = Math.max(0, after - (taps - count));
  const [kernel, strides] = [count, stride].map((n) => (axis === 0 ? [n, 1] : [1, n]));
  const pool = maxPool(blocks, x, { kernel, strides, pads: padsAlong(axis, before, behind) });
  // Shorter windows may fit once more at the end.
  const size = Math.floor((from[2 + axis] + before + behind - count) / stride) + 1;
  return size === to[2 + axis] ? pool : shortened(blocks, pool, to, axis, size);
}

/** The first elements of an axis of blocked images that is `size` long, as many as `to` says. */
function shortened(blocks: Blocks, x: string, to: Images, axis: 0 | 1, size: number): string {
  const [n, c, height, width] = to;
  const whole = axis === 0 ? [size, width] : [height, size];
  const form = blocks.reshape(x, [(n * c) / blocks.size, ...whole, blocks.size]);
  return blocks.reshape(blocks.part(form, 1 + axis, 0, to[2 + axis]), to);
}

/**
 * 1 where the second tap of a window is above the first: the sign of a convolution of every channel with -1 and 1, whose
 * zeros for the padding are corrected.
 */
function secondRises(blocks: Blocks, x: string, from: Images, to: Images, along: Along): string {
  const { axis, taps, stride, before, after } = along;
  const difference = (tap: number) => (tap === 0 ? -1 : Number(tap === 1));
  const { weight, kernel } = perChannel(blocks, from[1], axis, taps, difference);
  const strides = axis === 0 ? [stride, 1] : [1, stride];
  const pads = padsAlong(axis, before, after);
  const attributes = { kernel_shape: kernel, strides, pads, group: from[1] };
  const hits = blocks.positive(blocks.convolve(x, weight, {}, attributes));
  const size = from[2 + axis];
  // In front of the image the second tap wins, behind it the first.
  const inFront = bounded(blocks, hits, "Max", to, axis, (o) => Number(o * stride < before));
  return bounded(blocks, inFront, "Min", to, axis, (o) => Number(o * stride + 1 - before < size));
}

/** The larger or the smaller of every value and a number for its line or column; nothing where all bounds are idle. */
function bounded(
  blocks: Blocks,
  x: string,
  type: "Max" | "Min",
  to: Images,
  axis: 0 | 1,
  bound: (place: number) => number,
): string {
  const [n, c, height, width] = to;
  const idle = type === "Max" ? 0 : 1;
  const bounds = Array.from({ length: to[2 + axis] }, (_, place) => bound(place));
  if (bounds.every((value) => value === idle)) return x;
  const data = Float32Array.from({ length: height * width * blocks.size }, (_, i) => {
    const place = Math.floor(i / blocks.size);
    return bounds[axis === 0 ? Math.floor(place / width) : place % width];
  });
  const constant = blocks.onnx.builder.constant("float32", [data.length], data, "bounds");
  const flat = blocks.reshape(x, [(n * c) / blocks.size, data.length]);
  return blocks.reshape(blocks.standard(type, [flat, constant]), to);
}

/** A kernel along an axis, the same for every channel. */
function perChannel(
  blocks: Blocks,
  channels: number,
  axis: 0 | 1,
  size: number,
  at: (tap: number) => number,
) {
  const kernel = axis === 0 ? [size, 1] : [1, size];
  const taps = Array.from({ length: size }, (_, tap) => at(tap));
  return { weight: blocks.sameForAll(channels, taps, kernel), kernel };
}

const padsAlong = (axis: 0 | 1, before: number, after: number): number[] =>
  axis === 0 ? [before, 0, after, 0] : [0, before, 0, after];

/** Gradients of one tap, whose windows lie `stride` apart, the first `offset` from the image's edge. */
interface Part {
  readonly offset: number;
  readonly part: string;
}

/** Adds up the parts where they belong: first those whose places agree modulo the stride. */
function spread(
  blocks: Blocks,
  parts: readonly Part[],
  from: Images,
  to: Images,
  axis: 0 | 1,
  stride: number,
): string {
  const [n, c] = from;
  const length = Math.ceil(from[2 + axis] / stride);
  const sizeOf = (count: number): Images =>
    axis === 0 ? [n, c, count, to[3]] : [n, c, from[2], count];
  const phases = Array.from({ length: stride }, (_, phase) => {
    const own = parts.filter(({ offset }) => (offset - phase) % stride === 0);
    // What stays in its place comes first: the others are added to it as they move.
    own.sort((a, b) => Math.abs(a.offset - phase) - Math.abs(b.offset - phase));
    const sum = own.reduce<string | undefined>(
      (sum, { offset, part }) =>
        moved(blocks, part, c, axis, (offset - phase) / stride, [to[2 + axis], length], sum),
      undefined,
    );
    return sum ?? blocks.zeros(sizeOf(length));
  });
  const whole = sizeOf(length * stride);
  const both = axis === 0 ? phases.map((phase) => [phase]) : [phases];
  const result = interleaved(blocks, both, whole);
  if (length * stride === from[2 + axis]) return result;
  return shortened(blocks, result, sizeOf(from[2 + axis]), axis, length * stride);
}

/** Elements of an axis moved by `by`, zeros moving in; the axis then has another length. Adds `sum`. */
function moved(
  blocks: Blocks,
  part: string,
  channels: number,
  axis: 0 | 1,
  by: number,
  [count, length]: readonly [number, number],
  sum: string | undefined,
): string {
  const after = length - count - by;
  if (by === 0 && after === 0) return sum ? blocks.standard("Add", [sum, part]) : part;
  const [lead, tail] = [Math.max(0, -by), Math.max(0, -after)];
  const single = (tap: number) => Number(tap === lead);
  const { weight, kernel } = perChannel(blocks, channels, axis, 1 + lead + tail, single);
  const pads = padsAlong(axis, Math.max(0, by), Math.max(0, after));
  return blocks.convolve(part, weight, { sum }, { kernel_shape: kernel, pads, group: channels });
}
