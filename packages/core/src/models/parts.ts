import { Conv2d, type Conv2dLayerOptions } from "../nn/convolution.ts";
import * as init from "../nn/init.ts";
import { Linear, type LinearOptions } from "../nn/layers.ts";

/** A convolution, its numbers in PyTorch's order, so that tables of layers read like the papers'. */
export const conv = (
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: Partial<Conv2dLayerOptions> = {},
): Conv2d => new Conv2d({ inChannels, outChannels, kernelSize, ...options });

export const linear = (
  inFeatures: number,
  outFeatures: number,
  options: Partial<LinearOptions> = {},
): Linear => new Linear({ inFeatures, outFeatures, ...options });

/** He et al. 2015, over a kernel's outputs: what torchvision starts VGG and ResNet from. */
export const heInit = {
  weight: init.kaimingNormal({ mode: "fanOut", nonlinearity: "relu" }),
  bias: init.zeros,
} as const;

/** Normal with standard deviation 0.01, biases 0 (or another constant). */
export const smallInit = (bias = 0) => ({
  weight: init.normal(0, 0.01),
  bias: init.constant(bias),
});
