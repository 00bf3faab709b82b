import { TensorlaneError } from "../errors.ts";
import { flatten } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import { BatchNorm2d } from "../nn/batchNorm.ts";
import { ReLU, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { AdaptiveAvgPool2d } from "../nn/pooling.ts";
import type { ClassifierOptions } from "./architecture.ts";
import { conv, heInit, linear } from "./parts.ts";
import { BasicBlock, type Shortcut } from "./residual.ts";

export interface CifarResNetOptions extends ClassifierOptions {
  /** "pad": option A, without parameters (the paper's choice for CIFAR); "projection": option B. */
  readonly shortcut?: Shortcut;
}

/**
 * He et al. 2016, section 4.2: (N, 3, 32, 32) -> (N, numClasses), depth 6n + 2, three stages of n basic
 * blocks with 16, 32 and 64 channels.
 */
export class CifarResNet extends Module {
  readonly conv1;
  readonly bn1 = new BatchNorm2d({ numFeatures: 16 });
  readonly relu = new ReLU();
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d({ outputSize: 1 });
  readonly fc;

  constructor(options: CifarResNetOptions & { readonly depth: number }) {
    super();
    const { depth, shortcut = "pad", numClasses = 10, inChannels = 3 } = options;
    const blocks = (depth - 2) / 6;
    if (!(Number.isInteger(blocks) && blocks >= 1)) {
      throw new TensorlaneError(
        `CifarResNet: depth must be 6n + 2 (20, 32, 44, 56, 110, ...), received ${depth}`,
      );
    }
    this.conv1 = conv(inChannels, 16, 3, { padding: 1, bias: false, init: heInit });
    const stage = (from: number, to: number, stride: number) =>
      new Sequential(
        new BasicBlock(from, to, { stride, shortcut }),
        ...Array.from({ length: blocks - 1 }, () => new BasicBlock(to, to, { shortcut })),
      );
    this.layer1 = stage(16, 16, 1);
    this.layer2 = stage(16, 32, 2);
    this.layer3 = stage(32, 64, 2);
    this.fc = linear(64, numClasses);
  }

  forward(x: Tensor): Tensor {
    const stem = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const body = [this.layer1, this.layer2, this.layer3];
    const maps = body.reduce((value, layer) => layer.forward(value), stem);
    return this.fc.forward(flatten(this.avgpool.forward(maps), 1));
  }
}

/** Any depth 6n + 2: `models.cifarResnet({ depth: 110 })`. */
export const cifarResnet = (
  options: CifarResNetOptions & { readonly depth: number },
): CifarResNet => new CifarResNet(options);
export const resnet20 = (options: CifarResNetOptions = {}): CifarResNet =>
  cifarResnet({ ...options, depth: 20 });
export const resnet56 = (options: CifarResNetOptions = {}): CifarResNet =>
  cifarResnet({ ...options, depth: 56 });
/** The same without shortcuts. */
export const plain20 = (options: ClassifierOptions = {}): CifarResNet =>
  cifarResnet({ ...options, depth: 20, shortcut: "none" });
export const plain56 = (options: ClassifierOptions = {}): CifarResNet =>
  cifarResnet({ ...options, depth: 56, shortcut: "none" });
