import { flatten } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import { LocalResponseNorm } from "../nn/batchNorm.ts";
import { Dropout, ReLU, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { AdaptiveAvgPool2d, MaxPool2d } from "../nn/pooling.ts";
import type { ClassifierOptions } from "./architecture.ts";
import { conv, linear, smallInit } from "./parts.ts";

export interface AlexNetOptions extends ClassifierOptions {
  /**
   * "paper": two towers (as groups), local response norm, 61 million parameters. "torchvision", the
   * default: one tower after Krizhevsky 2014, whose published weights it takes.
   */
  readonly variant?: "paper" | "torchvision";
  readonly dropout?: number;
}

const pool = () => new MaxPool2d({ kernelSize: 3, stride: 2 });
/** The paper's n = 5, k = 2, alpha = 1e-4, beta = 0.75; its formula does not divide alpha by n, ours does. */
const normalize = () => new LocalResponseNorm({ size: 5, alpha: 5e-4, beta: 0.75, k: 2 });

/** Section 3.5: kernels of layers 2, 4 and 5 see only the maps of their own GPU. */
const paperFeatures = (channels: number) => [
  ...[conv(channels, 96, 11, { stride: 4, padding: 2, init: smallInit() }), new ReLU()],
  ...[normalize(), pool()],
  ...[conv(96, 256, 5, { padding: 2, groups: 2, init: smallInit(1) }), new ReLU()],
  ...[normalize(), pool()],
  ...[conv(256, 384, 3, { padding: 1, init: smallInit() }), new ReLU()],
  ...[conv(384, 384, 3, { padding: 1, groups: 2, init: smallInit(1) }), new ReLU()],
  ...[conv(384, 256, 3, { padding: 1, groups: 2, init: smallInit(1) }), new ReLU(), pool()],
];

const torchvisionFeatures = (channels: number) => [
  ...[conv(channels, 64, 11, { stride: 4, padding: 2 }), new ReLU(), pool()],
  ...[conv(64, 192, 5, { padding: 2 }), new ReLU(), pool()],
  ...[conv(192, 384, 3, { padding: 1 }), new ReLU()],
  ...[conv(384, 256, 3, { padding: 1 }), new ReLU()],
  ...[conv(256, 256, 3, { padding: 1 }), new ReLU(), pool()],
];

/**
 * Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks.
 * (N, 3, 224, 224) -> (N, numClasses).
 */
export class AlexNet extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d({ outputSize: 6 });
  readonly classifier: Sequential;

  constructor(options: AlexNetOptions = {}) {
    super();
    const { numClasses = 1000, inChannels = 3, dropout: p = 0.5 } = options;
    const isPaper = options.variant === "paper";
    const features = isPaper ? paperFeatures : torchvisionFeatures;
    const init = (bias: number) => (isPaper ? { init: smallInit(bias) } : {});
    this.features = new Sequential(...features(inChannels));
    this.classifier = new Sequential(
      new Dropout({ p }),
      ...[linear(256 * 6 * 6, 4096, init(1)), new ReLU(), new Dropout({ p })],
      ...[linear(4096, 4096, init(1)), new ReLU()],
      linear(4096, numClasses, init(0)),
    );
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(flatten(this.avgpool.forward(this.features.forward(x)), 1));
  }
}

export const alexnet = (options: AlexNetOptions = {}): AlexNet => new AlexNet(options);
