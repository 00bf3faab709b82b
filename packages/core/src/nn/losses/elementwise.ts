import { TensorlaneError } from "../../errors.ts";
import { format, sameShape } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { binaryCrossEntropy } from "../../graph/ops/loss.ts";
import { apply, type Tensor } from "../../graph/tensor.ts";
import { type LossOptions, type Reduction, reduce } from "./reduce.ts";

/** Mean squared error: (x - target)². Same shapes. */
export function mseLoss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return reduce("mseLoss", ops.square(difference("mseLoss", x, target)), options);
}

/** Mean absolute error: |x - target|; slope 0 where they are equal. Same shapes. */
export function l1Loss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return reduce("l1Loss", ops.abs(difference("l1Loss", x, target)), options);
}

/**
 * d² / 2beta for |d| < beta, |d| - beta / 2 beyond, with d = x - target (Girshick 2015); l1Loss where
 * beta is 0.
 */
export function smoothL1Loss(
  x: Tensor,
  target: Tensor,
  { beta = 1, ...options }: LossOptions & { readonly beta?: number } = {},
): Tensor {
  if (!(beta >= 0)) {
    throw new TensorlaneError(`smoothL1Loss: beta must be at least 0, received ${beta}`);
  }
  if (beta === 0) return l1Loss(x, target, options);
  const d = difference("smoothL1Loss", x, target);
  return reduce("smoothL1Loss", ops.mul(bent(d, beta), 1 / beta), options);
}

/** d² / 2 for |d| < delta, delta · (|d| - delta / 2) beyond, with d = x - target (Huber 1964). */
export function huberLoss(
  x: Tensor,
  target: Tensor,
  { delta = 1, ...options }: LossOptions & { readonly delta?: number } = {},
): Tensor {
  if (!(delta > 0))
    throw new TensorlaneError(`huberLoss: delta must be above 0, received ${delta}`);
  return reduce("huberLoss", bent(difference("huberLoss", x, target), delta), options);
}

/** Huber's function without a branch: c (d - c / 2), c being d held within [-bound, bound]. */
function bent(d: Tensor, bound: number): Tensor {
  const held = ops.clamp(d, { min: -bound, max: bound });
  return ops.mul(held, ops.sub(d, ops.mul(held, 0.5)));
}

/**
 * Binary cross entropy of logits, safe for large ones: (1 - t) x + (1 + (posWeight - 1) t) ln(1 + e^-x).
 * `weight` and `posWeight` broadcast against x; neither changes what a mean divides by.
 */
export function bceWithLogits(
  x: Tensor,
  target: Tensor,
  {
    weight,
    posWeight,
    ...options
  }: LossOptions & { readonly weight?: Tensor; readonly posWeight?: Tensor } = {},
): Tensor {
  requireSameShape("bceWithLogits", x, target);
  const far = apply(ops.softplusOp, [ops.neg(x)], {})[0];
  const scaled = posWeight ? ops.mul(far, ops.add(ops.mul(target, ops.sub(posWeight, 1)), 1)) : far;
  const loss = ops.add(ops.mul(ops.sub(1, target), x), scaled);
  return reduce("bceWithLogits", weighted("bceWithLogits", loss, weight), options);
}

/**
 * Binary cross entropy of probabilities, with logarithms held above -100 as in PyTorch. Where there are
 * logits, `bceWithLogits` is more exact.
 */
export function bce(
  x: Tensor,
  target: Tensor,
  { weight, ...options }: LossOptions & { readonly weight?: Tensor } = {},
): Tensor {
  requireSameShape("bce", x, target);
  return reduce("bce", weighted("bce", binaryCrossEntropy(x, target), weight), options);
}

/**
 * Kullback-Leibler divergence t (ln t - x) of log-probabilities x from probabilities t (from their
 * logarithms with `logTarget`). "batchmean" divides the sum by the number of samples, as the definition
 * has it; "mean" divides by the number of elements.
 */
export function klDiv(
  x: Tensor,
  target: Tensor,
  {
    logTarget = false,
    reduction = "mean",
    sampleWeight,
  }: {
    readonly logTarget?: boolean;
    readonly reduction?: Reduction | "batchmean";
    readonly sampleWeight?: Tensor;
  } = {},
): Tensor {
  requireSameShape("klDiv", x, target);
  const loss = logTarget
    ? ops.mul(ops.exp(target), ops.sub(target, x))
    : ops.sub(entropyTerm(target), ops.mul(target, x));
  if (reduction !== "batchmean") return reduce("klDiv", loss, { reduction, sampleWeight });
  const total = reduce("klDiv", loss, { reduction: "sum", sampleWeight });
  const samples = sampleWeight ? ops.sum(sampleWeight) : ops.sizeAsFloat(x.shape[0] ?? 1);
  return ops.div(total, samples);
}

/** t ln t, and 0 at t = 0. */
function entropyTerm(t: Tensor): Tensor {
  const positive = ops.greater(t, 0);
  return ops.where(positive, ops.mul(t, ops.log(ops.where(positive, t, 1))), 0);
}

/**
 * Negative log-likelihood of counts under a Poisson distribution: e^x - t x where x is the logarithm of
 * the rate (`logInput`, the default), x - t ln(x + eps) where it is the rate. `full` adds Stirling's
 * approximation t ln t - t + ln(2 π t) / 2 of ln t! for t > 1.
 */
export function poissonNll(
  x: Tensor,
  target: Tensor,
  {
    logInput = true,
    full = false,
    eps = 1e-8,
    ...options
  }: LossOptions & {
    readonly logInput?: boolean;
    readonly full?: boolean;
    readonly eps?: number;
  } = {},
): Tensor {
  requireSameShape("poissonNll", x, target);
  const loss = logInput
    ? ops.sub(ops.exp(x), ops.mul(target, x))
    : ops.sub(x, ops.mul(target, ops.log(ops.add(x, eps))));
  return reduce("poissonNll", full ? ops.add(loss, stirling(target)) : loss, options);
}

function stirling(t: Tensor): Tensor {
  const above = ops.greater(t, 1);
  const held = ops.where(above, t, 1);
  const log = ops.log(held);
  const half = ops.mul(ops.add(log, Math.log(2 * Math.PI)), 0.5);
  return ops.where(above, ops.add(ops.sub(ops.mul(held, log), held), half), 0);
}

function difference(what: string, x: Tensor, target: Tensor): Tensor {
  requireSameShape(what, x, target);
  return ops.sub(x, target);
}

/** Broadcasting a target is nearly always a mistake: (N) against (N, 1) makes N² differences. */
function requireSameShape(what: string, x: Tensor, target: Tensor): void {
  if (sameShape(x.shape, target.shape)) return;
  throw new TensorlaneError(
    `${what}: input ${format(x.shape)} and target ${format(target.shape)} must have the same shape; ` +
      "reshape one of them",
  );
}

function weighted(what: string, loss: Tensor, weight?: Tensor): Tensor {
  if (!weight) return loss;
  const result = ops.mul(loss, weight);
  if (sameShape(result.shape, loss.shape)) return result;
  throw new TensorlaneError(
    `${what}: weight ${format(weight.shape)} does not broadcast to the input's shape ${format(loss.shape)}`,
  );
}
