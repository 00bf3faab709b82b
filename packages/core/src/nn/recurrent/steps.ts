import { floorDivide, multiply } from "../../graph/dim.ts";
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
 * The input's share of all gates, for every time step at once: one matrix product outside the loop. Biases that
 * are only added join here. A GRU's are two, of r and z and of n, for its step treats them apart; where the reset gate
 * multiplies n's hidden bias, that one stays in the step.
 */
export function projectInput(
  kind: Kind,
  x: Tensor,
  weightIh: Tensor,
  biasIh?: Tensor,
  biasHh?: Tensor,
): readonly Tensor[] {
  if (kind === "GRU" || kind === "GRU_RESET_BEFORE") {
    const [rz, n] = gruParts(weightIh, biasIh);
    const [hiddenRz, hiddenN] = biasHh ? gruBiases(biasHh) : [];
    const joins = kind === "GRU_RESET_BEFORE" ? hiddenN : undefined;
    return [
      ops.linear(x, rz.weight, sum(rz.bias, hiddenRz)),
      ops.linear(x, n.weight, sum(n.bias, joins)),
    ];
  }
  return [ops.linear(x, weightIh, sum(biasIh, biasHh))];
}

const sum = (a?: Tensor, b?: Tensor): Tensor | undefined => (a && b ? ops.add(a, b) : a);

/** One step: the projected input (N, gates · hidden in all) and the states (N, hidden) -> new states. */
export function step(
  kind: Kind,
  projected: readonly Tensor[],
  states: readonly Tensor[],
  weights: HiddenWeights,
): readonly Tensor[] {
  switch (kind) {
    case "LSTM":
      return lstmStep(projected[0], states, weights);
    case "GRU":
      return [gruStep(projected, states[0], weights)];
    case "GRU_RESET_BEFORE":
      return [gruResetBeforeStep(projected, states[0], weights)];
    default: {
      // h' = act(W_ih x + b_ih + W_hh h + b_hh)
      const sum = ops.linear(weights.seen ?? states[0], weights.weightHh, projected[0]);
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
function gruStep(
  [xrz, xn]: readonly Tensor[],
  h: Tensor,
  { weightHh, biasHh, seen = h }: HiddenWeights,
): Tensor {
  const [rz, n] = gruParts(weightHh, biasHh);
  const [r, z] = gatesRz(seen, rz, xrz);
  const hidden = ops.linear(seen, n.weight, n.bias);
  return gruOutput(r, z, ops.tanh(ops.add(xn, ops.mul(r, hidden))), h);
}

/** The lecture's and the 2014 paper's form: n = tanh(W_in x + b_in + W_hn (r h) + b_hn). */
function gruResetBeforeStep(
  [xrz, xn]: readonly Tensor[],
  h: Tensor,
  { weightHh, seen = h }: HiddenWeights,
): Tensor {
  const [rz, n] = gruParts(weightHh);
  const [r, z] = gatesRz(seen, rz, xrz);
  return gruOutput(r, z, ops.tanh(ops.linear(ops.mul(r, seen), n.weight, xn)), h);
}

interface GRUPart {
  readonly weight: Tensor;
  readonly bias?: Tensor;
}

function gatesRz(seen: Tensor, { weight }: GRUPart, share: Tensor): readonly Tensor[] {
  const size = floorDivide(weight.shape[0], 2);
  return ops.split(ops.sigmoid(ops.linear(seen, weight, share)), [size, size], 1);
}

/** Weights (3 · hidden, in) and biases apart: r and z together, and n. */
function gruParts(weight: Tensor, bias?: Tensor): readonly [GRUPart, GRUPart] {
  const size = floorDivide(weight.shape[0], 3);
  const [rz, n] = ops.split(weight, [multiply(size, 2), size], 0);
  const biases = bias ? gruBiases(bias) : [];
  return [
    { weight: rz, bias: biases[0] },
    { weight: n, bias: biases[1] },
  ];
}

function gruBiases(bias: Tensor): readonly Tensor[] {
  const size = floorDivide(bias.shape[0], 3);
  return ops.split(bias, [multiply(size, 2), size], 0);
}

function gruOutput(r: Tensor, z: Tensor, n: Tensor, h: Tensor): Tensor {
  gate("r", r);
  gate("z", z);
  return gate("h", ops.add(gate("n", n), ops.mul(z, ops.sub(h, n))));
}
