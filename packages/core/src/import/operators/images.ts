import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { batchNorm } from "../../nn/batchNorm.ts";
import { Buffer, updateBuffer } from "../../nn/module.ts";
import type { Call } from "../call.ts";
import { OnnxImportError } from "../error.ts";
import type { Rules } from "./rule.ts";
import { onImages, padded, symmetric, type Windows } from "./windows.ts";

// Convolution --------------------------------------------------------------------------------------

/** The kernel's size, which the weight has and the attribute repeats. */
function kernelOf(c: Call, weight: Tensor): readonly number[] {
  if (weight.rank !== 3 && weight.rank !== 4) {
    throw new OnnxImportError(
      `a weight of shape [${weight.shape.join(", ")}] is not read; there are convolutions of ` +
        "sequences and of images",
    );
  }
  const kernel = ops.requireStatic("kernel", weight.shape.slice(2));
  const given = c.ints("kernel_shape");
  if (!given || given.join() === kernel.join()) return kernel;
  throw new OnnxImportError(`kernel_shape [${given}] is not that of the weight, [${kernel}]`);
}

/** The weight of a convolution of sequences as one of images of one column. */
const widened = (weight: Tensor): Tensor => (weight.rank === 3 ? ops.unsqueeze(weight, 3) : weight);

function conv(c: Call): Tensor {
  const [x, weight, bias] = [c.tensor(0), c.tensor(1), c.optional(2)];
  const groups = c.int("group", 1);
  return onImages(c, x, kernelOf(c, weight), (image, windows) => {
    const padding = symmetric(windows);
    const { strides: stride, dilations: dilation } = windows;
    const input = padding ? image : padded(image, windows, 0)[0];
    const options = { stride, dilation, groups, padding: padding ?? 0 };
    return ops.conv2d(input, widened(weight), bias, options);
  });
}

function convTranspose(c: Call): Tensor {
  const [x, weight, bias] = [c.tensor(0), c.tensor(1), c.optional(2)];
  const groups = c.int("group", 1);
  const extra = c.ints("output_padding") ?? [];
  c.require("auto_pad", c.text("auto_pad", "NOTSET"), "NOTSET");
  return onImages(c, x, kernelOf(c, weight), (image, windows) => {
    const { strides: stride, dilations: dilation } = windows;
    const [vertical = 0, horizontal = 0] = extra;
    const outputPadding = [vertical, horizontal] as const;
    const padding = symmetric(windows);
    const options = { stride, dilation, groups, outputPadding, padding: padding ?? 0 };
    const y = ops.convTranspose2d(image, widened(weight), bias, options);
    if (padding) return y;
    const [top, left, bottom, right] = windows.pads;
    return ops.pad(y, [-left, -right, -top, -bottom]);
  });
}

// Pooling ------------------------------------------------------------------------------------------

function requireKernel(c: Call): readonly number[] {
  const kernel = c.ints("kernel_shape");
  if (kernel) return kernel;
  throw new OnnxImportError("kernel_shape is missing");
}

/** Our pools pad both sides alike, by half a kernel at most; anything else is padded before. */
const poolPadding = (windows: Windows): readonly [number, number] | undefined => {
  const padding = symmetric(windows);
  return padding?.every((n, i) => n <= windows.kernel[i] / 2) ? padding : undefined;
};

function ceilModeOf(c: Call, padding: unknown): boolean {
  const ceilMode = c.int("ceil_mode", 0) !== 0;
  if (!ceilMode || padding) return ceilMode;
  throw new OnnxImportError("ceil_mode with padding that differs from side to side is not read");
}

function maxPool(c: Call): Tensor {
  c.require("storage_order", c.int("storage_order", 0), 0);
  return onImages(c, c.tensor(0), requireKernel(c), (image, windows) => {
    const padding = poolPadding(windows);
    const ceilMode = ceilModeOf(c, padding);
    const { kernel: kernelSize, strides: stride, dilations: dilation } = windows;
    const input = padding ? image : padded(image, windows, -Infinity)[0];
    return ops.maxPool2d(input, { kernelSize, stride, dilation, ceilMode, padding: padding ?? 0 });
  });
}

function averagePool(c: Call): Tensor {
  const countIncludePad = c.int("count_include_pad", 0) !== 0;
  return onImages(c, c.tensor(0), requireKernel(c), (image, windows) => {
    const padding = poolPadding(windows);
    const ceilMode = ceilModeOf(c, padding);
    const { kernel: kernelSize, strides: stride } = windows;
    const options = { kernelSize, stride, ceilMode };
    if (padding) return ops.avgPool2d(image, { ...options, padding, countIncludePad });
    const means = ops.avgPool2d(padded(image, windows, 0)[0], options);
    if (countIncludePad) return means;
    // The share of each window that lies in the image.
    const inside = padded(ops.ones([1, 1, ...image.shape.slice(2)]), windows, 0)[0];
    return ops.div(means, ops.avgPool2d(inside, options));
  });
}

const imageAxes = (x: Tensor): number[] => x.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));

// Normalisation ------------------------------------------------------------------------------------

/**
 * In training mode by the batch's own statistics, whatever mode the model was exported in; the running
 * ones are updated as PyTorch does. ONNX's momentum is the share that the old statistics keep.
 */
function batchNormalization(c: Call): Tensor {
  const [x, weight, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => c.tensor(i));
  const eps = c.float("epsilon", 1e-5);
  const momentum = Number((1 - c.float("momentum", 0.9)).toPrecision(7));
  c.int("training_mode", 0);
  if (!c.training || !(mean instanceof Buffer) || !(variance instanceof Buffer)) {
    return ops.batchNorm(x, mean, variance, { weight, bias, eps });
  }
  const { updated } = c.scope.run;
  const runningMean = updated.get(mean) ?? mean;
  const runningVar = updated.get(variance) ?? variance;
  const statistics = { runningMean, runningVar, momentum };
  const result = batchNorm(x, { weight, bias, eps, ...statistics, training: true });
  const next = [
    [mean, result.runningMean!],
    [variance, result.runningVar!],
  ] as const;
  for (const [buffer, value] of next) {
    updated.set(buffer, value);
    updateBuffer(buffer, value);
  }
  return result.y;
}

/** Each image's channels by their own statistics; PyTorch writes group norm so, too. */
function instanceNormalization(c: Call): Tensor {
  const [x, scale, bias] = [c.tensor(0), c.tensor(1), c.tensor(2)];
  const over = { dim: imageAxes(x), keepdim: true };
  const centred = ops.sub(x, ops.mean(x, over));
  const variance = ops.mean(ops.square(centred), over);
  const normal = ops.mul(centred, ops.rsqrt(ops.add(variance, c.float("epsilon", 1e-5))));
  const column = [x.shape[1], ...imageAxes(x).map(() => 1)];
  return ops.add(ops.mul(normal, ops.reshape(scale, column)), ops.reshape(bias, column));
}

function layerNormalization(c: Call): Tensor {
  const [x, weight] = [c.tensor(0), c.tensor(1)];
  const axis = c.int("axis", -1);
  c.require("stash_type", c.int("stash_type", 1), 1);
  if ((axis < 0 ? axis + x.rank : axis) !== x.rank - weight.rank) {
    throw new OnnxImportError(`axis ${axis} does not fit a weight of rank ${weight.rank}`);
  }
  const bias = c.optional(2) ?? ops.zeros(weight.shape);
  return ops.layerNorm(x, weight, bias, c.float("epsilon", 1e-5));
}

const lrn = (c: Call): Tensor =>
  ops.localResponseNorm(c.tensor(0), {
    size: c.int("size", 1),
    alpha: c.float("alpha", 1e-4),
    beta: c.float("beta", 0.75),
    k: c.float("bias", 1),
  });

export const images: Rules = {
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Conv: conv,
  ConvTranspose: convTranspose,
  GlobalAveragePool: (c) => over(c, ops.mean),
  GlobalMaxPool: (c) => over(c, ops.amax),
  InstanceNormalization: instanceNormalization,
  LRN: lrn,
  LayerNormalization: layerNormalization,
  MaxPool: maxPool,
};

function over(c: Call, reduce: typeof ops.mean): Tensor {
  const x = c.tensor(0);
  return reduce(x, { dim: imageAxes(x), keepdim: true });
}
