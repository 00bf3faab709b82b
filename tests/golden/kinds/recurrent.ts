import { nn, type Tensor } from "tensorlane";
import type { Keywords } from "../keywords.ts";
import type { Arguments, Kind } from "./kind.ts";

const sizes = (k: Keywords) => {
  const inputSize = k.number("input_size");
  const hiddenSize = k.number("hidden_size");
  if (inputSize === undefined) k.fail("input_size", "a number");
  if (hiddenSize === undefined) k.fail("hidden_size", "a number");
  return { inputSize, hiddenSize, bias: k.boolean("bias", true) };
};
const nonlinearity = (k: Keywords) => k.choice("nonlinearity", ["tanh", "relu"], "tanh");

/** Loads the case's parameters into a module, and differentiates by the module's own ones. */
function load<M extends nn.Module>(module: M, t: Arguments): M {
  const names = t.names.filter((name) => name.startsWith("weight") || name.startsWith("bias"));
  module.loadStateDict(new Map(names.map((name) => [name, t.values(name)])));
  for (const [name, parameter] of module.namedParameters()) t.bind(name, parameter);
  return module;
}
/** The initial state: h0, or the LSTM's h0 and c0; without them zeros. */
function statesOf(t: Arguments): { readonly h: Tensor; readonly c?: Tensor } | undefined {
  const h = t.optional("h0");
  return h && { h, c: t.optional("c0") };
}

type Options = nn.RNNOptions & { readonly projSize?: number };
type Sequence = nn.RNN | nn.LSTM | nn.GRU;

const sequence =
  (make: (options: Options, k: Keywords) => Sequence): Kind =>
  (t, k) => {
    const options = {
      ...sizes(k),
      numLayers: k.number("num_layers", 1),
      batchFirst: k.boolean("batch_first", false),
      bidirectional: k.boolean("bidirectional", false),
      dropout: k.number("dropout", 0),
    };
    // Dropout between layers would be random: no reference can hold it. After one layer there is none.
    if (options.dropout !== 0 && options.numLayers > 1) k.fail("dropout", "0");
    const module = load(make(options, k), t);
    const lengths = k.numbers("lengths");
    const { output, state } = module.forward(t.get("x"), { state: statesOf(t), lengths });
    return { y: output, h_n: state.h, ...(state.c ? { c_n: state.c } : {}) };
  };

const cell =
  (make: (options: nn.CellOptions, k: Keywords) => nn.RNNCell | nn.LSTMCell | nn.GRUCell): Kind =>
  (t, k) => {
    const module = load(make(sizes(k), k), t);
    return { ...module.forward(t.get("x"), statesOf(t) as nn.LSTMState | undefined) };
  };

export const recurrent: Readonly<Record<string, Kind>> = {
  RNN: sequence((options, k) => new nn.RNN({ ...options, nonlinearity: nonlinearity(k) })),
  LSTM: sequence((options, k) => new nn.LSTM({ ...options, projSize: k.number("proj_size", 0) })),
  GRU: sequence((options) => new nn.GRU(options)),
  RNNCell: cell((options, k) => new nn.RNNCell({ ...options, nonlinearity: nonlinearity(k) })),
  LSTMCell: cell((options) => new nn.LSTMCell(options)),
  GRUCell: cell((options) => new nn.GRUCell(options)),
};
