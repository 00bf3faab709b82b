import { TensorlaneError } from "../../errors.ts";
import { equal, format } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { type Parameter, random, type Tensor } from "../../graph/tensor.ts";
import { parameter, uniform } from "../init.ts";
import { Module } from "../module.ts";
import { crossEntropy } from "./crossEntropy.ts";
import type { LossOptions } from "./reduce.ts";

export interface SampledSoftmaxOptions {
  readonly inFeatures: number;
  /** Number of classes, most frequent first where the sampler is "logUniform". */
  readonly numClasses: number;
  /** Classes drawn as negatives at each step, shared by all rows. */
  readonly numSampled: number;
  /**
   * How negatives are drawn, with replacement: "logUniform", P(k) = ln((k + 2) / (k + 1)) / ln(numClasses + 1),
   * follows Zipf's law for words in order of frequency; "uniform" takes any order.
   */
  readonly sampler?: "logUniform" | "uniform";
}

/** A logit that no softmax notices. */
const NEVER = -1e30;

/**
 * A linear layer and its softmax cross entropy over many classes. While training, each row's target competes
 * with a sample of the classes (Bengio & Senécal 2003), drawn anew for every (seed, step). From a sample's logit the
 * logarithm of its expected count is subtracted, which makes the sum over samples an unbiased estimate of the sum
 * over all classes; a sample that is a row's target is left out of that row. In evaluation mode the loss is exact, so that its e^x is the
 * perplexity. Weights are named as in Linear and may be exchanged with one.
 *
 * @example
 * const head = new nn.SampledSoftmaxLoss({ inFeatures: 256, numClasses: 40_000, numSampled: 1024 });
 * const loss = head.forward(h, words); // h: (N, 256), words: (N) int32, sorted by frequency
 */
export class SampledSoftmaxLoss extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  private readonly options: SampledSoftmaxOptions;

  constructor(options: SampledSoftmaxOptions) {
    super();
    const { inFeatures, numClasses, numSampled, sampler = "logUniform" } = options;
    for (const [name, value] of Object.entries({ inFeatures, numClasses, numSampled })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new TensorlaneError(
          `SampledSoftmaxLoss: ${name} must be a whole number from 1, received ${value}`,
        );
      }
    }
    if (sampler !== "logUniform" && sampler !== "uniform") {
      throw new TensorlaneError(
        `SampledSoftmaxLoss: sampler must be "logUniform" or "uniform", received "${sampler}"`,
      );
    }
    const rule = uniform(-1 / Math.sqrt(inFeatures), 1 / Math.sqrt(inFeatures));
    this.options = options;
    this.weight = parameter([numClasses, inFeatures], rule);
    this.bias = parameter([numClasses], rule);
  }

  /** (N, inFeatures) and classes (N), int32 or int64 -> the loss: sampled while training, else exact. */
  forward(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
    checkRows("SampledSoftmaxLoss", x, target, this.options.inFeatures);
    if (!this.training) return crossEntropy(this.logits(x), target, options);
    const { numSampled } = this.options;
    const rows = x.shape[0];
    const drawn = ops.cast(this.draw(), target.dtype);
    // One lookup for targets and samples: its gradient then is one pass over the large matrix.
    const classes = ops.concat([target, drawn], 0);
    const [own, others] = ops.split(ops.take(this.weight, classes), [rows, numSampled], 0);
    const [ownBias, otherBias] = ops.split(ops.take(this.bias, classes), [rows, numSampled], 0);
    const wanted = ops.add(ops.sum(ops.mul(x, own), { dim: 1 }), ownBias);
    const otherShift = ops.sub(otherBias, this.logCount(drawn));
    const column = ops.unsqueeze(target, 1);
    const isTarget = ops.equal(column, ops.unsqueeze(drawn, 0));
    const against = ops.where(isTarget, NEVER, ops.linear(x, others, otherShift));
    const logits = ops.concat([ops.unsqueeze(wanted, 1), against], 1);
    return crossEntropy(logits, ops.zeros([rows], "int32"), options);
  }

  /** Logarithms of all classes' probabilities, exact: (N, inFeatures) -> (N, numClasses). */
  logProb(x: Tensor): Tensor {
    return ops.logSoftmax(this.logits(x), 1);
  }

  /** The most likely class: (N, inFeatures) -> (N) int64. */
  predict(x: Tensor): Tensor {
    return ops.argmax(this.logits(x), { dim: 1 });
  }

  private logits(x: Tensor): Tensor {
    return ops.linear(x, this.weight, this.bias);
  }

  private draw(): Tensor {
    const { numClasses, numSampled, sampler = "logUniform" } = this.options;
    const u = random([numSampled], { kind: "uniform", low: 0, high: 1 });
    const place =
      sampler === "uniform"
        ? ops.mul(u, numClasses)
        : ops.sub(ops.exp(ops.mul(u, Math.log(numClasses + 1))), 1);
    // Rounding may reach the end of the range.
    return ops.clamp(ops.floor(place), { min: 0, max: numClasses - 1 });
  }

  /** The logarithm of how often a class is expected among the samples. */
  private logCount(classes: Tensor): Tensor {
    const { numClasses, numSampled, sampler = "logUniform" } = this.options;
    if (sampler === "uniform") return ops.constant(Math.log(numSampled / numClasses));
    const next = ops.add(ops.cast(classes, "float32"), 1);
    // ln((k + 2) / (k + 1)) without cancellation for large k: ln(1 + y) = 2 artanh(y / (2 + y)), y = 1 / (k + 1).
    const ratio = ops.reciprocal(ops.add(ops.mul(next, 2), 1));
    const cubic = ops.add(ops.mul(ops.square(ratio), 1 / 3), 1);
    const series = ops.mul(ops.mul(ratio, 2), cubic);
    const exact = ops.log(ops.div(ops.add(next, 1), next));
    const step = ops.where(ops.less(next, 32), exact, series);
    return ops.log(ops.mul(step, numSampled / Math.log(numClasses + 1)));
  }
}

/** Throws unless x is (N, inFeatures) and target (N). */
export function checkRows(what: string, x: Tensor, target: Tensor, inFeatures: number): void {
  const fits =
    x.rank === 2 &&
    equal(x.shape[1], inFeatures) &&
    target.rank === 1 &&
    equal(target.shape[0], x.shape[0]) &&
    target.dtype !== "float32" &&
    target.dtype !== "bool";
  if (fits) return;
  throw new TensorlaneError(
    `${what}: expected rows (N, ${inFeatures}) and classes (N), int32 or int64, received ` +
      `${format(x.shape)} and ${target.dtype}${format(target.shape)}; reshape (N, T, …) to (N · T, …)`,
  );
}
