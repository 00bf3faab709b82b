import { TensorlaneError } from "../errors.ts";
import { flatten } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import { BatchNorm2d } from "../nn/batchNorm.ts";
import * as init from "../nn/init.ts";
import { ReLU, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { AdaptiveAvgPool2d, MaxPool2d } from "../nn/pooling.ts";
import type { ClassifierOptions } from "./architecture.ts";
import { conv, heInit, linear } from "./parts.ts";
import { BasicBlock, Bottleneck, type Shortcut } from "./residual.ts";

/** Blocks per stage, Table 1 of He et al. 2016. */
const stages = {
  18: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
} as const;
type Depth = keyof typeof stages;

export interface ResNetOptions extends ClassifierOptions {
  /**
   * Where a bottleneck halves the image: in its 3x3 convolution ("torchvision", the default, whose
   * published weights are trained so) or in its first 1x1 ("paper").
   */
  readonly variant?: "paper" | "torchvision";
  /** The last batch norm of every block starts at 0, so that it starts as its shortcut (Goyal et al. 2017). */
  readonly zeroInitResidual?: boolean;
  /** Groups of the 3x3 convolutions of bottlenecks (Xie et al. 2017). */
  readonly groups?: number;
  /** Channels of a group in the first stage's bottlenecks; 64. */
  readonly widthPerGroup?: number;
  /** What basic blocks add to their result; "projection". Bottlenecks take nothing else. */
  readonly shortcut?: Shortcut;
}
interface Plan extends ResNetOptions {
  readonly block: "basic" | "bottleneck";
  /** How many blocks in each of the four stages. */
  readonly blocks: readonly number[];
}

/**
 * He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition. (N, 3, 224, 224) ->
 * (N, numClasses).
 */
export class ResNet extends Module {
  readonly conv1;
  readonly bn1 = new BatchNorm2d({ numFeatures: 64 });
  readonly relu = new ReLU();
  readonly maxpool = new MaxPool2d({ kernelSize: 3, stride: 2, padding: 1 });
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d({ outputSize: 1 });
  readonly fc;

  constructor(plan: Plan) {
    super();
    const { block, blocks, numClasses = 1000, inChannels = 3 } = plan;
    if (block === "bottleneck" && (plan.shortcut ?? "projection") !== "projection") {
      throw new TensorlaneError(
        `ResNet: bottlenecks have shortcuts by projection, received "${plan.shortcut}"`,
      );
    }
    if (blocks.length !== 4) {
      throw new TensorlaneError(`ResNet: takes four stages of blocks, received [${blocks}]`);
    }
    this.conv1 = conv(inChannels, 64, 7, { stride: 2, padding: 3, bias: false, init: heInit });
    const expansion = block === "basic" ? 1 : 4;
    let channels = 64;
    const stage = (width: number, count: number, stride: number): Sequential => {
      const layers = Array.from({ length: count }, (_, i) => {
        const options = { ...plan, stride: i === 0 ? stride : 1 };
        const made =
          block === "basic"
            ? new BasicBlock(channels, width, options)
            : new Bottleneck(channels, width, options);
        channels = width * expansion;
        return made;
      });
      return new Sequential(...layers);
    };
    this.layer1 = stage(64, blocks[0], 1);
    this.layer2 = stage(128, blocks[1], 2);
    this.layer3 = stage(256, blocks[2], 2);
    this.layer4 = stage(512, blocks[3], 2);
    this.fc = linear(channels, numClasses);
    if (plan.zeroInitResidual) {
      for (const [, module] of this.namedModules()) {
        if (module instanceof BasicBlock) init.reset(module.bn2.weight!, init.zeros);
        if (module instanceof Bottleneck) init.reset(module.bn3.weight!, init.zeros);
      }
    }
  }

  forward(x: Tensor): Tensor {
    const stem = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const body = [this.layer1, this.layer2, this.layer3, this.layer4];
    const maps = body.reduce((value, layer) => layer.forward(value), this.maxpool.forward(stem));
    return this.fc.forward(flatten(this.avgpool.forward(maps), 1));
  }
}

/** Any depth of Table 1: `models.resnet({ depth: 50, variant: "paper" })`. */
export const resnet = ({ depth, ...options }: ResNetOptions & { readonly depth: Depth }): ResNet =>
  new ResNet({ ...options, block: depth < 50 ? "basic" : "bottleneck", blocks: stages[depth] });

export const resnet18 = (options: ResNetOptions = {}) => resnet({ ...options, depth: 18 });
export const resnet34 = (options: ResNetOptions = {}) => resnet({ ...options, depth: 34 });
export const resnet50 = (options: ResNetOptions = {}) => resnet({ ...options, depth: 50 });
export const resnet101 = (options: ResNetOptions = {}) => resnet({ ...options, depth: 101 });
export const resnet152 = (options: ResNetOptions = {}) => resnet({ ...options, depth: 152 });

/** The plain column of Table 1: a ResNet of basic blocks without shortcuts. */
export const plainNet = (
  options: ClassifierOptions & { readonly blocks: readonly number[] },
): ResNet => new ResNet({ ...options, block: "basic", shortcut: "none" });
export const plain18 = (options: ClassifierOptions = {}): ResNet =>
  plainNet({ ...options, blocks: stages[18] });
export const plain34 = (options: ClassifierOptions = {}): ResNet =>
  plainNet({ ...options, blocks: stages[34] });
