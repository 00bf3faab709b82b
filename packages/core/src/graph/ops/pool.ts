import { TensorlaneError } from "../../errors.ts";
import { format, isStatic, type Size, sameShape } from "../dim.ts";
import { apply, type Op, type Tensor, type TensorType } from "../tensor.ts";
import { composed } from "./composed.ts";
import { cast, constant, requireStatic } from "./create.ts";
import { equal, mul, sub } from "./elementwise.ts";
import { multiply } from "./matmul.ts";
import { pad } from "./padding.ts";
import { mean } from "./reduce.ts";
import {
  every,
  onBatch,
  type Pads,
  type Pair,
  pairOf,
  requireWindows,
  spanOf,
  spread,
  windowsIn,
} from "./window.ts";

export interface Pool {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly pads: Pads;
}
export interface MaxPool extends Pool {
  readonly dilations: Pair;
}

function pooled(what: string, x: TensorType, { kernel, strides, pads }: Pool, dilations: Pair) {
  const out = [0, 1].map((i) => {
    const span = spanOf(kernel[i], dilations[i]);
    return windowsIn(x.shape[2 + i], pads[i] + pads[i + 2], span, strides[i]);
  });
  requireWindows(`${what} with kernel [${kernel}]`, x, out);
  return [{ dtype: x.dtype, shape: [x.shape[0], x.shape[1], ...out] }];
}
const attributes = ({ kernel, strides, pads }: Pool) => ({ kernel_shape: kernel, strides, pads });

/** Below every other number: what a max pool reads outside the image. */
const LOWEST = -Infinity;

export const maxPoolOp: Op<MaxPool> = {
  name: "maxPool2d",
  infer: ([x], attrs) => pooled("maxPool2d", x, attrs, attrs.dilations),
  gradient: ({ grad, inputs: [x], outputs: [y], attrs }) =>
    apply(maxPoolGradientOp, [x, y, grad], attrs),
  lower: (onnx, [x], attrs) => {
    const { pads, kernel, dilations } = attrs;
    // ONNX Runtime refuses padding of a kernel's size or more, which dilation and ceil mode can ask for.
    if (pads.every((n, side) => n < kernel[side % 2])) {
      return onnx.node("MaxPool", [x], { ...attributes(attrs), dilations });
    }
    const [top, left, bottom, right] = pads;
    const around = onnx.builder.ints([0, 0, top, left, 0, 0, bottom, right]);
    const padded = onnx.node("Pad", [x, around, onnx.builder.scalar(LOWEST)]);
    const plain = attributes({ ...attrs, pads: [0, 0, 0, 0] });
    return onnx.node("MaxPool", padded, { ...plain, dilations });
  },
};

/** Gradient of maxPool2d, from [x, y, grad]. */
export const maxPoolGradientOp = composed<MaxPool>({
  name: "maxPoolGradient",
  infer: ([x]) => [x],
  expand: ([x, y, grad], attrs) => [maxPoolGradient(x, y, grad, attrs)],
});

/**
 * The first of a window's largest elements, row by row, gets its gradient. That element is the first
 * largest of its row, in the first row that reaches the maximum: so rows are decided first, then the
 * columns within them, which takes h + w comparisons instead of h · w, and no indices.
 */
function maxPoolGradient(x: Tensor, y: Tensor, grad: Tensor, attrs: MaxPool): Tensor {
  const { kernel, strides, pads, dilations } = attrs;
  const [top, left, bottom, right] = pads;
  const rowMaxima = apply(maxPoolOp, [x], {
    kernel: [1, kernel[1]],
    strides: [1, strides[1]],
    dilations: [1, dilations[1]],
    pads: [0, left, 0, right],
  })[0];
  const along = (axis: 0 | 1) => ({
    axis: 2 + axis,
    taps: kernel[axis],
    stride: strides[axis],
    dilation: dilations[axis],
  });
  const perRow = toFirst(rowMaxima, y, grad, { ...along(0), before: top, after: bottom });
  return toFirst(x, rowMaxima, perRow, { ...along(1), before: left, after: right });
}

interface Axis {
  readonly axis: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Along one axis: each window's gradient goes to its first element that equals the window's maximum. */
function toFirst(x: Tensor, maxima: Tensor, grad: Tensor, along: Axis): Tensor {
  const { axis, taps, stride, dilation, before, after } = along;
  if (taps === 1 && stride === 1 && before === 0 && after === 0) return grad;
  const [size] = requireStatic("maxPool2d: the gradient", [x.shape[axis]]);
  const [count] = requireStatic("maxPool2d: the gradient", [maxima.shape[axis]]);
  const sides = (a: number, b: number) => [
    ...new Array<number>(2 * (x.rank - 1 - axis)).fill(0),
    a,
    b,
  ];
  const padded = pad(x, sides(before, after), LOWEST);
  const parts: { readonly offset: number; readonly part: Tensor }[] = [];
  let rest = grad;
  for (let tap = 0; tap < taps; tap++) {
    const offset = tap * dilation;
    // By products and differences: ONNX Runtime's Where takes twice as long as both. They are exact.
    const hits = cast(equal(every(padded, axis, offset, count, stride), maxima), "float32");
    const part = mul(rest, hits);
    parts.push({ offset, part });
    if (tap < taps - 1) rest = sub(rest, part);
  }
  return pad(spread(parts, axis, stride, size + before + after), sides(-before, -after));
}

/** Mean over windows; elements of the padding count as zeros. */
export const avgPoolOp: Op<Pool> = {
  name: "avgPool2d",
  infer: ([x], attrs) => pooled("avgPool2d", x, attrs, [1, 1]),
  gradient: ({ grad, inputs: [x], attrs: { kernel, strides, pads } }) => {
    const [height, width] = requireStatic("avgPool2d: the gradient", x.shape.slice(2));
    const [top, left, bottom, right] = pads;
    const all = (part: Tensor, taps: number) =>
      Array.from({ length: taps }, (_, offset) => ({ offset, part }));
    const each = mul(grad, 1 / (kernel[0] * kernel[1]));
    const rows = spread(all(each, kernel[0]), 2, strides[0], height + top + bottom);
    const whole = spread(all(rows, kernel[1]), 3, strides[1], width + left + right);
    return [pad(whole, [-left, -right, -top, -bottom])];
  },
  lower: (onnx, [x], attrs) =>
    onnx.node("AveragePool", [x], { ...attributes(attrs), count_include_pad: 1 }),
};

// The public operators -----------------------------------------------------------------------------

/** Keywords of PyTorch's pools; one number stands for both axes. */
export interface PoolOptions {
  readonly kernelSize: number | Pair;
  /** The kernel's size unless given. */
  readonly stride?: number | Pair | null;
  /** At most half the kernel. */
  readonly padding?: number | Pair;
  /** Windows that begin inside the image or its left or upper padding count, even if they end outside. */
  readonly ceilMode?: boolean;
}
export interface MaxPool2dOptions extends PoolOptions {
  readonly dilation?: number | Pair;
}
export interface AvgPool2dOptions extends PoolOptions {
  /** Whether the padding's zeros count as elements of the mean; true. */
  readonly countIncludePad?: boolean;
  /** Divides the sums instead of the number of elements. */
  readonly divisorOverride?: number | null;
}

interface Geometry extends Pool {
  readonly padding: Pair;
}

/** Attributes of a pool over x; what ceil mode adds becomes padding below and right. */
function geometry(what: string, x: Tensor, options: PoolOptions, dilations: Pair): Geometry {
  const kernel = pairOf(what, "kernelSize", options.kernelSize, 1);
  const strides = pairOf(what, "stride", options.stride ?? kernel, 1);
  const padding = pairOf(what, "padding", options.padding ?? 0, 0);
  if (padding.some((n, i) => n > kernel[i] / 2)) {
    throw new TensorlaneError(
      `${what}: padding [${padding}] is more than half the kernel [${kernel}]; pad the input instead`,
    );
  }
  const extra = [0, 1].map((i) => {
    if (!options.ceilMode) return 0;
    const [size] = requireStatic(`${what} with ceilMode`, [x.shape[2 + i]]);
    const span = spanOf(kernel[i], dilations[i]);
    const room = size + 2 * padding[i] - span;
    let last = Math.ceil(room / strides[i]) * strides[i];
    if (last >= size + padding[i]) last -= strides[i];
    return Math.max(0, last - room);
  });
  const [vertical, horizontal] = padding;
  const pads: Pads = [vertical, horizontal, vertical + extra[0], horizontal + extra[1]];
  return { kernel, strides, padding, pads };
}

/**
 * Largest element of each window, as PyTorch's max_pool2d. (N, C, H, W) or (C, H, W) -> (…, H', W').
 * Of equal elements the first, row by row, gets the gradient.
 *
 * @example
 * ops.maxPool2d(x, { kernelSize: 3, stride: 2 });
 */
export function maxPool2d(x: Tensor, options: MaxPool2dOptions): Tensor {
  const dilations = pairOf("maxPool2d", "dilation", options.dilation ?? 1, 1);
  return onBatch("maxPool2d", x, (images) => {
    const { kernel, strides, pads } = geometry("maxPool2d", images, options, dilations);
    return apply(maxPoolOp, [images], { kernel, strides, pads, dilations })[0];
  });
}

/** Mean of each window, as PyTorch's avg_pool2d. (N, C, H, W) or (C, H, W) -> (…, H', W'). */
export function avgPool2d(x: Tensor, options: AvgPool2dOptions): Tensor {
  return onBatch("avgPool2d", x, (images) => {
    const shape = geometry("avgPool2d", images, options, [1, 1]);
    const { kernel, strides, pads } = shape;
    const means = apply(avgPoolOp, [images], { kernel, strides, pads })[0];
    const scale = divisors(images, means, shape, options);
    return scale ? mul(means, scale) : means;
  });
}

/** Elements of a window over those it counts, (H', W'); undefined where all windows count all of theirs. */
function divisors(
  x: Tensor,
  means: Tensor,
  { kernel, strides, pads, padding }: Geometry,
  { countIncludePad = true, divisorOverride }: AvgPool2dOptions,
): Tensor | undefined {
  const all = kernel[0] * kernel[1];
  if (divisorOverride !== undefined && divisorOverride !== null) {
    if (divisorOverride > 0) return constant(all / divisorOverride);
    throw new TensorlaneError(
      `avgPool2d: divisorOverride must be positive, received ${divisorOverride}`,
    );
  }
  const isUneven = pads.some((n, side) => n !== (countIncludePad ? padding[side % 2] : 0));
  if (!isUneven) return undefined;
  const counts = [0, 1].map((i) => {
    const sizes = requireStatic("avgPool2d with uneven windows", [x.shape[2 + i]]);
    const [outputs] = requireStatic("avgPool2d", [means.shape[2 + i]]);
    const margin = countIncludePad ? padding[i] : 0;
    return Array.from({ length: outputs }, (_, o) => {
      const from = o * strides[i] - padding[i];
      const to = Math.min(from + kernel[i], sizes[0] + margin);
      return to - Math.max(from, -margin);
    });
  });
  const map = counts[0].flatMap((rows) => counts[1].map((columns) => all / (rows * columns)));
  return constant(Float32Array.from(map), "float32", [counts[0].length, counts[1].length]);
}

/**
 * Means over windows that divide the image into `outputSize` parts, as PyTorch's adaptive_avg_pool2d:
 * part i covers floor(i H / H') to ceil((i + 1) H / H'). null keeps an axis as it is.
 * (N, C, H, W) or (C, H, W) -> (…, H', W').
 */
export function adaptiveAvgPool2d(
  x: Tensor,
  outputSize: number | readonly [number | null, number | null],
): Tensor {
  return onBatch("adaptiveAvgPool2d", x, (images) => {
    const wanted = typeof outputSize === "number" ? [outputSize, outputSize] : outputSize;
    const out = wanted.map((n, i) => n ?? images.shape[2 + i]);
    if (out.length !== 2 || out.some((n) => typeof n === "number" && !(n >= 1 && n % 1 === 0))) {
      throw new TensorlaneError(
        `adaptiveAvgPool2d: outputSize must be positive whole numbers, received [${wanted}]`,
      );
    }
    if (out.every((n) => n === 1)) return mean(images, { dim: [2, 3], keepdim: true });
    return adaptive(images, out);
  });
}

function adaptive(x: Tensor, out: readonly Size[]): Tensor {
  const shape = x.shape.slice(2);
  if (sameShape(shape, out)) return x;
  if (!isStatic(shape) || !isStatic(out)) {
    throw new TensorlaneError(
      `adaptiveAvgPool2d: needs concrete image sizes, received ${format(x.shape)}`,
    );
  }
  const [height, width] = shape;
  if (height % out[0] === 0 && width % out[1] === 0) {
    const kernel: Pair = [height / out[0], width / out[1]];
    return apply(avgPoolOp, [x], { kernel, strides: kernel, pads: [0, 0, 0, 0] as Pads })[0];
  }
  // Means of uneven parts are products with two matrices: rows (H', H) · x · columns (W, W').
  const columns = multiply(x, parts(width, out[1]), false, true);
  return multiply(parts(height, out[0]), columns);
}

/** (out, size): row i holds 1 / n at the n elements of part i. */
function parts(size: number, out: number): Tensor {
  const data = new Float32Array(out * size);
  for (let i = 0; i < out; i++) {
    const from = Math.floor((i * size) / out);
    const to = Math.ceil(((i + 1) * size) / out);
    data.fill(1 / (to - from), i * size + from, i * size + to);
  }
  return constant(data, "float32", [out, size]);
}
