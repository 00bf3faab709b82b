import { TensorlaneError } from "../../errors.ts";
import { equal, format } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { Linear } from "../layers.ts";
import { Module } from "../module.ts";

/**
 * How well a state q fits a place m of the memory: `additive` v·tanh(W q + U m) (Bahdanau et al. 2015), `general`
 * q·W m and `dot` q·m (Luong et al. 2015).
 */
export type AttentionScore = "additive" | "general" | "dot";

export interface AttentionOptions {
  /** Size of the state that asks. */
  readonly querySize: number;
  /** Size of the states that are attended to. */
  readonly memorySize: number;
  readonly score?: AttentionScore;
  /** Units between both, `additive` only; `querySize` unless given. */
  readonly attentionSize?: number;
}

/** What is attended to, with what is computed of it once for all steps. */
export interface Memory {
  /** (N, S, memorySize) */
  readonly values: Tensor;
  /** (N, S, …), what queries are compared with. */
  readonly keys: Tensor;
  /** (N, S) bool: places that are not padding; absent where all are. */
  readonly valid?: Tensor;
}

/** Weights of places outside a sequence are exactly 0 behind the softmax. */
const NOWHERE = -1e9;

/**
 * Attention of one state to the states of a whole sequence: a softmax over its places, and the mean of the states
 * under those weights.
 *
 * @example
 * const attention = new nn.Attention({ querySize: 64, memorySize: 128 });
 * const memory = attention.prepare(states, lengths); // (N, S, 128), (N)
 * const { context, weights } = attention.forward(query, memory); // (N, 64) -> (N, 128), (N, S)
 */
export class Attention extends Module {
  readonly score: AttentionScore;
  readonly query?: Linear;
  readonly key?: Linear;
  readonly energy?: Linear;
  private readonly sizes: { readonly query: number; readonly memory: number };

  constructor({ querySize, memorySize, score = "additive", attentionSize }: AttentionOptions) {
    super();
    this.score = score;
    this.sizes = { query: querySize, memory: memorySize };
    if (score === "dot" && querySize !== memorySize) {
      throw new TensorlaneError(
        `Attention: score "dot" needs equal sizes, received querySize ${querySize} and memorySize ` +
          `${memorySize}; "general" has a matrix in between`,
      );
    }
    const units = score === "additive" ? (attentionSize ?? querySize) : querySize;
    if (score === "additive")
      this.query = new Linear({ inFeatures: querySize, outFeatures: units });
    if (score !== "dot") {
      this.key = new Linear({ inFeatures: memorySize, outFeatures: units, bias: false });
    }
    if (score === "additive") {
      this.energy = new Linear({ inFeatures: units, outFeatures: 1, bias: false });
    }
  }

  /** States (N, S, memorySize) and the lengths (N) of their sequences, as a memory to ask. */
  prepare(values: Tensor, lengths?: Tensor): Memory {
    if (values.rank !== 3 || !equal(values.shape[2], this.sizes.memory)) {
      throw new TensorlaneError(
        `Attention: expected a memory (batch, places, ${this.sizes.memory}), received ${format(values.shape)}`,
      );
    }
    const keys = this.key?.forward(values) ?? values;
    if (!lengths) return { values, keys };
    const [batch, places] = values.shape;
    const number = ops.cumsum(ops.ones([1, places]), 1);
    const valid = ops.lessEqual(number, ops.cast(ops.reshape(lengths, [batch, 1]), "float32"));
    return { values, keys, valid };
  }

  /** A state (N, querySize) -> the mean (N, memorySize) of what it attends to, and the weights (N, S). */
  forward(
    query: Tensor,
    { values, keys, valid }: Memory,
  ): { readonly context: Tensor; readonly weights: Tensor } {
    if (query.rank !== 2 || !equal(query.shape[1], this.sizes.query)) {
      throw new TensorlaneError(
        `Attention: expected a query (batch, ${this.sizes.query}), received ${format(query.shape)}`,
      );
    }
    const scores = this.query
      ? ops.squeeze(
          this.energy!.forward(
            ops.tanh(ops.add(keys, ops.unsqueeze(this.query.forward(query), 1))),
          ),
          2,
        )
      : ops.squeeze(ops.matmul(keys, ops.unsqueeze(query, 2)), 2);
    const weights = ops.softmax(valid ? ops.where(valid, scores, NOWHERE) : scores, -1);
    const context = ops.squeeze(ops.matmul(ops.unsqueeze(weights, 1), values), 1);
    return { context, weights };
  }
}
