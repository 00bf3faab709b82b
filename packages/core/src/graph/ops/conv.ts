import { TensorlaneError } from "../../errors.ts";
import * as sizes from "../dim.ts";
import { format, type Size } from "../dim.ts";
import { apply, type Op, type Tensor, type TensorType } from "../tensor.ts";
import { composed } from "./composed.ts";
import { constant, requireStatic } from "./create.ts";
import { multiply } from "./matmul.ts";
import { pad } from "./padding.ts";
import { sum } from "./reduce.ts";
import { permute, reshape, slice, stack } from "./shape.ts";
import {
  every,
  isOneWindow,
  onBatch,
  type Pads,
  type Pair,
  pairOf,
  requireWindows,
  spanOf,
  windowsIn,
} from "./window.ts";

/** What kind of convolution. */
export interface Conv {
  readonly strides: Pair;
  readonly pads: Pads;
  readonly dilations: Pair;
  readonly groups: number;
}
interface Transposed extends Conv {
  /** Rows and columns added below and right: the sizes that a stride leaves open. */
  readonly outputPadding: Pair;
}

const onnxAttributes = ({ strides, pads, dilations, groups }: Conv) => ({
  strides,
  pads,
  dilations,
  group: groups,
});

const biasGradient = (grad: Tensor): Tensor => sum(grad, { dim: [0, 2, 3] });

/** Cross-correlation: y[n, k, p] = bias[k] + Σ over c and taps t of x[n, c, stride p + dilation t - pad] w[k, c, t]. */
export const convOp: Op<Conv> = {
  name: "conv2d",
  infer: ([x, weight, bias], attrs) => {
    const { strides, pads, dilations, groups } = attrs;
    const channels = x.shape[1];
    checkWeight("conv2d", x, weight, groups, sizes.multiply(weight.shape[1], groups));
    if (Number(weight.shape[0]) % groups !== 0) {
      throw new TensorlaneError(
        `conv2d: ${weight.shape[0]} output channels do not divide into ${groups} groups`,
      );
    }
    checkBias("conv2d", bias, weight.shape[0]);
    const out = [0, 1].map((i) => {
      const span = spanOf(Number(weight.shape[2 + i]), dilations[i]);
      return windowsIn(x.shape[2 + i], pads[i] + pads[i + 2], span, strides[i]);
    });
    requireWindows(`conv2d with kernel ${format(weight.shape)} of ${channels} channels`, x, out);
    return [{ dtype: "float32", shape: [x.shape[0], weight.shape[0], ...out] }];
  },
  gradient: ({ grad, inputs: [x, weight], attrs, needs }) => [
    needs[0] ? dataGradient(grad, weight, x, attrs) : null,
    needs[1] ? weightGradient(x, grad, weight, attrs) : null,
    needs[2] ? biasGradient(grad) : null,
  ],
  lower: (onnx, inputs, attrs) => onnx.node("Conv", inputs, onnxAttributes(attrs)),
};

/** The transpose of conv2d as a map of its input: (N, K, …) with weight (K, C / groups, …) -> (N, C, …). */
export const convTransposeOp: Op<Transposed> = {
  name: "convTranspose2d",
  infer: ([x, weight, bias], attrs) => {
    const { strides, pads, dilations, groups, outputPadding } = attrs;
    checkWeight("convTranspose2d", x, weight, groups, weight.shape[0]);
    const channels = sizes.multiply(weight.shape[1], groups);
    checkBias("convTranspose2d", bias, channels);
    const out = [0, 1].map((i) => {
      const span = spanOf(Number(weight.shape[2 + i]), dilations[i]);
      const last = sizes.multiply(sizes.add(x.shape[2 + i], -1), strides[i]);
      return sizes.add(last, span + outputPadding[i] - pads[i] - pads[i + 2]);
    });
    requireWindows("convTranspose2d", x, out);
    return [{ dtype: "float32", shape: [x.shape[0], channels, ...out] }];
  },
  gradient: ({ grad, inputs: [x, weight], attrs, needs }) => [
    needs[0] ? apply(convOp, [grad, weight], convAttrs(attrs))[0] : null,
    needs[1] ? weightGradient(grad, x, weight, attrs) : null,
    needs[2] ? biasGradient(grad) : null,
  ],
  lower: (onnx, inputs, attrs) =>
    onnx.node("ConvTranspose", inputs, {
      ...onnxAttributes(attrs),
      output_padding: attrs.outputPadding,
    }),
};

const convAttrs = ({ strides, pads, dilations, groups }: Conv): Conv => ({
  strides,
  pads,
  dilations,
  groups,
});
const kernelOf = (weight: Tensor): Pair => {
  const [height, width] = requireStatic("conv2d", weight.shape.slice(2));
  return [height, width];
};

function checkWeight(
  what: string,
  x: TensorType,
  weight: TensorType,
  groups: number,
  channels: Size,
): void {
  if (weight.shape.length !== 4 || weight.dtype !== "float32") {
    throw new TensorlaneError(
      `${what}: the weight must be float32 with 4 axes, received ${weight.dtype}${format(weight.shape)}`,
    );
  }
  if (!sizes.equal(x.shape[1], channels) || Number(channels) % groups !== 0) {
    throw new TensorlaneError(
      `${what}: input ${format(x.shape)} has ${x.shape[1]} channels, but weight ` +
        `${format(weight.shape)} with ${groups} group${groups === 1 ? "" : "s"} takes ${channels}`,
    );
  }
}

function checkBias(what: string, bias: TensorType | undefined, channels: Size): void {
  if (!bias || (bias.shape.length === 1 && sizes.equal(bias.shape[0], channels))) return;
  throw new TensorlaneError(
    `${what}: bias ${format(bias.shape)} does not fit ${channels} output channels; use [${channels}]`,
  );
}

// Gradients ----------------------------------------------------------------------------------------

interface DataGradient extends Conv {
  /** The input's height and width. */
  readonly size: Pair;
}
/** Gradient of conv2d by its input, from [grad, weight]. */
export const convDataGradientOp = composed<DataGradient>({
  name: "convDataGradient",
  infer: ([grad, weight], { groups, size }) => [
    {
      dtype: "float32",
      shape: [grad.shape[0], sizes.multiply(weight.shape[1], groups), ...size],
    },
  ],
  expand: (inputs, attrs) => [expandDataGradient(inputs, attrs)],
});
function dataGradient(grad: Tensor, weight: Tensor, x: Tensor, attrs: Conv): Tensor {
  const [height, width] = requireStatic("conv2d: the gradient", x.shape.slice(2));
  const size: Pair = [height, width];
  return apply(convDataGradientOp, [grad, weight], { ...convAttrs(attrs), size })[0];
}

interface WeightGradient extends Conv {
  readonly kernel: Pair;
}
/** Gradient of conv2d by its weight, from [x, grad]. */
export const convWeightGradientOp = composed<WeightGradient>({
  name: "convWeightGradient",
  infer: ([x, grad], { groups, kernel }) => [
    {
      dtype: "float32",
      shape: [grad.shape[1], sizes.floorDivide(x.shape[1], groups), ...kernel],
    },
  ],
  expand: (inputs, attrs) => [expandWeightGradient(inputs, attrs)],
});
const weightGradient = (x: Tensor, grad: Tensor, weight: Tensor, attrs: Conv): Tensor =>
  apply(convWeightGradientOp, [x, grad], { ...convAttrs(attrs), kernel: kernelOf(weight) })[0];

/** (A, B, h, w) -> (A, B h w). */
const flattened = (t: Tensor): Tensor => {
  const row = requireStatic("conv2d: the gradient", t.shape.slice(1)).reduce((a, b) => a * b, 1);
  return reshape(t, [t.shape[0], row]);
};

/**
 * For stride 1 the transposed convolution is a convolution with the kernel flipped and its channel axes
 * swapped, which ONNX Runtime computes about twice as fast as its ConvTranspose (17 to 32 ms for 64 to 64
 * channels of 56x56, 8 images; 16 to 32 for 16 channels of 32x32, 128 images).
 */
function expandDataGradient([grad, weight]: readonly Tensor[], attrs: DataGradient): Tensor {
  const { strides, pads, dilations, groups, size } = attrs;
  const kernel = kernelOf(weight);
  if (isOneWindow(kernel, size, attrs)) {
    return reshape(multiply(flattened(grad), flattened(weight)), [
      grad.shape[0],
      weight.shape[1],
      ...size,
    ]);
  }
  const span = kernel.map((k, i) => spanOf(k, dilations[i]));
  if (strides[0] === 1 && strides[1] === 1) {
    // Where the padding exceeds the kernel, the outermost gradients belong to padding: they are cropped.
    const rest = pads.map((p, side) => span[side % 2] - 1 - p);
    const inner = rest.some((p) => p < 0) ? cropped(grad, rest) : grad;
    const outer = rest.map((p) => Math.max(p, 0)) as unknown as Pads;
    const flipped = flipKernel(weight, groups);
    return apply(convOp, [inner, flipped], { strides, pads: outer, dilations, groups })[0];
  }
  const open = size.map((n, i) => (n + pads[i] + pads[i + 2] - span[i]) % strides[i]);
  const outputPadding: Pair = [open[0], open[1]];
  return apply(convTransposeOp, [grad, weight], { ...convAttrs(attrs), outputPadding })[0];
}

const cropped = (x: Tensor, [top, left, bottom, right]: readonly number[]): Tensor =>
  pad(
    x,
    [left, right, top, bottom].map((n) => Math.min(n, 0)),
  );

/** (K, C / groups, h, w) -> (C, K / groups, h, w), mirrored in both image axes. */
function flipKernel(weight: Tensor, groups: number): Tensor {
  const [k, c, height, width] = requireStatic("conv2d: the gradient", weight.shape);
  const taps = height * width;
  const turned = permute(reshape(weight, [groups, k / groups, c, taps]), [0, 2, 1, 3]);
  const rows = reshape(turned, [groups * c * (k / groups), taps]);
  // ONNX Runtime's Transpose and backward Slice are slow on a kernel's few taps; a product is not.
  const flipped = taps === 1 ? rows : multiply(rows, mirror(taps));
  return reshape(flipped, [groups * c, k / groups, height, width]);
}

const matrix = (size: number, isOne: (row: number, column: number) => boolean): Tensor =>
  constant(
    Float32Array.from({ length: size * size }, (_, i) =>
      Number(isOne(Math.floor(i / size), i % size)),
    ),
    "float32",
    [size, size],
  );
const mirror = (size: number): Tensor => matrix(size, (row, column) => row + column === size - 1);
const identity = (size: number): Tensor => matrix(size, (row, column) => row === column);

/**
 * Up to this many input channels the weight gradient is a convolution. Milliseconds as products and as
 * convolution (native engine, 2 shared cores): a stem of 3 channels, 7x7 stride 2, 244 and 48; VGG's first
 * layer (4 images) 80 and 41; LeNet's 6 channels, 5x5, 1.6 and 0.6; 16 channels of 32x32 (128 images) 43
 * and 78; 64 of 56x56 (8 images) 22 and 75.
 */
const FEW_CHANNELS = 8;

/**
 * Gradient of conv2d's weight: for every tap the input shifted by it, times the gradient, summed over
 * images and positions.
 */
function expandWeightGradient([x, grad]: readonly Tensor[], attrs: WeightGradient): Tensor {
  const { strides, pads, dilations, groups, kernel } = attrs;
  const [k, height, width] = requireStatic("conv2d: the gradient", grad.shape.slice(1));
  const [c, ...size] = requireStatic("conv2d: the gradient", x.shape.slice(1));
  if (isOneWindow(kernel, size, attrs)) {
    return reshape(multiply(flattened(grad), flattened(x), true), [k, c, ...kernel]);
  }
  if (groups === 1 && c <= FEW_CHANNELS) return asConvolution(x, grad, kernel, attrs);
  // Channels first, so that images and positions are one axis of one product.
  const positions = sizes.multiply(x.shape[0], height * width);
  const perGroup = (t: Tensor, channels: number) =>
    reshape(t, groups === 1 ? [channels, positions] : [groups, channels / groups, positions]);
  const [top, left, bottom, right] = pads;
  const padded = pad(swapped(x), [left, right, top, bottom]);
  const rows = perGroup(swapped(grad), k);
  const taps: Tensor[] = [];
  for (let i = 0; i < kernel[0]; i++) {
    const lines = every(padded, 2, i * dilations[0], height, strides[0]);
    for (let j = 0; j < kernel[1]; j++) {
      const shifted = every(lines, 3, j * dilations[1], width, strides[1]);
      taps.push(multiply(rows, perGroup(shifted, c), false, true));
    }
  }
  const shape = [k, c / groups, ...kernel];
  if (taps.length === 1) return reshape(taps[0], shape);
  // Taps to the innermost axis: a product with an identity transposes faster than Transpose does.
  const all = reshape(stack(taps), [taps.length, k * (c / groups)]);
  return reshape(multiply(all, identity(taps.length), true), shape);
}

/** The weight gradient as one convolution of channels: the gradient is the kernel. */
function asConvolution(x: Tensor, grad: Tensor, kernel: Pair, attrs: Conv): Tensor {
  const { strides, pads, dilations } = attrs;
  const attributes = { strides: dilations, dilations: strides, pads, groups: 1 };
  const product = apply(convOp, [swapped(x), swapped(grad)], attributes)[0];
  // Rows of the input that lie under no window would make the kernel larger.
  return swapped(slice(product, [null, null, [0, kernel[0]], [0, kernel[1]]]));
}

/**
 * (A, B, h, w) -> (B, A, h, w). With images as rows: a Transpose next to a Pad would swap places with it in
 * ONNX Runtime 1.30, which then fuses the Pad into the convolution even where it makes the kernel, and
 * refuses its own graph.
 */
function swapped(t: Tensor): Tensor {
  const [a, b, height, width] = t.shape;
  const rows = permute(reshape(t, [a, b, sizes.multiply(height, width)]), [1, 0, 2]);
  return reshape(rows, [b, a, height, width]);
}

// The public operators -----------------------------------------------------------------------------

/** Keywords of PyTorch's conv2d; one number stands for both axes. */
export interface Conv2dOptions {
  readonly stride?: number | Pair;
  /** Zeros around the image; "same" keeps its size (stride 1 only), "valid" adds none. */
  readonly padding?: number | Pair | "same" | "valid";
  readonly dilation?: number | Pair;
  readonly groups?: number;
}

/**
 * Convolution of images, as PyTorch's conv2d. x (N, C, H, W) or (C, H, W), weight
 * (K, C / groups, h, w), bias (K) -> (N, K, H', W') with
 * H' = floor((H + 2 padding - dilation (h - 1) - 1) / stride) + 1.
 *
 * @example
 * ops.conv2d(x, weight, bias, { stride: 2, padding: 1 });
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: Conv2dOptions = {},
): Tensor {
  const what = "conv2d";
  const { padding = 0, groups = 1 } = options;
  const strides = pairOf(what, "stride", options.stride ?? 1, 1);
  const dilations = pairOf(what, "dilation", options.dilation ?? 1, 1);
  checkGroups(what, groups);
  const attrs = { strides, dilations, groups };
  return onBatch(what, x, (images) => {
    const pads = padsOf(padding, weight, attrs);
    return apply(convOp, bias ? [images, weight, bias] : [images, weight], { ...attrs, pads })[0];
  });
}

function padsOf(
  padding: NonNullable<Conv2dOptions["padding"]>,
  weight: Tensor,
  { strides, dilations }: Pick<Conv, "strides" | "dilations">,
): Pads {
  if (padding === "valid") return [0, 0, 0, 0];
  if (padding !== "same") {
    const [vertical, horizontal] = pairOf("conv2d", "padding", padding, 0);
    return [vertical, horizontal, vertical, horizontal];
  }
  if (strides[0] !== 1 || strides[1] !== 1) {
    throw new TensorlaneError(
      `conv2d: padding "same" needs stride 1, received [${strides}]; give the padding as numbers`,
    );
  }
  // Where the total is odd, the larger half comes last, as in PyTorch.
  const total = kernelOf(weight).map((k, i) => spanOf(k, dilations[i]) - 1);
  const before = total.map((n) => Math.floor(n / 2));
  return [before[0], before[1], total[0] - before[0], total[1] - before[1]];
}

function checkGroups(what: string, groups: number): void {
  if (Number.isInteger(groups) && groups >= 1) return;
  throw new TensorlaneError(`${what}: groups must be a positive whole number, received ${groups}`);
}

/** Keywords of PyTorch's conv_transpose2d. */
export interface ConvTranspose2dOptions {
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
  /** Rows and columns added below and right; smaller than stride or dilation. */
  readonly outputPadding?: number | Pair;
  readonly groups?: number;
  readonly dilation?: number | Pair;
}

/**
 * Transposed convolution, the gradient of conv2d by its input, as PyTorch's conv_transpose2d.
 * x (N, K, H, W) or (K, H, W), weight (K, C / groups, h, w), bias (C) -> (N, C, H', W') with
 * H' = (H - 1) stride - 2 padding + dilation (h - 1) + outputPadding + 1.
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvTranspose2dOptions = {},
): Tensor {
  const what = "convTranspose2d";
  const { groups = 1 } = options;
  const strides = pairOf(what, "stride", options.stride ?? 1, 1);
  const dilations = pairOf(what, "dilation", options.dilation ?? 1, 1);
  const outputPadding = pairOf(what, "outputPadding", options.outputPadding ?? 0, 0);
  const [vertical, horizontal] = pairOf(what, "padding", options.padding ?? 0, 0);
  checkGroups(what, groups);
  for (const [i, extra] of outputPadding.entries()) {
    if (extra >= Math.max(strides[i], dilations[i])) {
      throw new TensorlaneError(
        `${what}: outputPadding [${outputPadding}] must be smaller than stride [${strides}] ` +
          `or dilation [${dilations}]`,
      );
    }
  }
  const pads: Pads = [vertical, horizontal, vertical, horizontal];
  const attrs = { strides, dilations, groups, outputPadding, pads };
  return onBatch(what, x, (images) => {
    return apply(convTransposeOp, bias ? [images, weight, bias] : [images, weight], attrs)[0];
  });
}
