import { TensorlaneError } from "../errors.ts";
import { format } from "../graph/dim.ts";
import { allocate } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import { Parameter, random, type Tensor } from "../graph/tensor.ts";
import * as init from "./init.ts";
import { Module } from "./module.ts";

/** A module from one tensor to one tensor. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/** Modules applied one after another; state-dict names are `0.weight`, `1.weight`, ... */
export class Sequential extends Module {
  readonly layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    super();
    this.layers = layers;
  }

  override *namedChildren(): Generator<[string, Module]> {
    for (const [i, layer] of this.layers.entries()) yield [String(i), layer];
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((value, layer) => layer.forward(value), x);
  }
}

export interface LinearOptions {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias?: boolean;
  /** Rules for the first values, where PyTorch's default is not wanted. */
  readonly init?: { readonly weight?: init.Initializer; readonly bias?: init.Initializer };
}

/** Throws unless every size is a whole number from 1. */
function checkSizes(layer: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isInteger(size) && size > 0) continue;
    const names = Object.keys(sizes).join(", ");
    throw new TensorlaneError(
      `${layer}: ${name} is ${size}; give new ${layer}({ ${names} }) with whole numbers from 1`,
    );
  }
}

/** x · weightᵀ + bias. (…, inFeatures) -> (…, outFeatures) */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor({ inFeatures, outFeatures, bias = true, init: rules }: LinearOptions) {
    super();
    checkSizes("Linear", { inFeatures, outFeatures });
    // PyTorch's default: kaiming_uniform with a = √5, which is this bound for both.
    const rule = init.uniform(-1 / Math.sqrt(inFeatures), 1 / Math.sqrt(inFeatures));
    this.weight = init.parameter([outFeatures, inFeatures], rules?.weight ?? rule);
    if (bias) this.bias = init.parameter([outFeatures], rules?.bias ?? rule);
  }

  forward(x: Tensor): Tensor {
    return ops.linear(x, this.weight, this.bias);
  }
}

export interface EmbeddingOptions {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  /** This row starts as zeros and gets no gradient. */
  readonly paddingIdx?: number;
}

/** A vector for each token. Indices (…) int32 or int64 -> (…, embeddingDim) */
export class Embedding extends Module {
  readonly weight: Parameter;
  private readonly paddingIdx: number | undefined;

  constructor({ numEmbeddings, embeddingDim, paddingIdx }: EmbeddingOptions) {
    super();
    checkSizes("Embedding", { numEmbeddings, embeddingDim });
    const rows = init.normal();
    const rule = paddingIdx === undefined ? rows : init.withZeroRow(rows, paddingIdx);
    this.weight = init.parameter([numEmbeddings, embeddingDim], rule);
    this.paddingIdx = paddingIdx;
  }

  forward(tokens: Tensor): Tensor {
    return embedding(tokens, this.weight, { paddingIdx: this.paddingIdx });
  }
}

/** Rows of weight (V, E) at the tokens (…) -> (…, E); the row paddingIdx gets no gradient. */
export function embedding(
  tokens: Tensor,
  weight: Tensor,
  { paddingIdx }: { readonly paddingIdx?: number } = {},
): Tensor {
  const rows = ops.take(weight, tokens, 0);
  if (paddingIdx === undefined) return rows;
  const size = weight.shape[0];
  const row = paddingIdx < 0 && typeof size === "number" ? paddingIdx + size : paddingIdx;
  const isPadding = ops.unsqueeze(ops.equal(tokens, row), -1);
  return ops.where(isPadding, ops.detach(rows), rows);
}

/** Sets elements to zero with probability p while training, and scales the rest by 1 / (1 - p). */
export class Dropout extends Module {
  readonly p: number;

  constructor({ p = 0.5 }: { readonly p?: number } = {}) {
    super();
    this.p = checkProbability(p);
  }

  forward(x: Tensor): Tensor {
    return this.training ? dropout(x, this.p) : x;
  }
}

const checkProbability = (p: number): number => {
  if (!(p >= 0 && p <= 1)) {
    throw new TensorlaneError(`dropout: p must be between 0 and 1, received ${p}`);
  }
  return p;
};

/** Inverted dropout (Srivastava et al. 2014), with a mask drawn anew at every step. */
export function dropout(x: Tensor, p: number): Tensor {
  checkProbability(p);
  if (p === 0) return x;
  if (p === 1) return ops.mul(x, 0);
  return ops.mul(ops.mul(x, random(x.shape, { kind: "bernoulli", p: 1 - p })), 1 / (1 - p));
}

/** Sets whole channels of (N, C, H, W) to zero with probability p while training (Tompson et al. 2015). */
export class Dropout2d extends Module {
  readonly p: number;

  constructor({ p = 0.5 }: { readonly p?: number } = {}) {
    super();
    this.p = checkProbability(p);
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    if (this.p === 1) return ops.mul(x, 0);
    if (x.rank !== 3 && x.rank !== 4) {
      throw new TensorlaneError(
        `Dropout2d: takes images (N, C, H, W) or (C, H, W), received ${format(x.shape)}`,
      );
    }
    const channels = [...x.shape.slice(0, -2), 1, 1];
    const mask = random(channels, { kind: "bernoulli", p: 1 - this.p });
    return ops.mul(x, ops.mul(mask, 1 / (1 - this.p)));
  }
}

export interface LayerNormOptions {
  /** Shape of the last axes, over which is normalised. */
  readonly normalizedShape: number | readonly number[];
  readonly eps?: number;
}

/** (x - mean) / sqrt(variance + eps) · weight + bias over the last axes (Ba et al. 2016). */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  private readonly eps: number;

  constructor({ normalizedShape, eps = 1e-5 }: LayerNormOptions) {
    super();
    const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
    const size = shape.reduce((a, b) => a * b, 1);
    this.weight = new Parameter(allocate("float32", size).fill(1), shape);
    this.bias = new Parameter(allocate("float32", size), shape);
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return ops.layerNorm(x, this.weight, this.bias, this.eps);
  }
}

/** Joins axes startDim to endDim; by default all but the batch. */
export class Flatten extends Module {
  private readonly startDim: number;
  private readonly endDim: number;

  constructor({ startDim = 1, endDim = -1 } = {}) {
    super();
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: Tensor): Tensor {
    return ops.flatten(x, this.startDim, this.endDim);
  }
}

/** A function as a module, for use in Sequential. */
function activation<Options extends object>(
  apply: (x: Tensor, options: Options) => Tensor,
): new (
  options?: Options,
) => Layer {
  return class extends Module {
    private readonly options: Options;

    constructor(options: Options = {} as Options) {
      super();
      this.options = options;
    }

    forward(x: Tensor): Tensor {
      return apply(x, this.options);
    }
  };
}

// Classes, so that they have names of their own in summaries and errors.
export class ReLU extends activation(ops.relu) {}
export class Sigmoid extends activation(ops.sigmoid) {}
export class Tanh extends activation(ops.tanh) {}
export class Softplus extends activation<{ readonly beta?: number; readonly threshold?: number }>(
  ops.softplus,
) {}
export class LeakyReLU extends activation<{ readonly negativeSlope?: number }>((x, o) =>
  ops.leakyRelu(x, o.negativeSlope),
) {}
export class ELU extends activation<{ readonly alpha?: number }>((x, o) => ops.elu(x, o.alpha)) {}
export class GELU extends activation<{ readonly approximate?: "none" | "tanh" }>((x, o) =>
  ops.gelu(x, o.approximate),
) {}
export class Softmax extends activation<{ readonly dim?: number }>((x, o) =>
  ops.softmax(x, o.dim),
) {}
export class LogSoftmax extends activation<{ readonly dim?: number }>((x, o) =>
  ops.logSoftmax(x, o.dim),
) {}
