import { TensorlaneError } from "../errors.ts";
import { flatten } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import { BatchNorm2d, LocalResponseNorm } from "../nn/batchNorm.ts";
import { Dropout, type Layer, ReLU, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { AdaptiveAvgPool2d, MaxPool2d } from "../nn/pooling.ts";
import type { ClassifierOptions } from "./architecture.ts";
import { conv, heInit, linear, smallInit } from "./parts.ts";

/**
 * Table 1 of Simonyan & Zisserman 2015: `64` is a 3x3 convolution with ReLU, `64/1` a 1x1, `L` local
 * response norm, `M` max pooling.
 */
export const vggColumns = {
  A: "64 M 128 M 256 256 M 512 512 M 512 512 M",
  "A-LRN": "64 L M 128 M 256 256 M 512 512 M 512 512 M",
  B: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
  C: "64 64 M 128 128 M 256 256 256/1 M 512 512 512/1 M 512 512 512/1 M",
  D: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
  E: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
} as const;

export interface VggOptions extends ClassifierOptions {
  /** A column of the table, or a table of one's own in the same letters. */
  readonly column: keyof typeof vggColumns | (string & {});
  /** Batch norm between convolution and ReLU, as in torchvision's `_bn` networks. */
  readonly batchNorm?: boolean;
  readonly dropout?: number;
}

function layersOf(entry: string, channels: number, batchNorm: boolean): [Layer[], number] {
  if (entry === "M") return [[new MaxPool2d({ kernelSize: 2 })], channels];
  if (entry === "L") {
    return [[new LocalResponseNorm({ size: 5, alpha: 1e-4, beta: 0.75, k: 2 })], channels];
  }
  const match = /^(\d+)(?:\/(\d+))?$/.exec(entry);
  if (!match) {
    throw new TensorlaneError(
      `vgg: "${entry}" is no entry of a column; use 64 (3x3), 64/1 (1x1), L and M, or one of ` +
        Object.keys(vggColumns).join(", "),
    );
  }
  const [width, kernel] = [Number(match[1]), Number(match[2] ?? 3)];
  // The 1x1 convolutions have no padding: they keep the size as they are.
  const convolution = conv(channels, width, kernel, {
    padding: Math.floor(kernel / 2),
    init: heInit,
  });
  const norm = batchNorm ? [new BatchNorm2d({ numFeatures: width })] : [];
  return [[convolution, ...norm, new ReLU()], width];
}

/**
 * Simonyan & Zisserman 2015, Very deep convolutional networks for large-scale image recognition.
 * (N, 3, 224, 224) -> (N, numClasses); other sizes pool to 7 x 7 before the classifier.
 */
export class VGG extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d({ outputSize: 7 });
  readonly classifier: Sequential;

  constructor(options: VggOptions) {
    super();
    const { column, batchNorm = false, dropout: p = 0.5 } = options;
    const { numClasses = 1000, inChannels = 3 } = options;
    const table = Object.hasOwn(vggColumns, column)
      ? vggColumns[column as keyof typeof vggColumns]
      : column;
    const layers: Layer[] = [];
    let channels = inChannels;
    for (const entry of table.trim().split(/\s+/)) {
      const [own, width] = layersOf(entry, channels, batchNorm);
      layers.push(...own);
      channels = width;
    }
    this.features = new Sequential(...layers);
    const init = smallInit();
    this.classifier = new Sequential(
      ...[linear(channels * 7 * 7, 4096, { init }), new ReLU(), new Dropout({ p })],
      ...[linear(4096, 4096, { init }), new ReLU(), new Dropout({ p })],
      linear(4096, numClasses, { init }),
    );
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(flatten(this.avgpool.forward(this.features.forward(x)), 1));
  }
}

type ColumnOptions = Omit<VggOptions, "column">;
/** Any column: `models.vgg({ column: "A-LRN" })`. */
export const vgg = (options: VggOptions): VGG => new VGG(options);
/** Column A. */
export const vgg11 = (options: ColumnOptions = {}): VGG => vgg({ ...options, column: "A" });
/** Column B. */
export const vgg13 = (options: ColumnOptions = {}): VGG => vgg({ ...options, column: "B" });
/** Column D. */
export const vgg16 = (options: ColumnOptions = {}): VGG => vgg({ ...options, column: "D" });
/** Column E. */
export const vgg19 = (options: ColumnOptions = {}): VGG => vgg({ ...options, column: "E" });
