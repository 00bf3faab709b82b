import { TensorlaneError } from "../../errors.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { Linear, Sequential } from "../layers.ts";
import { Module } from "../module.ts";
import { crossEntropy } from "./crossEntropy.ts";
import { type LossOptions, reduce } from "./reduce.ts";
import { checkRows } from "./sampledSoftmax.ts";

export interface AdaptiveLogSoftmaxOptions {
  readonly inFeatures: number;
  /** Number of classes, most frequent first. */
  readonly nClasses: number;
  /** Where clusters begin: [2000, 10000] makes a short list of 2000 classes and two clusters. */
  readonly cutoffs: readonly number[];
  /** Cluster i sees the input through inFeatures / divValue^(i + 1) numbers; 4. */
  readonly divValue?: number;
  readonly headBias?: boolean;
}

/**
 * Adaptive softmax (Grave et al. 2017), as PyTorch's `AdaptiveLogSoftmaxWithLoss`: frequent classes and the
 * clusters compete in the head, rare ones within their cluster, through a narrower projection. Exact: the
 * probabilities of all classes add up to 1, and the loss's e^x is the perplexity.
 *
 * Shapes are static, so every row passes through every cluster and counts in its own: products shrink as in the
 * paper, the softmax itself still passes over all classes.
 *
 * @example
 * const head = new nn.AdaptiveLogSoftmaxWithLoss({ inFeatures: 256, nClasses: 40_000, cutoffs: [2000, 10_000] });
 * const { loss } = head.forward(h, words); // h: (N, 256), words: (N) int32, sorted by frequency
 */
export class AdaptiveLogSoftmaxWithLoss extends Module {
  readonly head: Linear;
  readonly tail: readonly Sequential[];
  private readonly inFeatures: number;
  /** Where clusters begin, and the number of classes. */
  private readonly bounds: readonly number[];

  constructor(options: AdaptiveLogSoftmaxOptions) {
    super();
    const { inFeatures, nClasses, cutoffs, divValue = 4, headBias = false } = options;
    const rising = cutoffs.every((cutoff, i) => cutoff > (cutoffs[i - 1] ?? 0));
    if (cutoffs.length === 0 || !rising || !cutoffs.every(Number.isInteger)) {
      throw new TensorlaneError(
        `AdaptiveLogSoftmaxWithLoss: cutoffs must be rising whole numbers from 1, received [${cutoffs}]`,
      );
    }
    if (!Number.isInteger(nClasses) || cutoffs.at(-1)! >= nClasses) {
      throw new TensorlaneError(
        `AdaptiveLogSoftmaxWithLoss: cutoffs [${cutoffs}] must lie below nClasses, a whole number, received ${nClasses}`,
      );
    }
    this.inFeatures = inFeatures;
    this.bounds = [...cutoffs, nClasses];
    const outFeatures = cutoffs[0] + cutoffs.length;
    this.head = new Linear({ inFeatures, outFeatures, bias: headBias });
    this.tail = cutoffs.map((cutoff, i) => {
      const width = Math.floor(inFeatures / divValue ** (i + 1));
      const size = this.bounds[i + 1] - cutoff;
      return new Sequential(
        new Linear({ inFeatures, outFeatures: width, bias: false }),
        new Linear({ inFeatures: width, outFeatures: size, bias: false }),
      );
    });
  }

  /**
   * (N, inFeatures) and classes (N), int32 or int64 -> `output` (N), the logarithm of each target's
   * probability, and the loss, its negative mean. A class outside 0 .. nClasses - 1 is an error when the graph runs.
   */
  forward(
    x: Tensor,
    target: Tensor,
    options: LossOptions = {},
  ): { readonly output: Tensor; readonly loss: Tensor } {
    checkRows("AdaptiveLogSoftmaxWithLoss", x, target, this.inFeatures);
    const { bounds } = this;
    // The last cluster has no upper end here: what lies beyond is caught by its cross entropy.
    const inCluster = this.tail.map((_, i) => {
      const above = ops.greaterEqual(target, bounds[i]);
      const isLast = i === this.tail.length - 1;
      return isLast ? above : ops.logicalAnd(above, ops.less(target, bounds[i + 1]));
    });
    const each = { reduction: "none" } as const;
    const inHead = inCluster.reduce(
      (index, within, i) => ops.where(within, bounds[0] + i, index),
      target,
    );
    const nll = this.tail.reduce(
      (sum, cluster, i) => {
        const own = ops.where(inCluster[i], ops.sub(target, bounds[i]), IGNORED);
        const part = crossEntropy(cluster.forward(x), own, { ...each, ignoreIndex: IGNORED });
        return ops.add(sum, part);
      },
      crossEntropy(this.head.forward(x), inHead, { ...each, ignoreIndex: IGNORED }),
    );
    return { output: ops.neg(nll), loss: reduce("AdaptiveLogSoftmaxWithLoss", nll, options) };
  }

  /** Logarithms of all classes' probabilities: (N, inFeatures) -> (N, nClasses). */
  logProb(x: Tensor): Tensor {
    const head = ops.logSoftmax(this.head.forward(x), 1);
    const [short, ...clusters] = ops.split(head, [this.bounds[0], ...this.tail.map(() => 1)], 1);
    const parts = clusters.map((cluster, i) =>
      ops.add(ops.logSoftmax(this.tail[i].forward(x), 1), cluster),
    );
    return ops.concat([short, ...parts], 1);
  }

  /** The most likely class: (N, inFeatures) -> (N) int64. */
  predict(x: Tensor): Tensor {
    return ops.argmax(this.logProb(x), { dim: 1 });
  }
}

/** A class that no data set has. */
const IGNORED = -(2 ** 31);
