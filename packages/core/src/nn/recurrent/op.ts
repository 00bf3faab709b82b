import { vjp } from "../../autodiff/gradients.ts";
import { TensorlaneError } from "../../errors.ts";
import { equal, format, type Size } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { expansionOf } from "../../graph/rewrite.ts";
import { apply, type Node, type Op, type Tensor } from "../../graph/tensor.ts";
import type { Lowering } from "../../onnx/lowering.ts";
import { validSteps, withinLength } from "./lengths.ts";
import { gatesOf, type Kind, projectInput, statesOf, step } from "./steps.ts";

interface Attrs {
  readonly kind: Kind;
  readonly reverse: boolean;
  readonly bias: boolean;
  readonly masked: boolean;
  readonly hiddenSize: number;
}

/** One layer in one direction. */
export interface LayerInputs {
  /** (T, N, inputSize) */
  readonly x: Tensor;
  readonly weightIh: Tensor;
  readonly weightHh: Tensor;
  readonly biasIh?: Tensor;
  readonly biasHh?: Tensor;
  /** Projection of the hidden state, LSTM only; never fused. */
  readonly weightHr?: Tensor;
  /** (N, hiddenSize) each, in the order of `statesOf`. */
  readonly states: readonly Tensor[];
  /** Number of valid steps of each sequence (N), int32. */
  readonly lengths?: Tensor;
}

/**
 * A recurrent layer over time in one direction. Inference and files use ONNX's fused LSTM, GRU and RNN, but
 * what runs at once is a scan where that is faster (`isFasterAsScan`); once a gradient was taken, the same
 * layer runs as a scan, whose intermediates the gradient reads. Outputs: y (T, N, hidden), then the final states.
 */
export const recurrentOp: Op<Attrs> = {
  name: "recurrent",
  infer: ([x, weightIh, weightHh], { kind, hiddenSize }) => {
    const rows = gatesOf[kind] * hiddenSize;
    const [steps, batch, features] = x.shape;
    const fits =
      x.shape.length === 3 &&
      equal(weightIh.shape[0], rows) &&
      equal(weightHh.shape[0], rows) &&
      equal(weightIh.shape[1], features);
    if (!fits) {
      throw new TensorlaneError(
        `${kind}: input ${format(x.shape)} does not fit weights ${format(weightIh.shape)} and ` +
          `${format(weightHh.shape)}; expected (time, batch, ${weightIh.shape[1]})`,
      );
    }
    const state = { dtype: "float32" as const, shape: [batch, hiddenSize] };
    const y = { dtype: "float32" as const, shape: [steps, batch, hiddenSize] };
    return [y, ...statesOf(kind).map(() => state)];
  },
  gradient: ({ outputs, inputs, grads }) => {
    const { node } = outputs[0];
    return vjp(expand(node), grads, inputs, { stop: new Set(inputs) }).map((g) => g ?? null);
  },
  lower: (onnx, names, attrs, node) =>
    onnx.isRewritten && isFasterAsScan(attrs.kind, node.inputs[0].shape[1])
      ? onnx.expand(expand(node), new Map(node.inputs.map((input, i) => [input, names[i]])))
      : lowerFused(onnx, names, attrs),
};

/**
 * Milliseconds as operator and as scan (native engine, 2 cores, T 100, 128 inputs, 256 units): RNN 22.3 and 7.0,
 * GRU 21.5 and 19.3, LSTM 18.9 and 23.2 for 64 sequences; for one of 64 units RNN 0.10 and 0.10, GRU 0.14 and 0.66.
 */
const FEW_SEQUENCES = 8;
const isFasterAsScan = (kind: Kind, batch: Size): boolean =>
  kind.startsWith("RNN") || (kind === "GRU" && typeof batch === "number" && batch >= FEW_SEQUENCES);

function unpack(inputs: readonly Tensor[], { kind, bias, masked }: Attrs): LayerInputs {
  const [x, weightIh, weightHh, ...rest] = inputs;
  const [biasIh, biasHh] = bias ? rest.splice(0, 2) : [];
  const states = rest.splice(0, statesOf(kind).length);
  return { x, weightIh, weightHh, biasIh, biasHh, states, lengths: masked ? rest[0] : undefined };
}

const expand = (node: Node): readonly Tensor[] =>
  expansionOf(node, () => {
    const attrs = node.attrs as Attrs;
    return asScan(attrs.kind, unpack(node.inputs, attrs), attrs.reverse);
  });

/** Layers with a projection, by the node of their loop. */
const projections = new WeakMap<
  Node,
  { readonly kind: Kind; readonly inputs: LayerInputs; readonly reverse: boolean }
>();

/**
 * A layer's node as a loop that holds all of its weights, for those who look at single steps; undefined for
 * other nodes.
 */
export function layerAsLoop(node: Node): Node | undefined {
  const projecting = projections.get(node);
  if (projecting)
    return asScan(projecting.kind, projecting.inputs, projecting.reverse, true)[0].node;
  if (node.op !== (recurrentOp as unknown as Op)) return undefined;
  const attrs = node.attrs as Attrs;
  return asScan(attrs.kind, unpack(node.inputs, attrs), attrs.reverse, true)[0].node;
}

/** The layer as a loop; the input's product is taken before it for all steps at once, or `inside` it. */
function asScan(
  kind: Kind,
  inputs: LayerInputs,
  reverse: boolean,
  inside = false,
): readonly Tensor[] {
  const { x, weightIh, biasIh, biasHh, lengths } = inputs;
  const project = (rows: Tensor) => projectInput(kind, rows, weightIh, biasIh, biasHh);
  const shares = inside ? [x] : project(x);
  const sequences = lengths ? [...shares, validSteps(x, lengths)] : shares;
  const { states, ys } = ops.scan(
    inputs.states,
    sequences,
    (before, slices) => {
      const own = slices.slice(0, shares.length);
      const after = step(kind, inside ? project(own[0]) : own, before, inputs);
      return withinLength(lengths && slices.at(-1), after, before);
    },
    { reverse },
  );
  return [ys[0], ...states];
}

/** Order of PyTorch's gate blocks in ONNX: LSTM i, o, f, c; GRU z, r, h. */
const onnxOrder: Record<Kind, readonly number[]> = {
  RNN_TANH: [0],
  RNN_RELU: [0],
  LSTM: [0, 3, 1, 2],
  GRU: [1, 0, 2],
  GRU_RESET_BEFORE: [1, 0, 2],
};

function lowerFused(onnx: Lowering, names: readonly string[], attrs: Attrs): readonly string[] {
  const { kind, reverse, hiddenSize } = attrs;
  const order = onnxOrder[kind];
  const front = onnx.builder.ints([0]);
  const unsqueeze = (name: string) => onnx.node("Unsqueeze", [name, front])[0];
  const reorder = (name: string) => {
    if (order.length === 1) return name;
    const parts = onnx.node("Split", [name], { axis: 0 }, order.length);
    return onnx.node(
      "Concat",
      order.map((i) => parts[i]),
      { axis: 0 },
    )[0];
  };
  const [x, weightIh, weightHh, ...rest] = names;
  const biases = attrs.bias ? rest.splice(0, 2) : [];
  const states = rest.splice(0, statesOf(kind).length);
  const bias = biases.length > 0 ? onnx.node("Concat", biases.map(reorder), { axis: 0 })[0] : "";
  const opType = kind === "LSTM" ? "LSTM" : kind.startsWith("GRU") ? "GRU" : "RNN";
  const [y, ...finals] = onnx.node(
    opType,
    [
      x,
      unsqueeze(reorder(weightIh)),
      unsqueeze(reorder(weightHh)),
      bias && unsqueeze(bias),
      attrs.masked ? rest[0] : "",
      ...states.map(unsqueeze),
    ],
    {
      hidden_size: hiddenSize,
      direction: reverse ? "reverse" : "forward",
      ...(kind === "GRU" ? { linear_before_reset: 1 } : {}),
      ...(opType === "RNN" ? { activations: [kind === "RNN_RELU" ? "Relu" : "Tanh"] } : {}),
    },
    1 + states.length,
  );
  const squeeze = (name: string, axis: number) =>
    onnx.node("Squeeze", [name, onnx.builder.ints([axis])])[0];
  return [squeeze(y, 1), ...finals.map((state) => squeeze(state, 0))];
}

/** Runs one layer in one direction: y (T, N, out) and the final states (N, …). */
export function recurrentLayer(
  kind: Kind,
  inputs: LayerInputs,
  options: { readonly reverse: boolean; readonly hiddenSize: number },
): readonly Tensor[] {
  const { x, weightIh, weightHh, biasIh, biasHh, weightHr, states, lengths } = inputs;
  // ONNX's LSTM has no projection: that one is always a scan.
  if (weightHr) {
    const { reverse } = options;
    const outputs = asScan(kind, inputs, reverse);
    projections.set(outputs[0].node, { kind, inputs, reverse });
    return outputs;
  }
  return apply(
    recurrentOp,
    [x, weightIh, weightHh]
      .concat(biasIh && biasHh ? [biasIh, biasHh] : [])
      .concat(states, lengths ? [lengths] : []),
    { kind, ...options, bias: biasIh !== undefined, masked: lengths !== undefined },
  );
}
