import { TensorlaneError } from "../../errors.ts";
import * as sizes from "../dim.ts";
import { format, type Size } from "../dim.ts";
import type { Tensor } from "../tensor.ts";
import { zeros } from "./create.ts";
import { add } from "./elementwise.ts";
import { pad } from "./padding.ts";
import { reshape, slice, squeeze, stack, unsqueeze } from "./shape.ts";

/** Height and width. */
export type Pair = readonly [number, number];
/** [top, left, bottom, right], as ONNX has it. */
export type Pads = readonly [number, number, number, number];

/** One number for both axes, or one each. */
export function pairOf(
  what: string,
  name: string,
  value: number | readonly number[],
  least: number,
): Pair {
  const pair = typeof value === "number" ? [value, value] : value;
  const [first, second = first] = pair;
  const isGood = (n: number) => Number.isInteger(n) && n >= least;
  if (pair.length < 1 || pair.length > 2 || !isGood(first) || !isGood(second)) {
    throw new TensorlaneError(
      `${what}: ${name} must be one or two whole numbers of at least ${least}, received [${pair}]`,
    );
  }
  return [first, second];
}

/** How many elements a window of dilated taps spans. */
export const spanOf = (kernel: number, dilation: number): number => dilation * (kernel - 1) + 1;

/** How many windows of a span fit, one every `stride` elements. */
export const windowsIn = (size: Size, padding: number, span: number, stride: number): Size =>
  sizes.add(sizes.floorDivide(sizes.add(size, padding - span), stride), 1);

/** Whether the kernel covers the whole input, once: then a convolution is a product of matrices (LeNet-5's C5). */
export const isOneWindow = (
  kernel: readonly number[],
  size: readonly number[],
  { pads, dilations, groups }: { pads: Pads; dilations: Pair; groups: number },
): boolean =>
  groups === 1 &&
  pads.every((p) => p === 0) &&
  kernel.every((k, i) => k === size[i] && (k === 1 || dilations[i] === 1));

/** Throws where an axis has no window at all. */
export function requireWindows(what: string, x: { readonly shape: readonly Size[] }, out: Size[]) {
  if (out.some((size) => typeof size === "number" && size < 1)) {
    throw new TensorlaneError(
      `${what}: the window is larger than the padded input ${format(x.shape)} ` +
        `(the output would be ${format(out)}); use a smaller kernel or more padding`,
    );
  }
}

/** Runs on (N, C, H, W); a single image (C, H, W) gets a batch axis meanwhile, as in PyTorch. */
export function onBatch(what: string, x: Tensor, run: (x: Tensor) => Tensor): Tensor {
  if (x.rank === 3) return squeeze(run(unsqueeze(x, 0)), 0);
  if (x.rank !== 4 || x.dtype !== "float32") {
    throw new TensorlaneError(
      `${what}: takes float32 images (N, C, H, W) or (C, H, W), received ${x.dtype}${format(x.shape)}`,
    );
  }
  return run(x);
}

/** `count` elements of an axis, one every `stride` from `offset` on. */
export function every(
  x: Tensor,
  axis: number,
  offset: number,
  count: number,
  stride: number,
): Tensor {
  const end = offset + (count - 1) * stride + 1;
  return slice(
    x,
    x.shape.map((_, i) => (i === axis ? [offset, end, stride] : null)),
  );
}

/**
 * The reverse of taking `every` element from several offsets: each part is added, `stride` apart from its
 * offset on, into an axis of `size` zeros. Offsets that are equal modulo the stride are summed first, so
 * that elements are spread only once.
 */
export function spread(
  parts: readonly { readonly offset: number; readonly part: Tensor }[],
  axis: number,
  stride: number,
  size: number,
): Tensor {
  const length = Math.ceil(size / stride);
  const shape = parts[0].part.shape.with(axis, length);
  const phases = Array.from({ length: stride }, (_, phase) => {
    const own = parts.filter(({ offset }) => offset % stride === phase);
    const placed = own.map(({ offset, part }) => {
      const before = (offset - phase) / stride;
      const after = length - before - (part.shape[axis] as number);
      const pads = new Array<number>(2 * (part.rank - axis)).fill(0);
      return pad(part, pads.with(-2, before).with(-1, after));
    });
    return placed.length === 0 ? zeros(shape) : placed.reduce((a, b) => add(a, b));
  });
  if (stride === 1) return phases[0];
  const whole = reshape(stack(phases, axis + 1), shape.with(axis, length * stride));
  return length * stride === size ? whole : every(whole, axis, 0, size, 1);
}
