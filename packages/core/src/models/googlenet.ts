import { TensorlaneError } from "../errors.ts";
import {
  adaptiveAvgPool2d,
  add,
  avgPool2d,
  concat,
  constant,
  flatten,
  mul,
  relu,
} from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import { BatchNorm2d, LocalResponseNorm } from "../nn/batchNorm.ts";
import type { Conv2dLayerOptions } from "../nn/convolution.ts";
import { Dropout, type Layer, Sequential } from "../nn/layers.ts";
import { crossEntropy } from "../nn/losses.ts";
import { Module } from "../nn/module.ts";
import { AdaptiveAvgPool2d, MaxPool2d } from "../nn/pooling.ts";
import type { ClassifierOptions } from "./architecture.ts";
import { conv, linear, smallInit } from "./parts.ts";

type Variant = "paper" | "torchvision";

/** A convolution and what follows it: ReLU in the paper, batch norm and ReLU in torchvision. */
class Unit extends Module {
  readonly conv;
  readonly bn?: BatchNorm2d;

  constructor(
    variant: Variant,
    from: number,
    to: number,
    kernel: number,
    options: Partial<Conv2dLayerOptions> = {},
  ) {
    super();
    const isPaper = variant === "paper";
    const init = isPaper ? {} : { init: smallInit() };
    this.conv = conv(from, to, kernel, { ...options, ...init, bias: isPaper });
    if (!isPaper) this.bn = new BatchNorm2d({ numFeatures: to, eps: 1e-3 });
  }

  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return relu(this.bn ? this.bn.forward(y) : y);
  }
}

/** A row of the paper's table: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj. */
type Row = readonly [number, number, number, number, number, number];

/** Inception with reduced dimensions, figure 2b: 1x1 convolutions before the 3x3 and 5x5 ones. */
export class Inception extends Module {
  readonly branch1: Layer;
  readonly branch2: Layer;
  readonly branch3: Layer;
  readonly branch4: Layer;
  readonly outChannels: number;

  constructor(variant: Variant, from: number, row: Row) {
    super();
    const [one, reduce3, three, reduce5, five, pooled] = row;
    // A known slip of torchvision's: its third branch has a 3x3 kernel where the paper has 5x5.
    const wide = variant === "paper" ? 5 : 3;
    const unit = (a: number, b: number, kernel: number) =>
      new Unit(variant, a, b, kernel, { padding: Math.floor(kernel / 2) });
    this.branch1 = unit(from, one, 1);
    this.branch2 = new Sequential(unit(from, reduce3, 1), unit(reduce3, three, 3));
    this.branch3 = new Sequential(unit(from, reduce5, 1), unit(reduce5, five, wide));
    const pool = new MaxPool2d({ kernelSize: 3, stride: 1, padding: 1 });
    this.branch4 = new Sequential(pool, unit(from, pooled, 1));
    this.outChannels = one + three + five + pooled;
  }

  forward(x: Tensor): Tensor {
    const branches = [this.branch1, this.branch2, this.branch3, this.branch4];
    return concat(
      branches.map((branch) => branch.forward(x)),
      1,
    );
  }
}

/** Inception as first thought of, figure 2a: no reduction, and pooling passes all channels on. */
export class NaiveInception extends Module {
  readonly branch1: Layer;
  readonly branch2: Layer;
  readonly branch3: Layer;
  readonly branch4 = new MaxPool2d({ kernelSize: 3, stride: 1, padding: 1 });
  readonly outChannels: number;

  constructor(from: number, [one, , three, , five]: Row) {
    super();
    this.branch1 = new Unit("paper", from, one, 1);
    this.branch2 = new Unit("paper", from, three, 3, { padding: 1 });
    this.branch3 = new Unit("paper", from, five, 5, { padding: 2 });
    this.outChannels = one + three + five + from;
  }

  forward(x: Tensor): Tensor {
    const branches = [this.branch1, this.branch2, this.branch3, this.branch4];
    return concat(
      branches.map((branch) => branch.forward(x)),
      1,
    );
  }
}

/** A classifier on features halfway: 4 x 4 means, 1x1 convolution, two linear layers. */
class AuxiliaryHead extends Module {
  readonly conv: Unit;
  readonly fc1 = linear(2048, 1024, { init: smallInit() });
  readonly fc2;
  readonly dropout = new Dropout({ p: 0.7 });
  private readonly variant: Variant;

  constructor(variant: Variant, from: number, numClasses: number) {
    super();
    this.conv = new Unit(variant, from, 128, 1);
    this.fc2 = linear(1024, numClasses, { init: smallInit() });
    this.variant = variant;
  }

  forward(x: Tensor): Tensor {
    // On the paper's 14 x 14 maps both give 4 x 4.
    const small =
      this.variant === "paper"
        ? avgPool2d(x, { kernelSize: 5, stride: 3 })
        : adaptiveAvgPool2d(x, 4);
    const hidden = relu(this.fc1.forward(flatten(this.conv.forward(small), 1)));
    return this.fc2.forward(this.dropout.forward(hidden));
  }
}

export interface GoogLeNetOptions extends ClassifierOptions {
  /**
   * "paper": local response norm, no batch norm, true 5x5 branches. "torchvision", the default: batch
   * norm, 3x3 kernels in the "5x5" branches, whose published weights it takes.
   */
  readonly variant?: Variant;
  /** Whether there are auxiliary heads, after 4a and 4d; true. */
  readonly auxLogits?: boolean;
  /**
   * Fuses the heads into the prediction: the mean of all scores, the auxiliary ones with this weight
   * (0.3, say). Without it they only serve the loss, as in the paper.
   */
  readonly auxFusion?: number;
  /** Modules without reduced dimensions, for comparison ("paper" only). */
  readonly naive?: boolean;
  /** Takes images normalised by ImageNet's statistics to the range that torchvision's weights want. */
  readonly transformInput?: boolean;
  readonly dropout?: number;
}

/** Scores of the three heads while training; `aux1` follows module 4a, `aux2` 4d. */
export interface GoogLeNetOutputs {
  readonly logits: Tensor;
  readonly aux1: Tensor;
  readonly aux2: Tensor;
}

/** Table 1 of Szegedy et al. 2014. */
const table = {
  inception3a: [64, 96, 128, 16, 32, 32],
  inception3b: [128, 128, 192, 32, 96, 64],
  inception4a: [192, 96, 208, 16, 48, 64],
  inception4b: [160, 112, 224, 24, 64, 64],
  inception4c: [128, 128, 256, 24, 64, 64],
  inception4d: [112, 144, 288, 32, 64, 64],
  inception4e: [256, 160, 320, 32, 128, 128],
  inception5a: [256, 160, 320, 32, 128, 128],
  inception5b: [384, 192, 384, 48, 128, 128],
} as const;

/**
 * Szegedy et al. 2014, Going deeper with convolutions (Inception v1). (N, 3, 224, 224) ->
 * (N, numClasses); while training with auxiliary heads `GoogLeNetOutputs`.
 */
export class GoogLeNet extends Module {
  readonly conv1: Unit;
  readonly maxpool1 = new MaxPool2d({ kernelSize: 3, stride: 2, ceilMode: true });
  readonly conv2: Unit;
  readonly conv3: Unit;
  readonly maxpool2 = new MaxPool2d({ kernelSize: 3, stride: 2, ceilMode: true });
  readonly inception3a;
  readonly inception3b;
  readonly maxpool3 = new MaxPool2d({ kernelSize: 3, stride: 2, ceilMode: true });
  readonly inception4a;
  readonly inception4b;
  readonly inception4c;
  readonly inception4d;
  readonly inception4e;
  readonly maxpool4: MaxPool2d;
  readonly inception5a;
  readonly inception5b;
  readonly aux1?: AuxiliaryHead;
  readonly aux2?: AuxiliaryHead;
  readonly avgpool = new AdaptiveAvgPool2d({ outputSize: 1 });
  readonly dropout: Dropout;
  readonly fc;
  private readonly normalize?: LocalResponseNorm;
  private readonly options: GoogLeNetOptions;

  constructor(options: GoogLeNetOptions = {}) {
    super();
    const { variant = "torchvision", auxLogits = true, naive = false } = options;
    const { numClasses = 1000, inChannels = 3, transformInput = false } = options;
    if ((naive && variant !== "paper") || (transformInput && inChannels !== 3)) {
      throw new TensorlaneError(
        naive
          ? 'GoogLeNet: naive modules come with { variant: "paper" } only'
          : `GoogLeNet: transformInput needs 3 input channels, received ${inChannels}`,
      );
    }
    const isPaper = variant === "paper";
    let channels = 192;
    const inception = (name: keyof typeof table): Inception | NaiveInception => {
      const row = table[name];
      const made = naive
        ? new NaiveInception(channels, row)
        : new Inception(variant, channels, row);
      channels = made.outChannels;
      return made;
    };
    this.conv1 = new Unit(variant, inChannels, 64, 7, { stride: 2, padding: 3 });
    this.conv2 = new Unit(variant, 64, 64, 1);
    this.conv3 = new Unit(variant, 64, 192, 3, { padding: 1 });
    this.inception3a = inception("inception3a");
    this.inception3b = inception("inception3b");
    this.inception4a = inception("inception4a");
    const after4a = channels;
    this.inception4b = inception("inception4b");
    this.inception4c = inception("inception4c");
    this.inception4d = inception("inception4d");
    const after4d = channels;
    this.inception4e = inception("inception4e");
    this.maxpool4 = new MaxPool2d({ kernelSize: isPaper ? 3 : 2, stride: 2, ceilMode: true });
    this.inception5a = inception("inception5a");
    this.inception5b = inception("inception5b");
    if (auxLogits) {
      this.aux1 = new AuxiliaryHead(variant, after4a, numClasses);
      this.aux2 = new AuxiliaryHead(variant, after4d, numClasses);
    }
    this.dropout = new Dropout({ p: options.dropout ?? (isPaper ? 0.4 : 0.2) });
    this.fc = linear(channels, numClasses, { init: smallInit() });
    if (isPaper) this.normalize = new LocalResponseNorm({ size: 5, alpha: 1e-4, beta: 0.75, k: 1 });
    this.options = options;
  }

  forward(x: Tensor): Tensor | GoogLeNetOutputs {
    const normalize = (value: Tensor) => this.normalize?.forward(value) ?? value;
    const input = this.options.transformInput ? transformed(x) : x;
    const stem = normalize(this.maxpool1.forward(this.conv1.forward(input)));
    const wide = normalize(this.conv3.forward(this.conv2.forward(stem)));
    const through = (value: Tensor, ...layers: readonly Layer[]) =>
      layers.reduce((y, layer) => layer.forward(y), value);
    const third = through(this.maxpool2.forward(wide), this.inception3a, this.inception3b);
    const after4a = through(third, this.maxpool3, this.inception4a);
    const after4d = through(after4a, this.inception4b, this.inception4c, this.inception4d);
    const last = through(after4d, this.inception4e, this.maxpool4, this.inception5a);
    const means = flatten(this.avgpool.forward(this.inception5b.forward(last)), 1);
    const logits = this.fc.forward(this.dropout.forward(means));

    const { auxFusion } = this.options;
    if (!this.aux1 || !this.aux2 || !(this.training || auxFusion)) return logits;
    const [aux1, aux2] = [this.aux1.forward(after4a), this.aux2.forward(after4d)];
    const fused = auxFusion
      ? mul(add(logits, mul(add(aux1, aux2), auxFusion)), 1 / (1 + 2 * auxFusion))
      : logits;
    return this.training ? { logits: fused, aux1, aux2 } : fused;
  }
}

/** From (v - mean) / std with ImageNet's statistics to (v - 0.5) / 0.5, channel by channel. */
function transformed(x: Tensor): Tensor {
  const [std, mean] = [
    [0.229, 0.224, 0.225],
    [0.485, 0.456, 0.406],
  ];
  const perChannel = (f: (c: number) => number) =>
    constant(Float32Array.from([0, 1, 2], f), "float32", [3, 1, 1]);
  const scaled = mul(
    x,
    perChannel((c) => std[c] / 0.5),
  );
  return add(
    scaled,
    perChannel((c) => (mean[c] - 0.5) / 0.5),
  );
}

export const googlenet = (options: GoogLeNetOptions = {}): GoogLeNet => new GoogLeNet(options);

/** Cross entropy of the prediction plus `weight` (the paper's 0.3) times that of each auxiliary head. */
export function googlenetLoss(
  outputs: Tensor | GoogLeNetOutputs,
  labels: Tensor,
  weight = 0.3,
): Tensor {
  if (!("logits" in outputs)) return crossEntropy(outputs, labels);
  const { logits, aux1, aux2 } = outputs;
  const extra = add(crossEntropy(aux1, labels), crossEntropy(aux2, labels));
  return add(crossEntropy(logits, labels), mul(extra, weight));
}
