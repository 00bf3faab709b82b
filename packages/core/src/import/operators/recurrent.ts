import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { recurrentLayer } from "../../nn/recurrent/op.ts";
import { gatesOf, type Kind, statesOf } from "../../nn/recurrent/steps.ts";
import type { Call } from "../call.ts";
import { OnnxImportError } from "../error.ts";
import type { Rule, Rules } from "./rule.ts";

/** ONNX's gate blocks in PyTorch's order: LSTM i, o, f, c -> i, f, c, o; GRU z, r, h -> r, z, h. */
const order = {
  RNN_TANH: [0],
  RNN_RELU: [0],
  LSTM: [0, 2, 3, 1],
  GRU: [1, 0, 2],
  GRU_RESET_BEFORE: [1, 0, 2],
} as const satisfies Partial<Record<Kind, readonly number[]>>;
type OnnxKind = keyof typeof order;

/** Blocks of rows in another order. */
function reordered(x: Tensor, blocks: readonly number[]): Tensor {
  if (blocks.length === 1) return x;
  const parts = ops.split(x, Number(x.shape[0]) / blocks.length, 0);
  return ops.concat(blocks.map((i) => parts[i]));
}

/** One activation for each gate and direction; PyTorch's are the only ones that layers have. */
function kindOf(c: Call, directions: number): OnnxKind {
  const { opType } = c.step.node;
  const given = c.texts("activations")?.map((name) => name.toLowerCase());
  const usual = { LSTM: ["sigmoid", "tanh", "tanh"], GRU: ["sigmoid", "tanh"], RNN: ["tanh"] };
  const expected = usual[opType as keyof typeof usual];
  const each = (names: readonly string[]) => Array(directions).fill(names).flat().join();
  const isUsual = given === undefined || given.join() === each(expected);
  if (opType === "RNN" && !isUsual && given.join() === each(["relu"])) return "RNN_RELU";
  if (!isUsual) {
    throw new OnnxImportError(
      `activations [${given}] are not read; only [${each(expected)}]${opType === "RNN" ? " or relu" : ""}`,
    );
  }
  if (opType === "RNN") return "RNN_TANH";
  if (opType === "LSTM") return "LSTM";
  return c.int("linear_before_reset", 0) === 1 ? "GRU" : "GRU_RESET_BEFORE";
}

/**
 * LSTM, GRU and RNN of one layer: x (T, N, in), weights (directions, gates · hidden, …) ->
 * y (T, directions, N, hidden) and final states (directions, N, hidden).
 */
const layer: Rule = (c) => {
  const direction = c.text("direction", "forward");
  c.require("direction", direction, "forward", "reverse", "bidirectional");
  c.require("layout", c.int("layout", 0), 0);
  c.require("input_forget", c.int("input_forget", 0), 0);
  const reverses = { forward: [false], reverse: [true], bidirectional: [false, true] };
  const directions = reverses[direction as keyof typeof reverses];
  const kind = kindOf(c, directions.length);
  const [x, w, r, b, lengths] = [
    c.tensor(0),
    c.tensor(1),
    c.tensor(2),
    c.optional(3),
    c.optional(4),
  ];
  const names = statesOf(kind);
  const initial = names.map((_, i) => c.optional(5 + i));
  const hiddenSize = c.int("hidden_size", Number(r.shape[2]));
  checkWeights(c, [w, r, b], directions.length, gatesOf[kind] * hiddenSize);
  const zero = ops.zeros([x.shape[1], hiddenSize]);
  const results = directions.map((reverse, d) => {
    const blocks = (packed: Tensor) => reordered(ops.select(packed, d, 0), order[kind]);
    const [biasIh, biasHh] = b ? ops.split(ops.select(b, d, 0), gatesOf[kind] * hiddenSize) : [];
    const inputs = {
      x,
      weightIh: blocks(w),
      weightHh: blocks(r),
      biasIh: biasIh && reordered(biasIh, order[kind]),
      biasHh: biasHh && reordered(biasHh, order[kind]),
      states: initial.map((state) => (state ? ops.select(state, d, 0) : zero)),
      lengths: lengths && ops.cast(lengths, "int32"),
    };
    return recurrentLayer(kind, inputs, { reverse, hiddenSize });
  });
  const stacked = (i: number, axis: number) =>
    ops.stack(
      results.map((values) => values[i]),
      axis,
    );
  return [stacked(0, 1), ...names.map((_, i) => stacked(1 + i, 0))];
};

function checkWeights(
  c: Call,
  weights: readonly (Tensor | undefined)[],
  directions: number,
  rows: number,
): void {
  const wanted = [rows, rows, 2 * rows];
  for (const [i, weight] of weights.entries()) {
    if (!weight || (weight.shape[0] === directions && weight.shape[1] === wanted[i])) continue;
    throw new OnnxImportError(
      `input ${i + 1} of ${c.step.node.opType} must be [${directions}, ${wanted[i]}, …], ` +
        `received [${weight.shape.join(", ")}]`,
    );
  }
}

export const recurrent: Rules = { GRU: layer, LSTM: layer, RNN: layer };
