import { TensorlaneError } from "../../errors.ts";
import { format, sameShape, equal as sameSize } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { softmaxNll } from "../../graph/ops/loss.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { type LossOptions, reduce } from "./reduce.ts";

export interface NllOptions extends LossOptions {
  /** A weight (C) for each class; a mean divides by the weights of the targets. */
  readonly weight?: Tensor;
  /** Targets of this value count nothing; -100 unless given. */
  readonly ignoreIndex?: number;
}

export interface CrossEntropyOptions extends NllOptions {
  /** Part of the target that is spread evenly over all classes (Szegedy et al. 2016); 0. */
  readonly labelSmoothing?: number;
}

/**
 * Cross entropy of logits with classes, or with class probabilities:
 * (N, C) and (N), or (N, C, d1, ...) and (N, d1, ...) int32 or int64, or a float32 target of x's shape.
 * A class outside 0 .. C - 1 (and not ignored) is an error when the graph runs.
 *
 * @example
 * const loss = nn.crossEntropy(model.forward(x), labels, { labelSmoothing: 0.1 });
 */
export function crossEntropy(x: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { labelSmoothing = 0, weight } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new TensorlaneError(
      `crossEntropy: labelSmoothing must be between 0 and 1, received ${labelSmoothing}`,
    );
  }
  const axis = classAxis("crossEntropy", x, weight);
  if (target.dtype === "float32") return withProbabilities(x, target, axis, options);

  const chosen = choose("crossEntropy", x, target, axis, options);
  const { nll, logProbabilities } = softmaxNll(x, axis, ops.unsqueeze(chosen.index, axis));
  const hard = chosen.scale(ops.squeeze(nll, axis));
  if (labelSmoothing === 0) return reduce("crossEntropy", hard, options, chosen.divisor);
  const classes = ops.sizeAsFloat(x.shape[axis]);
  const logs = weight ? ops.mul(logProbabilities, along(weight, axis, x.rank)) : logProbabilities;
  const even = chosen.mask(ops.neg(ops.sum(logs, { dim: axis })));
  const smooth = ops.add(
    ops.mul(hard, 1 - labelSmoothing),
    ops.mul(even, ops.div(labelSmoothing, classes)),
  );
  return reduce("crossEntropy", smooth, options, chosen.divisor);
}

/** -Σ over classes of target · weight · logSoftmax(x); a mean divides by the number of positions. */
function withProbabilities(
  x: Tensor,
  target: Tensor,
  axis: number,
  options: CrossEntropyOptions,
): Tensor {
  const { labelSmoothing = 0, weight } = options;
  if (!sameShape(x.shape, target.shape)) {
    throw new TensorlaneError(
      `crossEntropy: class probabilities must have the shape of the logits ${format(x.shape)}, ` +
        `received ${format(target.shape)}; classes must be int32 or int64`,
    );
  }
  if (options.ignoreIndex !== undefined && options.ignoreIndex >= 0) {
    throw new TensorlaneError("crossEntropy: ignoreIndex needs classes, not class probabilities");
  }
  const share = ops.div(labelSmoothing, ops.sizeAsFloat(x.shape[axis]));
  const smooth =
    labelSmoothing === 0 ? target : ops.add(ops.mul(target, 1 - labelSmoothing), share);
  const counted = weight ? ops.mul(smooth, along(weight, axis, x.rank)) : smooth;
  const terms = ops.mul(ops.logSoftmax(x, axis), counted);
  return reduce("crossEntropy", ops.neg(ops.sum(terms, { dim: axis })), options);
}

/**
 * Negative log-likelihood: -x at the target class, x being log-probabilities; shapes as in crossEntropy.
 */
export function nllLoss(x: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  const axis = classAxis("nllLoss", x, options.weight);
  const chosen = choose("nllLoss", x, target, axis, options);
  const picked = ops.gather(x, axis, ops.unsqueeze(chosen.index, axis));
  const loss = chosen.scale(ops.neg(ops.squeeze(picked, axis)));
  return reduce("nllLoss", loss, options, chosen.divisor);
}

/** The axis of classes: the second, or the only one of a single sample (C). */
function classAxis(what: string, x: Tensor, weight?: Tensor): number {
  if (x.rank === 0) {
    throw new TensorlaneError(
      `${what}: the input must be (C), (N, C) or (N, C, ...), received a scalar`,
    );
  }
  const axis = Math.min(x.rank - 1, 1);
  if (weight && !(weight.rank === 1 && sameSize(weight.shape[0], x.shape[axis]))) {
    throw new TensorlaneError(
      `${what}: weight must have one entry for each of ${x.shape[axis]} classes, ` +
        `received ${format(weight.shape)}`,
    );
  }
  return axis;
}

interface Chosen {
  /** Class of each position, 0 where it is ignored. */
  readonly index: Tensor;
  /** What a mean counts each position as. */
  readonly divisor: Tensor;
  /** 0 where the target is ignored. */
  mask(loss: Tensor): Tensor;
  /** Times the class's weight, 0 where the target is ignored. */
  scale(loss: Tensor): Tensor;
}

function choose(
  what: string,
  x: Tensor,
  target: Tensor,
  axis: number,
  { weight, ignoreIndex = -100 }: NllOptions,
): Chosen {
  const wanted = x.shape.toSpliced(axis, 1);
  if (!sameShape(target.shape, wanted)) {
    throw new TensorlaneError(
      `${what}: input ${format(x.shape)} needs a target of shape ${format(wanted)}, ` +
        `received ${format(target.shape)}`,
    );
  }
  if (target.dtype !== "int32" && target.dtype !== "int64") {
    throw new TensorlaneError(
      `${what}: classes must be int32 or int64, received ${target.dtype}; ` +
        'make them with tensor(values, shape, "int32")',
    );
  }
  const ignored = ops.equal(target, ignoreIndex);
  const index = ops.where(ignored, 0, outsideIfNegative(target, x.shape[axis]));
  const mask = (loss: Tensor) => ops.where(ignored, 0, loss);
  if (!weight) {
    const counts = ops.sub(1, ops.cast(ignored, "float32"));
    return { index, divisor: counts, mask, scale: mask };
  }
  const own = ops.take(weight, index);
  return { index, divisor: mask(own), mask, scale: (loss) => mask(ops.mul(loss, own)) };
}

/** Negative classes moved past the last one: ONNX would count them from the end, here they are errors. */
const outsideIfNegative = (target: Tensor, classes: Tensor["shape"][number]): Tensor =>
  typeof classes === "number" ? ops.where(ops.less(target, 0), classes, target) : target;

/** A vector (C) with axes of size 1 behind it, to broadcast along `axis`. */
const along = (vector: Tensor, axis: number, rank: number): Tensor =>
  ops.reshape(vector, [vector.shape[0], ...Array<number>(rank - axis - 1).fill(1)]);
