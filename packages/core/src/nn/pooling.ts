import * as ops from "../graph/ops/index.ts";
import type { AvgPool2dOptions, MaxPool2dOptions } from "../graph/ops/pool.ts";
import type { Tensor } from "../graph/tensor.ts";
import { Module } from "./module.ts";

/** Largest element of each window: (N, C, H, W) -> (N, C, H', W'). */
export class MaxPool2d extends Module {
  private readonly options: MaxPool2dOptions;

  constructor(options: MaxPool2dOptions) {
    super();
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return ops.maxPool2d(x, this.options);
  }
}

/** Mean of each window: (N, C, H, W) -> (N, C, H', W'). */
export class AvgPool2d extends Module {
  private readonly options: AvgPool2dOptions;

  constructor(options: AvgPool2dOptions) {
    super();
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return ops.avgPool2d(x, this.options);
  }
}

export interface AdaptiveAvgPool2dOptions {
  /** H' and W'; one number for both; null keeps an axis. */
  readonly outputSize: number | readonly [number | null, number | null];
}

/** Means over parts of the image, however large it is: (N, C, H, W) -> (N, C, ...outputSize). */
export class AdaptiveAvgPool2d extends Module {
  private readonly options: AdaptiveAvgPool2dOptions;

  constructor(options: AdaptiveAvgPool2dOptions) {
    super();
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return ops.adaptiveAvgPool2d(x, this.options.outputSize);
  }
}
