import { add, pad, slice } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import { BatchNorm2d } from "../nn/batchNorm.ts";
import { ReLU, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { conv, heInit } from "./parts.ts";

/**
 * What a block adds to its result: its input, where the shape changes either subsampled with zero channels
 * appended ("pad", option A of He et al. 2016) or by a 1x1 convolution ("projection", option B); or
 * nothing ("none", a plain network).
 */
export type Shortcut = "projection" | "pad" | "none";

export interface BlockOptions {
  readonly stride?: number;
  readonly shortcut?: Shortcut;
  readonly groups?: number;
  readonly widthPerGroup?: number;
  /** Which convolution of a bottleneck has the stride: the 3x3 ("torchvision") or the first ("paper"). */
  readonly variant?: "paper" | "torchvision";
}

const convolution = (from: number, to: number, kernel: number, stride = 1, groups = 1) =>
  conv(from, to, kernel, {
    stride,
    padding: Math.floor(kernel / 2),
    groups,
    bias: false,
    init: heInit,
  });
const norm = (numFeatures: number) => new BatchNorm2d({ numFeatures });

/** The 1x1 convolution of option B, where input and result differ in shape. */
const projection = (from: number, to: number, stride: number, shortcut: Shortcut) =>
  shortcut === "projection" && (stride !== 1 || from !== to)
    ? new Sequential(convolution(from, to, 1, stride), norm(to))
    : undefined;

/** Two 3x3 convolutions with batch norm. */
export class BasicBlock extends Module {
  readonly conv1;
  readonly bn1;
  readonly relu = new ReLU();
  readonly conv2;
  readonly bn2;
  readonly downsample?: Sequential;
  private readonly stride: number;
  private readonly added: number;
  private readonly shortcut: Shortcut;

  constructor(inChannels: number, outChannels: number, options: BlockOptions = {}) {
    super();
    const { stride = 1, shortcut = "projection" } = options;
    this.conv1 = convolution(inChannels, outChannels, 3, stride);
    this.bn1 = norm(outChannels);
    this.conv2 = convolution(outChannels, outChannels, 3);
    this.bn2 = norm(outChannels);
    this.downsample = projection(inChannels, outChannels, stride, shortcut);
    this.stride = stride;
    this.added = outChannels - inChannels;
    this.shortcut = shortcut;
  }

  forward(x: Tensor): Tensor {
    const first = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const y = this.bn2.forward(this.conv2.forward(first));
    return this.relu.forward(this.shortcut === "none" ? y : add(y, this.carried(x)));
  }

  private carried(x: Tensor): Tensor {
    if (this.downsample) return this.downsample.forward(x);
    const every = [null, null, this.stride] as const;
    const sampled = this.stride === 1 ? x : slice(x, [null, null, every, every]);
    return pad(sampled, [0, 0, 0, 0, 0, this.added]);
  }
}

/** 1x1 to a narrow width, 3x3 there, 1x1 to four times that width. */
export class Bottleneck extends Module {
  readonly conv1;
  readonly bn1;
  readonly conv2;
  readonly bn2;
  readonly conv3;
  readonly bn3;
  readonly relu = new ReLU();
  readonly downsample?: Sequential;

  constructor(inChannels: number, planes: number, options: BlockOptions = {}) {
    super();
    const { stride = 1, groups = 1, widthPerGroup = 64, variant = "torchvision" } = options;
    const [first, second] = variant === "paper" ? [stride, 1] : [1, stride];
    const width = Math.floor((planes * widthPerGroup) / 64) * groups;
    this.conv1 = convolution(inChannels, width, 1, first);
    this.bn1 = norm(width);
    this.conv2 = convolution(width, width, 3, second, groups);
    this.bn2 = norm(width);
    this.conv3 = convolution(width, 4 * planes, 1);
    this.bn3 = norm(4 * planes);
    this.downsample = projection(inChannels, 4 * planes, stride, "projection");
  }

  forward(x: Tensor): Tensor {
    const narrow = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const seen = this.relu.forward(this.bn2.forward(this.conv2.forward(narrow)));
    const wide = this.bn3.forward(this.conv3.forward(seen));
    return this.relu.forward(add(wide, this.downsample ? this.downsample.forward(x) : x));
  }
}
