import { TensorlaneError } from "../../errors.ts";
import { f32 } from "../../onnx/builder.ts";
import { format, type Shape, type Size, equal as sameSize, sizeOf } from "../dim.ts";
import { apply, type Op, type Tensor, type TensorType } from "../tensor.ts";
import { composed } from "./composed.ts";
import { constant, ones, requireStatic, sizeAsFloat, zeros } from "./create.ts";
import { add, div, exp, log, mul, neg, reciprocal, sqrt, square, sub } from "./elementwise.ts";
import { multiply } from "./matmul.ts";
import { sum } from "./reduce.ts";
import { expand, reshape } from "./shape.ts";

// Batch norm ---------------------------------------------------------------------------------------

/** Every axis but the channels'. */
const axesOf = (x: { readonly shape: Shape }): number[] =>
  x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
/** (C) -> (C, 1, …), which broadcasts against (N, C, …). */
const perChannel = (values: Tensor, x: Tensor): Tensor =>
  reshape(values, [x.shape[1], ...x.shape.slice(2).map(() => 1)]);
/** Values a channel has. */
const count = (x: { readonly shape: Shape }): Size =>
  sizeOf(axesOf(x).map((axis) => x.shape[axis]));
const overChannels = (x: Tensor): Tensor => sum(x, { dim: axesOf(x) });

function requireChannels(x: TensorType, others: readonly TensorType[]): void {
  if (x.shape.length < 2 || x.dtype !== "float32") {
    throw new TensorlaneError(
      `batchNorm: takes float32 (N, C, …), received ${x.dtype}${format(x.shape)}`,
    );
  }
  for (const other of others) {
    if (other.shape.length !== 1 || !sameSize(other.shape[0], x.shape[1])) {
      throw new TensorlaneError(
        `batchNorm: input ${format(x.shape)} has ${x.shape[1]} channels, but a weight, bias or ` +
          `statistic has shape ${format(other.shape)}; it must be [${x.shape[1]}]`,
      );
    }
  }
}

/** (x - mean) / sqrt(variance + eps) · weight + bias with given statistics, all of shape (C). */
export const batchNormOp: Op<{ readonly eps: number }> = {
  name: "batchNorm",
  infer: ([x, ...others]) => {
    requireChannels(x, others);
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  gradient: ({ grad, inputs: [x, weight, , mean, variance], attrs: { eps }, needs }) => {
    const inverse = reciprocal(sqrt(add(variance, eps)));
    const scale = mul(weight, inverse);
    const total = overChannels(grad);
    const centred = sub(x, perChannel(mean, x));
    const product = needs[1] || needs[4] ? overChannels(mul(grad, centred)) : total;
    return [
      needs[0] ? mul(grad, perChannel(scale, x)) : null,
      needs[1] ? mul(product, inverse) : null,
      total,
      needs[3] ? neg(mul(total, scale)) : null,
      needs[4] ? mul(mul(product, scale), mul(square(inverse), -0.5)) : null,
    ];
  },
  lower: (onnx, inputs, { eps }) => onnx.node("BatchNormalization", inputs, { epsilon: f32(eps) }),
};

/**
 * The same with the batch's own mean and (biased) variance, which are outputs too: (N, C, …) ->
 * [(N, C, …), (C), (C)]. By reductions: ONNX's training mode is not for every provider.
 */
export const batchNormTrainOp: Op<{ readonly eps: number }> = {
  name: "batchNormTrain",
  infer: ([x, ...others]) => {
    requireChannels(x, others);
    const statistic: TensorType = { dtype: "float32", shape: [x.shape[1]] };
    return [{ dtype: x.dtype, shape: x.shape }, statistic, statistic];
  },
  gradient: ({ grads: [grad, dMean, dVariance], inputs: [x, weight], outputs, attrs }) => {
    const [, mean, variance] = outputs;
    const own = grad ? apply(batchNormGradientOp, [grad, x, weight, mean, variance], attrs) : [];
    if (!dMean && !dVariance) return own;
    // mean = Σ x / n and variance = Σ (x - mean)² / n.
    const n = sizeAsFloat(count(x));
    const parts = own.slice(0, 1);
    if (dMean) parts.push(expand(perChannel(div(dMean, n), x), x.shape));
    if (dVariance) {
      const centred = sub(x, perChannel(mean, x));
      parts.push(mul(centred, perChannel(div(mul(dVariance, 2), n), x)));
    }
    return [parts.reduce((a, b) => add(a, b)), ...own.slice(1)];
  },
  lower: (onnx, [x, weight, bias], { eps }, node) => {
    const [{ shape }] = node.inputs;
    const over = shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
    const vector = onnx.shape([shape[1]]);
    const column = onnx.shape([shape[1], ...shape.slice(2).map(() => 1)]);
    const [mean] = onnx.node("ReduceMean", [x], { axes: over, keepdims: 0 });
    // The same node as the gradient's `centred`: it is computed once.
    const [centred] = onnx.node("Sub", [x, onnx.node("Reshape", [mean, column])[0]]);
    const squares = onnx.node("Mul", [centred, centred]);
    const [variance] = onnx.node("ReduceMean", squares, { axes: over, keepdims: 0 });
    const zero = onnx.node("Expand", [onnx.builder.scalar(0), vector])[0];
    const statistics = [centred, weight, bias, zero, variance];
    const [y] = onnx.node("BatchNormalization", statistics, { epsilon: f32(eps) });
    return [y, mean, variance];
  },
};

/**
 * Gradients of batch norm in training by x, weight and bias, from [grad, x, weight, mean, variance]: the
 * gradient without its parts along the mean and along the normalised input (Ioffe & Szegedy 2015),
 * dx = scale (grad - total / n - centred · product / (variance + eps) / n).
 */
export const batchNormGradientOp = composed<{ readonly eps: number }>({
  name: "batchNormGradient",
  infer: ([, x, weight]) => [x, weight, weight],
  expand: ([grad, x, weight, mean, variance], { eps }) => {
    const n = sizeAsFloat(count(x));
    const centred = sub(x, perChannel(mean, x));
    const inverse = reciprocal(sqrt(add(variance, eps)));
    const [zero, one] = [zeros([x.shape[1]]), ones([x.shape[1]])];
    const total = overChannels(grad);
    const product = overChannels(mul(grad, centred));
    const scale = mul(weight, inverse);
    const shift = div(neg(mul(scale, total)), n);
    const slope = div(neg(mul(mul(scale, product), square(inverse))), n);
    // One pass instead of two: a batch norm by statistics 0 and 1 is a scale and a shift.
    const [rest] = apply(batchNormOp, [centred, slope, shift, zero, one], { eps: 0 });
    return [add(mul(grad, perChannel(scale, x)), rest), mul(product, inverse), total];
  },
});

export interface BatchNormOptions {
  /** (C); ones unless given. */
  readonly weight?: Tensor;
  /** (C); zeros unless given. */
  readonly bias?: Tensor;
  readonly eps?: number;
}
const affine = (x: Tensor, { weight, bias }: BatchNormOptions): Tensor[] => [
  weight ?? ones([x.shape[1]]),
  bias ?? zeros([x.shape[1]]),
];

/** Normalises channels with given statistics (C): what batch norm does when it is not trained. */
export const batchNorm = (
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: BatchNormOptions = {},
): Tensor =>
  apply(batchNormOp, [x, ...affine(x, options), mean, variance], { eps: options.eps ?? 1e-5 })[0];

/** Normalises channels over the batch; also returns its mean and biased variance, and their n. */
export function batchNormTrain(
  x: Tensor,
  options: BatchNormOptions = {},
): { readonly y: Tensor; readonly mean: Tensor; readonly variance: Tensor; readonly count: Size } {
  const inputs = [x, ...affine(x, options)];
  const values = count(x);
  if (values === 1) {
    throw new TensorlaneError(
      `batchNorm: one value per channel has no variance, received ${format(x.shape)}; ` +
        "train with larger batches, or call eval()",
    );
  }
  const [y, mean, variance] = apply(batchNormTrainOp, inputs, { eps: options.eps ?? 1e-5 });
  return { y, mean, variance, count: values };
}

// Local response norm ------------------------------------------------------------------------------

interface LocalResponse {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** Sums over a channel's neighbours, those before it and those after it, as a product with a band matrix. */
function neighbours(x: Tensor, before: number, after: number): Tensor {
  const [channels] = requireStatic("localResponseNorm", [x.shape[1]]);
  const band = Float32Array.from({ length: channels * channels }, (_, i) => {
    const distance = (i % channels) - Math.floor(i / channels);
    return Number(distance >= -before && distance <= after);
  });
  const flat = reshape(x, [x.shape[0], channels, sizeOf(x.shape.slice(2))]);
  return reshape(multiply(constant(band, "float32", [channels, channels]), flat), x.shape);
}

/** (k + alpha / size Σ x²) over `size` neighbouring channels. PyTorch takes the larger half before. */
const responses = (x: Tensor, { size, alpha, k }: LocalResponse): Tensor => {
  const [before, after] = [Math.floor(size / 2), Math.floor((size - 1) / 2)];
  return add(mul(neighbours(square(x), before, after), alpha / size), k);
};
/** base^exponent of positive numbers, by functions that ONNX Runtime has vectorised. */
const power = (base: Tensor, exponent: number): Tensor => exp(mul(log(base), exponent));

export const localResponseNormOp: Op<LocalResponse> = {
  name: "localResponseNorm",
  infer: ([x], { size }) => {
    if (x.dtype !== "float32" || x.shape.length < 3 || !(Number.isInteger(size) && size >= 1)) {
      throw new TensorlaneError(
        "localResponseNorm: takes float32 (N, C, …) of rank 3 or more and a positive whole size, " +
          `received ${x.dtype}${format(x.shape)}, size ${size}`,
      );
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  gradient: ({ grad, inputs: [x], attrs }) => {
    const { size, alpha, beta } = attrs;
    const base = responses(x, attrs);
    const scaled = mul(grad, power(base, -beta));
    // Each x also lies in its neighbours' sums: the window, mirrored.
    const shared = div(mul(scaled, x), base);
    const sums = neighbours(shared, Math.floor((size - 1) / 2), Math.floor(size / 2));
    return [sub(scaled, mul(mul(x, sums), (2 * alpha * beta) / size))];
  },
  lower: (onnx, [x], { size, alpha, beta, k }) =>
    onnx.node("LRN", [x], { size, alpha: f32(alpha), beta: f32(beta), bias: f32(k) }),
};

export interface LocalResponseNormOptions {
  readonly size: number;
  /** 1e-4. Divided by `size`, as in PyTorch and Caffe; Krizhevsky's own formula does not. */
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
}
/**
 * x / (k + alpha / size · Σ x² over `size` neighbouring channels)^beta (Krizhevsky et al. 2012), as
 * PyTorch's local_response_norm. (N, C, …) -> the same.
 */
export function localResponseNorm(x: Tensor, options: LocalResponseNormOptions): Tensor {
  const attrs = { alpha: 1e-4, beta: 0.75, k: 1, ...options };
  // ONNX has odd sizes only, and images; the others are put together.
  if (attrs.size % 2 === 1 && x.rank === 4) return apply(localResponseNormOp, [x], attrs)[0];
  return mul(x, power(responses(x, attrs), -attrs.beta));
}
