import { TensorlaneError } from "../../errors.ts";
import { equal, format, type Size } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Parameter, Tensor } from "../../graph/tensor.ts";
import { parameter, uniform } from "../init.ts";
import { Module } from "../module.ts";
import { gatesOf, type Kind, projectInput, statesOf, step } from "./steps.ts";

/** Named states of one step, each (N, size). The first one is the cell's output. */
export type CellState = Readonly<Record<string, Tensor>>;

/**
 * One step of recurrence: what a Runner loops over. Write your own by giving `initialState` and
 * `forward`.
 */
export abstract class Cell<State extends CellState = CellState> extends Module {
  /** States before the first step. */
  abstract initialState(batch: Size): State;
  /** (N, inputSize) and the states -> new states; the first one is the output. */
  abstract override forward(x: Tensor, state?: State): State;
}

export interface CellOptions {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly bias?: boolean;
}

abstract class GatedCell<State extends CellState> extends Cell<State> {
  readonly weight_ih: Parameter;
  readonly weight_hh: Parameter;
  readonly bias_ih?: Parameter;
  readonly bias_hh?: Parameter;
  private readonly kind: Kind;
  private readonly hiddenSize: number;

  constructor(kind: Kind, { inputSize, hiddenSize, bias = true }: CellOptions) {
    super();
    const rows = gatesOf[kind] * hiddenSize;
    const rule = uniform(-1 / Math.sqrt(hiddenSize), 1 / Math.sqrt(hiddenSize));
    this.kind = kind;
    this.hiddenSize = hiddenSize;
    this.weight_ih = parameter([rows, inputSize], rule);
    this.weight_hh = parameter([rows, hiddenSize], rule);
    if (bias) this.bias_ih = parameter([rows], rule);
    if (bias) this.bias_hh = parameter([rows], rule);
  }

  initialState(batch: Size): State {
    const zeros = ops.zeros([batch, this.hiddenSize]);
    return Object.fromEntries(statesOf(this.kind).map((name) => [name, zeros])) as State;
  }

  forward(x: Tensor, state: State = this.initialState(x.shape[0])): State {
    const names = statesOf(this.kind);
    for (const name of names) {
      if (!equal(state[name]?.shape.at(-1) ?? 0, this.hiddenSize)) {
        throw new TensorlaneError(
          `${this.kind} cell: state ${name} must be (batch, ${this.hiddenSize}), ` +
            `received ${state[name] ? format(state[name].shape) : "nothing"}`,
        );
      }
    }
    const projected = projectInput(this.kind, x, this.weight_ih, this.bias_ih, this.bias_hh);
    const next = step(
      this.kind,
      projected,
      names.map((name) => state[name]),
      { weightHh: this.weight_hh, biasHh: this.bias_hh },
    );
    return Object.fromEntries(names.map((name, i) => [name, next[i]])) as State;
  }
}

export interface HiddenState extends CellState {
  readonly h: Tensor;
}
export interface LSTMState extends HiddenState {
  readonly c: Tensor;
}

/** One step of an Elman network. (N, inputSize), { h } -> { h } */
export class RNNCell extends GatedCell<HiddenState> {
  constructor({
    nonlinearity = "tanh",
    ...options
  }: CellOptions & { readonly nonlinearity?: "tanh" | "relu" }) {
    super(nonlinearity === "relu" ? "RNN_RELU" : "RNN_TANH", options);
  }
}

/** One step of an LSTM. (N, inputSize), { h, c } -> { h, c } */
export class LSTMCell extends GatedCell<LSTMState> {
  constructor(options: CellOptions) {
    super("LSTM", options);
  }
}

/** One step of a GRU. (N, inputSize), { h } -> { h } */
export class GRUCell extends GatedCell<HiddenState> {
  constructor({ resetAfter = true, ...options }: CellOptions & { readonly resetAfter?: boolean }) {
    super(resetAfter ? "GRU" : "GRU_RESET_BEFORE", options);
  }
}

export interface RunnerOptions<State extends CellState> {
  readonly cell: Cell<State>;
  readonly batchFirst?: boolean;
  /** From the last step to the first; outputs stay in their places. */
  readonly reverse?: boolean;
  /** Keep only the states for the backward pass and compute the rest again. */
  readonly recompute?: boolean;
}

/**
 * Loops any cell over time. Its gradient is back-propagation through time.
 *
 * @example
 * const runner = new nn.Runner({ cell: new MyCell(), batchFirst: true });
 * const { output, state } = runner.forward(x); // x: (N, T, inputSize)
 */
export class Runner<State extends CellState> extends Module {
  readonly cell: Cell<State>;
  private readonly options: RunnerOptions<State>;

  constructor(options: RunnerOptions<State>) {
    super();
    this.cell = options.cell;
    this.options = options;
  }

  forward(
    input: Tensor,
    { state }: { readonly state?: State } = {},
  ): { readonly output: Tensor; readonly state: State } {
    const { batchFirst = false, reverse, recompute } = this.options;
    if (input.rank < 2) {
      throw new TensorlaneError(
        `Runner: expected (time, batch, …), received ${format(input.shape)}`,
      );
    }
    const x = batchFirst ? ops.transpose(input, 0, 1) : input;
    const initial = state ?? this.cell.initialState(x.shape[1]);
    const names = Object.keys(initial);
    const named = (values: readonly Tensor[]) =>
      Object.fromEntries(names.map((name, i) => [name, values[i]])) as State;
    const { states, ys } = ops.scan(
      names.map((name) => initial[name]),
      [x],
      (before, [slice]) => {
        const after = this.cell.forward(slice, named(before));
        const values = names.map((name) => after[name]);
        return { states: values, ys: [values[0]] };
      },
      { reverse, recompute },
    );
    const output = batchFirst ? ops.transpose(ys[0], 0, 1) : ys[0];
    return { output, state: named(states) };
  }
}

/** Two cells, one in each direction; outputs are joined on the last axis. */
export class Bidirectional<State extends CellState> extends Module {
  readonly forwards: Runner<State>;
  readonly backwards: Runner<State>;

  constructor(options: {
    readonly forwards: Cell<State>;
    readonly backwards: Cell<State>;
    readonly batchFirst?: boolean;
  }) {
    super();
    const { batchFirst } = options;
    this.forwards = new Runner({ cell: options.forwards, batchFirst });
    this.backwards = new Runner({ cell: options.backwards, batchFirst, reverse: true });
  }

  /** (T, N, in) -> (T, N, 2 · hidden), or batch first. */
  forward(x: Tensor): { readonly output: Tensor; readonly states: readonly [State, State] } {
    const [a, b] = [this.forwards.forward(x), this.backwards.forward(x)];
    return { output: ops.concat([a.output, b.output], -1), states: [a.state, b.state] };
  }
}
