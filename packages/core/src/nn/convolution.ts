import { TensorlaneError } from "../errors.ts";
import { format, type Size } from "../graph/dim.ts";
import type { Conv2dOptions, ConvTranspose2dOptions } from "../graph/ops/conv.ts";
import * as ops from "../graph/ops/index.ts";
import { type Pair, pairOf, spanOf } from "../graph/ops/window.ts";
import type { Parameter, Tensor } from "../graph/tensor.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

interface Channels {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: number | Pair;
  readonly bias?: boolean;
  /** Rules for the first values, where PyTorch's default is not wanted. */
  readonly init?: { readonly weight?: init.Initializer; readonly bias?: init.Initializer };
}
export interface Conv2dLayerOptions extends Channels, Conv2dOptions {
  /** What is put around the image: zeros (the default), its mirror image, its edge or its other end. */
  readonly paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}

function requireChannels(what: string, counts: readonly number[], groups: number): void {
  const isGood = (n: number) => Number.isInteger(n) && n >= 1 && n % groups === 0;
  if (Number.isInteger(groups) && groups >= 1 && counts.every(isGood)) return;
  throw new TensorlaneError(
    `${what}: channels ${counts.join(" to ")} must be whole numbers that divide into ${groups} groups`,
  );
}

/** PyTorch's default, kaiming_uniform with a = √5: within 1 / √fanIn for weight and bias. */
function initial(shape: readonly number[]): init.Initializer {
  const bound = 1 / Math.sqrt(init.fans(shape).fanIn);
  return init.uniform(-bound, bound);
}

/**
 * Convolution with trained kernels: (N, inChannels, H, W) -> (N, outChannels, H', W') with
 * H' = floor((H + 2 padding - dilation (kernelSize - 1) - 1) / stride) + 1.
 *
 * @example
 * const stem = new nn.Conv2d({ inChannels: 3, outChannels: 64, kernelSize: 7, stride: 2, padding: 3 });
 */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias?: Parameter;
  private readonly options: Conv2dLayerOptions;

  constructor(options: Conv2dLayerOptions) {
    super();
    const { inChannels, outChannels, groups = 1, bias = true } = options;
    requireChannels("Conv2d", [inChannels, outChannels], groups);
    const kernel = pairOf("Conv2d", "kernelSize", options.kernelSize, 1);
    const shape = [outChannels, inChannels / groups, ...kernel];
    const rule = initial(shape);
    this.weight = init.parameter(shape, options.init?.weight ?? rule);
    if (bias) this.bias = init.parameter([outChannels], options.init?.bias ?? rule);
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    const { paddingMode = "zeros" } = this.options;
    if (paddingMode === "zeros") return ops.conv2d(x, this.weight, this.bias, this.options);
    const padded = ops.pad(x, this.around(), { mode: paddingMode });
    return ops.conv2d(padded, this.weight, this.bias, { ...this.options, padding: 0 });
  }

  /** [left, right, top, bottom], as `pad` wants it. */
  private around(): number[] {
    const { padding = 0, dilation = 1 } = this.options;
    if (padding === "valid") return [0, 0, 0, 0];
    if (padding !== "same") {
      const [vertical, horizontal] = pairOf("Conv2d", "padding", padding, 0);
      return [horizontal, horizontal, vertical, vertical];
    }
    const dilations = pairOf("Conv2d", "dilation", dilation, 1);
    return [1, 0].flatMap((axis) => {
      const total = spanOf(this.weight.shape[2 + axis], dilations[axis]) - 1;
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
  }
}

export interface ConvTranspose2dLayerOptions extends Channels, ConvTranspose2dOptions {}

/**
 * Transposed convolution with trained kernels: (N, inChannels, H, W) -> (N, outChannels, H', W') with
 * H' = (H - 1) stride - 2 padding + dilation (kernelSize - 1) + outputPadding + 1.
 */
export class ConvTranspose2d extends Module {
  readonly weight: Parameter;
  readonly bias?: Parameter;
  private readonly options: ConvTranspose2dLayerOptions;

  constructor(options: ConvTranspose2dLayerOptions) {
    super();
    const { inChannels, outChannels, groups = 1, bias = true } = options;
    requireChannels("ConvTranspose2d", [inChannels, outChannels], groups);
    const kernel = pairOf("ConvTranspose2d", "kernelSize", options.kernelSize, 1);
    const shape = [inChannels, outChannels / groups, ...kernel];
    const rule = initial(shape);
    this.weight = init.parameter(shape, options.init?.weight ?? rule);
    if (bias) this.bias = init.parameter([outChannels], options.init?.bias ?? rule);
    this.options = options;
  }

  /** `outputSize` [H', W'] instead of the outputPadding that leads to it. */
  forward(x: Tensor, { outputSize }: { readonly outputSize?: Pair } = {}): Tensor {
    const outputPadding = outputSize && this.paddingFor(x, outputSize);
    const options = outputPadding ? { ...this.options, outputPadding } : this.options;
    return ops.convTranspose2d(x, this.weight, this.bias, options);
  }

  private paddingFor(x: Tensor, wanted: Pair): Pair {
    const { stride = 1, padding = 0, dilation = 1 } = this.options;
    const [strides, pads, dilations] = [stride, padding, dilation].map((value) =>
      pairOf("ConvTranspose2d", "options", value, 0),
    );
    const sides: readonly Size[] = x.shape.slice(-2);
    const missing = sides.map((size, i) => {
      const span = spanOf(this.weight.shape[2 + i], dilations[i]);
      return wanted[i] - ((Number(size) - 1) * strides[i] - 2 * pads[i] + span);
    });
    if (missing.some((n, i) => !(n >= 0 && n < Math.max(strides[i], dilations[i])))) {
      throw new TensorlaneError(
        `ConvTranspose2d: outputSize [${wanted}] does not come from input ${format(x.shape)}; ` +
          `it can exceed the smallest by less than the stride [${strides}]`,
      );
    }
    return [missing[0], missing[1]];
  }
}
