import type { Tensor } from "../graph/tensor.ts";
import type { Module } from "../nn/module.ts";

/** What every network for images takes. */
export interface ClassifierOptions {
  readonly numClasses?: number;
  /** Channels of the input: 3 for colour images, 1 for grey ones. */
  readonly inChannels?: number;
}

/** Scores of images; GoogLeNet's training mode returns those of its auxiliary heads too. */
export type Classifier = Module & { forward(x: Tensor): unknown };

/** A network of the registry: `id` is the name that commands take. */
export interface Architecture {
  readonly id: string;
  readonly title: string;
  /** Authors, year and title of the work that introduced it. */
  readonly paper: string;
  /** Shape of one image (C, H, W), as in the paper. */
  readonly input: readonly [number, number, number];
  /** What `variant` may be; the first is the default. */
  readonly variants: readonly string[];
  /** What each variant is. */
  readonly variantNotes: Readonly<Record<string, string>>;
  /** What is to be known when its numbers are compared with those of other sources. */
  readonly remark?: string;
  build(options?: ClassifierOptions & { readonly variant?: string }): Classifier;
}
