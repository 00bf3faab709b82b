import { multiply } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { gate } from "./gate.ts";

/** Names of the recurrent layers: the two plain ones differ in their activation. */
export type Kind = "RNN_TANH" | "RNN_RELU" | "LSTM" | "GRU" | "GRU_RESET_BEFORE";

/** How many blocks of `hiddenSize` rows the weights have. */
export const gatesOf: Record<Kind, number> = {
  RNN_TANH: 1,
  RNN_RELU: 1,
  LSTM: 4,
  GRU: 3,
  GRU_RESET_BEFORE: 3,
};

/** Names of the carried states. */
export const statesOf = (kind: Kind): readonly string[] => (kind === "LSTM" ? ["h", "c"] : ["h"]);

/** Weights that act on the hidden state within a step. */
export interface HiddenWeights {
  /** (gates · hidden, out) */
  readonly weightHh: Tensor;
  readonly biasHh?: Tensor;
  /** Projection of the hidden state (projSize, hidden), LSTM only. */
  readonly weightHr?: Tensor;
  /** The hidden state as the weights see it, where dropout acts on it; otherwise the state itself. */
  readonly seen?: Tensor;
}

/**
 * The input's share of all gates, for every time step at once: one matrix product outside the loop.
 * Biases that are only added join here; the GRU's hidden bias stays in the step, where the reset gate
 * multiplies it.
 */
export function projectInput(
  kind: Kind,
  x: Tensor,
  weightIh: Tensor,
  biasIh?: Tensor,
  biasHh?: Tensor,
): Tensor {
  const staysInside = kind === "GRU" || kind === "GRU_RESET_BEFORE";
  const bias = biasIh && biasHh && !staysInside ? ops.add(biasIh, biasHh) : biasIh;
  return ops.linear(x, weightIh, bias);
}

/** One step: the projected input (N, gates · hidden) and the states (N, hidden) -> new states. */
export function step(
  kind: Kind,
  projected: Tensor,
  states: readonly Tensor[],
  weights: HiddenWeights,
): readonly Tensor[] {
  switch (kind) {
    case "LSTM":
      return lstmStep(projected, states, weights);
    case "GRU":
      return [gruStep(projected, states[0], weights)];
    case "GRU_RESET_BEFORE":
      return [gruResetBeforeStep(projected, states[0], weights)];
    default: {
      // h' = act(W_ih x + b_ih + W_hh h + b_hh)
      const sum = ops.linear(weights.seen ?? states[0], weights.weightHh, projected);
      return [gate("h", kind === "RNN_RELU" ? ops.relu(sum) : ops.tanh(sum))];
    }
  }
}

function lstmStep(projected: Tensor, [h, c]: readonly Tensor[], weights: HiddenWeights): Tensor[] {
  const sum = ops.linear(weights.seen ?? h, weights.weightHh, projected);
  const { h: hidden, c: next } = lstmGates(sum, c);
  return [weights.weightHr ? gate("h", ops.linear(hidden, weights.weightHr)) : hidden, next];
}

/** What an LSTM's step may have besides its weights. */
export interface LSTMExtras {
  /**
   * Gers & Schmidhuber 2000: the gates see the cell through a weight (hidden) each, i and f the state before
   * the step, o the one after it.
   */
  readonly peepholes?: { readonly i: Tensor; readonly f: Tensor; readonly o: Tensor };
  /** Applied to the new cell state on its way to the output. */
  readonly norm?: (c: Tensor) => Tensor;
}

/**
 * Hochreiter & Schmidhuber 1997 with forget gates (Gers et al. 2000), from the sums z (N, 4 · hidden) that
 * enter the gates, in PyTorch's order: i, f, o = σ(…), g = tanh(…), c' = f c + i g, h' = o tanh(c').
 */
export function lstmGates(
  z: Tensor,
  c: Tensor,
  { peepholes, norm = (x) => x }: LSTMExtras = {},
): { readonly h: Tensor; readonly c: Tensor } {
  const size = c.shape[1];
  const [zi, zf, zg, zo] = ops.split(z, [size, size, size, size], 1);
  const sees = (sum: Tensor, state: Tensor, weight?: Tensor) =>
    ops.sigmoid(weight ? ops.add(sum, ops.mul(state, weight)) : sum);
  const i = gate("i", sees(zi, c, peepholes?.i));
  const f = gate("f", sees(zf, c, peepholes?.f));
  const g = gate("g", ops.tanh(zg));
  const next = gate("C", ops.add(ops.mul(f, c), ops.mul(i, g)));
  const o = gate("o", sees(zo, next, peepholes?.o));
  return { h: gate("h", ops.mul(o, ops.tanh(norm(next)))), c: next };
}

/**
 * Cho et al. 2014 as PyTorch computes it, the reset gate after the product:
 * r, z = σ(…), n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h: z = 1 keeps the old state.
 */
function gruStep(projected: Tensor, h: Tensor, weights: HiddenWeights): Tensor {
  const { weightHh, biasHh, seen = h } = weights;
  const size = h.shape[1];
  const gates = ops.linear(seen, weightHh, biasHh);
  const [xrz, xn] = ops.split(projected, [multiply(size, 2), size], 1);
  const [hrz, hn] = ops.split(gates, [multiply(size, 2), size], 1);
  const [r, z] = ops.split(ops.sigmoid(ops.add(xrz, hrz)), [size, size], 1);
  return gruOutput(r, z, ops.tanh(ops.add(xn, ops.mul(r, hn))), h);
}

/** The lecture's and the 2014 paper's form: n = tanh(W_in x + b_in + W_hn (r h) + b_hn). */
function gruResetBeforeStep(projected: Tensor, h: Tensor, weights: HiddenWeights): Tensor {
  const { seen = h } = weights;
  const size = h.shape[1];
  const sizes = [multiply(size, 2), size];
  const [weightRz, weightN] = ops.split(weights.weightHh, sizes, 0);
  const [biasRz, biasN] = weights.biasHh ? ops.split(weights.biasHh, sizes, 0) : [];
  const [xrz, xn] = ops.split(projected, sizes, 1);
  const gates = ops.sigmoid(ops.add(xrz, ops.linear(seen, weightRz, biasRz)));
  const [r, z] = ops.split(gates, [size, size], 1);
  return gruOutput(r, z, ops.tanh(ops.add(xn, ops.linear(ops.mul(r, seen), weightN, biasN))), h);
}

function gruOutput(r: Tensor, z: Tensor, n: Tensor, h: Tensor): Tensor {
  gate("r", r);
  gate("z", z);
  return gate("h", ops.add(gate("n", n), ops.mul(z, ops.sub(h, n))));
}
