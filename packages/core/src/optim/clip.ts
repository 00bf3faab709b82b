import { TensorlaneError } from "../errors.ts";
import {
  abs,
  add,
  amax,
  clamp,
  div,
  maximum,
  mul,
  pow,
  sqrt,
  square,
  sum,
} from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";

export interface ClipNormOptions {
  /** The p of the p-norm: 2 unless given; Infinity is the largest magnitude. */
  readonly normType?: number;
}

export interface ClippedGradients {
  /** Norm of all gradients together before clipping, a scalar. */
  readonly totalNorm: Tensor;
  readonly clipped: Tensor[];
}

/**
 * Scales gradients down together so that the norm of all of them is at most `maxNorm`: each is multiplied
 * by min(1, maxNorm / (norm + 1e-6)), as `torch.nn.utils.clip_grad_norm_` does.
 *
 * @example const { totalNorm, clipped } = optim.clipGradNorm(grads, 1);
 */
export function clipGradNorm(
  grads: readonly Tensor[],
  maxNorm: number,
  { normType = 2 }: ClipNormOptions = {},
): ClippedGradients {
  if (!(maxNorm >= 0)) {
    throw new TensorlaneError(`clipGradNorm: maxNorm must be at least 0, received ${maxNorm}`);
  }
  const totalNorm = totalNormOf(grads, normType);
  // No bound: measured only.
  if (maxNorm === Infinity) return { totalNorm, clipped: [...grads] };
  const factor = clipFactor(totalNorm, maxNorm);
  return { totalNorm, clipped: grads.map((grad) => mul(grad, factor)) };
}

/** What all gradients of this joint norm are multiplied by. */
export const clipFactor = (totalNorm: Tensor, maxNorm: number): Tensor =>
  clamp(div(maxNorm, add(totalNorm, 1e-6)), { max: 1 });

/** Limits every element of every gradient to [-clipValue, clipValue]. */
export function clipGradValue(grads: readonly Tensor[], clipValue: number): Tensor[] {
  if (!(clipValue >= 0)) {
    throw new TensorlaneError(`clipGradValue: the bound must be at least 0, received ${clipValue}`);
  }
  return grads.map((grad) => clamp(grad, { min: -clipValue, max: clipValue }));
}

/** The p-norm of all elements of all tensors, a scalar. */
export function totalNormOf(tensors: readonly Tensor[], p = 2): Tensor {
  if (tensors.length === 0) throw new TensorlaneError("norm: there are no gradients");
  if (p === Infinity) return tensors.map((t) => amax(abs(t))).reduce(maximum);
  if (p === 2) return sqrt(tensors.map((t) => sum(square(t))).reduce(add));
  if (p === 1) return tensors.map((t) => sum(abs(t))).reduce(add);
  if (!(p > 0)) throw new TensorlaneError(`norm: normType must be above 0, received ${p}`);
  return pow(tensors.map((t) => sum(pow(abs(t), p))).reduce(add), 1 / p);
}
