import { TensorlaneError } from "../../errors.ts";
import { format, type Shape, equal as sameSize, sizeOf } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";

/** How the losses of single elements become one: their mean, their sum, or not at all. */
export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** "mean" unless given. */
  readonly reduction?: Reduction;
  /**
   * A weight (N) for each sample, such as 0 for rows that only fill up a short batch. The mean becomes
   * Σ w · l / Σ w, that is, the mean over the rows that count; a sum becomes Σ w · l.
   */
  readonly sampleWeight?: Tensor;
}

/**
 * Applies sample weights and the reduction. `divisor` (of the loss's shape, or a scalar that stands for
 * all elements) is what a mean counts each element as; 1 unless given.
 */
export function reduce(
  what: string,
  loss: Tensor,
  { reduction = "mean", sampleWeight }: LossOptions,
  divisor?: Tensor,
): Tensor {
  if (!["mean", "sum", "none"].includes(reduction)) {
    throw new TensorlaneError(
      `${what}: reduction must be "mean", "sum" or "none", received "${reduction}"`,
    );
  }
  const weight = sampleWeight && perSample(what, sampleWeight, loss.shape);
  const scaled = weight ? ops.mul(loss, weight) : loss;
  if (reduction === "none") return scaled;
  if (reduction === "sum") return ops.sum(scaled);
  if (!weight && !divisor) return ops.mean(scaled);
  if (divisor)
    return ops.div(ops.sum(scaled), ops.sum(weight ? ops.mul(divisor, weight) : divisor));
  // Every sample has as many elements as every other.
  const elements = ops.sizeAsFloat(sizeOf(loss.shape.slice(1)));
  return ops.div(ops.sum(scaled), ops.mul(ops.sum(sampleWeight as Tensor), elements));
}

/** Sample weights (N) as (N, 1, ..., 1) for a loss (N, ...). */
function perSample(what: string, sampleWeight: Tensor, shape: Shape): Tensor {
  if (shape.length > 0 && sampleWeight.rank === 1 && sameSize(sampleWeight.shape[0], shape[0])) {
    return ops.reshape(sampleWeight, [shape[0], ...shape.slice(1).map(() => 1)]);
  }
  throw new TensorlaneError(
    `${what}: sampleWeight must have one weight for each sample, [${shape[0] ?? 1}], ` +
      `received ${format(sampleWeight.shape)}`,
  );
}
