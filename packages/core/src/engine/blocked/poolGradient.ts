import type { MaxPool } from "../../graph/ops/pool.ts";
import type { Node } from "../../graph/tensor.ts";
import { f32s } from "../../onnx/builder.ts";
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

/** Each window's gradient goes to its first element that equals the window's maximum. */
function toFirst(
  blocks: Blocks,
  [x, maxima, grad]: readonly [string, string, string],
  [from, to]: readonly [Images, Images],
  along: Along,
): string {
  const { axis, taps, stride, before, after } = along;
  if (taps === 1 && stride === 1 && before === 0 && after === 0) return grad;
  const parts: Part[] = [];
  const negative = blocks.standard("Neg", [maxima]);
  let rest = grad;
  for (let tap = 0; tap < taps; tap++) {
    const equal = equals(blocks, x, from, negative, along, tap);
    const hits = inside(blocks, equal, from, to, along, tap);
    const part = blocks.standard("Mul", [rest, hits]);
    parts.push({ offset: tap - before, part });
    if (tap < taps - 1) rest = blocks.standard("Sub", [rest, part]);
  }
  return spread(blocks, parts, from, to, axis, stride);
}

/** A kernel of one tap along an axis, for every channel. */
function oneHot(blocks: Blocks, channels: number, axis: 0 | 1, size: number, at: number) {
  const data = Float32Array.from({ length: channels * size }, (_, i) =>
    Number(Math.floor(i / blocks.size) % size === at),
  );
  const shape = axis === 0 ? [size, 1] : [1, size];
  const weight = blocks.onnx.builder.constant("float32", [channels, 1, ...shape], data, "tap");
  return { weight, kernel: shape };
}

const padsAlong = (axis: 0 | 1, before: number, after: number): number[] =>
  axis === 0 ? [before, 0, after, 0] : [0, before, 0, after];

/** 2^127 (x - max) + 1, cut to 0 ... 1: 1 where equal; a difference that it does not bring to 0 is below 2^-127. */
const equality = { activation: "HardSigmoid", activation_params: f32s([2 ** 127, 1]) };

/**
 * 1 where what lies under one tap of every window equals its maximum, 0 elsewhere; zeros stand for the padding. A
 * convolution, because it takes the difference and the limits along in the pass that a Slice alone would need.
 */
function equals(
  blocks: Blocks,
  x: string,
  [, c]: Images,
  negative: string,
  along: Along,
  tap: number,
): string {
  const { axis, taps, stride, before, after } = along;
  const { weight, kernel } = oneHot(blocks, c, axis, taps, tap);
  const strides = axis === 0 ? [stride, 1] : [1, stride];
  const pads = padsAlong(axis, before, after);
  const attributes = { kernel_shape: kernel, strides, pads, group: c, ...equality };
  return blocks.convolve(x, weight, { sum: negative }, attributes);
}

/** Without the hits that lie in the padding, whose zeros could equal a maximum. */
function inside(
  blocks: Blocks,
  hits: string,
  from: Images,
  to: Images,
  { axis, stride, before }: Along,
  tap: number,
): string {
  const size = from[2 + axis];
  const [n, c, height, width] = to;
  const isInside = (o: number) => {
    const place = o * stride + tap - before;
    return place >= 0 && place < size;
  };
  if (Array.from({ length: to[2 + axis] }, (_, o) => o).every(isInside)) return hits;
  const mask = Float32Array.from({ length: height * width * blocks.size }, (_, i) => {
    const column = Math.floor(i / blocks.size);
    return Number(isInside(axis === 0 ? Math.floor(column / width) : column % width));
  });
  const constant = blocks.onnx.builder.constant("float32", [mask.length], mask, "inside");
  const flat = blocks.reshape(hits, [(n * c) / blocks.size, mask.length]);
  return blocks.reshape(blocks.standard("Mul", [flat, constant]), to);
}

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
  const form = blocks.reshape(result, [(n * c) / blocks.size, whole[2], whole[3], blocks.size]);
  return blocks.reshape(blocks.part(form, 1 + axis, 0, from[2 + axis]), sizeOf(from[2 + axis]));
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
  const { weight, kernel } = oneHot(blocks, channels, axis, 1 + lead + tail, lead);
  const pads = padsAlong(axis, Math.max(0, by), Math.max(0, after));
  return blocks.convolve(part, weight, { sum }, { kernel_shape: kernel, pads, group: channels });
}
