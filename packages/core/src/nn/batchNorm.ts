import { TensorlaneError } from "../errors.ts";
import { format } from "../graph/dim.ts";
import { allocate } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import type { Parameter, Tensor } from "../graph/tensor.ts";
import * as init from "./init.ts";
import { Buffer, Module, updateBuffer } from "./module.ts";

/** Keywords of PyTorch's batch_norm. */
export interface BatchNormCall {
  readonly runningMean?: Tensor;
  readonly runningVar?: Tensor;
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  /** Whether the batch's own statistics normalise it, and enter the running ones. */
  readonly training?: boolean;
  /** The new statistics' share in the running ones; 0.1. */
  readonly momentum?: number | Tensor;
  readonly eps?: number;
}

/**
 * Batch norm (Ioffe & Szegedy 2015) of (N, C, …), and the running statistics after it: the biased variance
 * normalises, the unbiased one enters the running variance, as in PyTorch.
 */
export function batchNorm(
  x: Tensor,
  options: BatchNormCall = {},
): {
  readonly y: Tensor;
  readonly runningMean: Tensor | undefined;
  readonly runningVar: Tensor | undefined;
} {
  const { runningMean, runningVar, training = false, momentum = 0.1 } = options;
  if (!training) {
    if (!runningMean || !runningVar) {
      throw new TensorlaneError("batchNorm: without training it needs runningMean and runningVar");
    }
    return { y: ops.batchNorm(x, runningMean, runningVar, options), runningMean, runningVar };
  }
  const { y, mean, variance, count } = ops.batchNormTrain(x, options);
  const next = (before: Tensor | undefined, now: () => Tensor): Tensor | undefined =>
    before && ops.add(ops.mul(before, ops.sub(1, momentum)), ops.mul(now(), momentum));
  const unbiased = () => {
    const n = ops.sizeAsFloat(count);
    return ops.mul(ops.detach(variance), ops.div(n, ops.sub(n, 1)));
  };
  return {
    y,
    runningMean: next(runningMean, () => ops.detach(mean)),
    runningVar: next(runningVar, unbiased),
  };
}

export interface BatchNormLayerOptions {
  readonly numFeatures: number;
  readonly eps?: number;
  /** Share of the newest batch in the running statistics; null: the mean over all batches so far. */
  readonly momentum?: number | null;
  readonly affine?: boolean;
  /** false: batches are normalised by their own statistics in evaluation too. */
  readonly trackRunningStats?: boolean;
}

/** What batch norms of vectors and of images share. */
abstract class BatchNorm extends Module {
  readonly weight?: Parameter;
  readonly bias?: Parameter;
  // PyTorch's names, which are also those of the state dict.
  readonly running_mean?: Buffer;
  readonly running_var?: Buffer;
  readonly num_batches_tracked?: Buffer;
  private readonly eps: number;
  private readonly momentum: number | null;
  protected abstract readonly ranks: readonly number[];

  constructor(options: BatchNormLayerOptions) {
    super();
    const { numFeatures, eps = 1e-5, momentum = 0.1 } = options;
    if (!(Number.isInteger(numFeatures) && numFeatures >= 1)) {
      throw new TensorlaneError(
        `${this.constructor.name}: numFeatures must be a positive whole number, received ${numFeatures}`,
      );
    }
    const filled = (value: number) => allocate("float32", numFeatures).fill(value);
    if (options.affine ?? true) {
      this.weight = init.parameter([numFeatures], init.ones);
      this.bias = init.parameter([numFeatures], init.zeros);
    }
    if (options.trackRunningStats ?? true) {
      this.running_mean = new Buffer(filled(0), [numFeatures]);
      this.running_var = new Buffer(filled(1), [numFeatures]);
      this.num_batches_tracked = new Buffer(allocate("int64", 1), []);
    }
    this.eps = eps;
    this.momentum = momentum;
  }

  forward(x: Tensor): Tensor {
    if (!this.ranks.includes(x.rank)) {
      throw new TensorlaneError(
        `${this.constructor.name}: takes rank ${this.ranks.join(" or ")}, received ${format(x.shape)}`,
      );
    }
    const { weight, bias, eps, running_mean, running_var, num_batches_tracked: seen } = this;
    const affine = { weight, bias, eps };
    if (!running_mean || !running_var || !seen) {
      return batchNorm(x, { ...affine, training: true }).y;
    }
    const statistics = { runningMean: running_mean, runningVar: running_var };
    if (!this.training) return batchNorm(x, { ...affine, ...statistics }).y;
    const count = ops.add(seen, 1);
    const momentum = this.momentum ?? ops.reciprocal(ops.cast(count, "float32"));
    const result = batchNorm(x, { ...affine, ...statistics, training: true, momentum });
    updateBuffer(running_mean, result.runningMean!);
    updateBuffer(running_var, result.runningVar!);
    updateBuffer(seen, count);
    return result.y;
  }
}

/** Batch norm of vectors (N, C) or sequences (N, C, L). */
export class BatchNorm1d extends BatchNorm {
  protected override readonly ranks = [2, 3];
}

/**
 * Batch norm of images (N, C, H, W): each channel is normalised over the batch while training, by running
 * statistics in evaluation. Their next values are updates of `nn.trace`, which a Trainer applies.
 */
export class BatchNorm2d extends BatchNorm {
  protected override readonly ranks = [4];
}

/** Local response normalisation of (N, C, …) across channels (Krizhevsky et al. 2012). */
export class LocalResponseNorm extends Module {
  private readonly options: ops.LocalResponseNormOptions;

  constructor(options: ops.LocalResponseNormOptions) {
    super();
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return ops.localResponseNorm(x, this.options);
  }
}
