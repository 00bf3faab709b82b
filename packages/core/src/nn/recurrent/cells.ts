import { TensorlaneError } from "../../errors.ts";
import { equal, format, type Size } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Parameter, Tensor } from "../../graph/tensor.ts";
import { parameter, uniform } from "../init.ts";
import { Dropout, LayerNorm } from "../layers.ts";
import { Module } from "../module.ts";
import { type Lengths, toLengths, validSteps, withinLength } from "./lengths.ts";
import { gatesOf, type Kind, lstmGates, projectInput, statesOf, step } from "./steps.ts";

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

export interface GatedCellOptions extends CellOptions {
  /**
   * While training, sets elements of the hidden state to zero with this probability on their way into the
   * step (Gal & Ghahramani 2016). A Runner draws one mask a sequence and keeps it at every step; a cell that is
   * called by hand draws one at each call.
   */
  readonly recurrentDropout?: number;
}

abstract class GatedCell<State extends CellState> extends Cell<State> {
  readonly weight_ih: Parameter;
  readonly weight_hh: Parameter;
  readonly bias_ih?: Parameter;
  readonly bias_hh?: Parameter;
  protected readonly hiddenSize: number;
  private readonly kind: Kind;
  private readonly recurrentDropout?: Dropout;

  constructor(kind: Kind, options: GatedCellOptions) {
    super();
    const { inputSize, hiddenSize, bias = true, recurrentDropout = 0 } = options;
    const rows = gatesOf[kind] * hiddenSize;
    const rule = uniform(-1 / Math.sqrt(hiddenSize), 1 / Math.sqrt(hiddenSize));
    this.kind = kind;
    this.hiddenSize = hiddenSize;
    if (recurrentDropout !== 0) this.recurrentDropout = new Dropout({ p: recurrentDropout });
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
    const [h, ...others] = names.map((name) => state[name]);
    // The mask is a leaf outside the step: a loop over the step reads the same one every time.
    const seen = this.recurrentDropout?.forward(h) ?? h;
    const next = this.next(x, h, seen, others);
    return Object.fromEntries(names.map((name, i) => [name, next[i]])) as State;
  }

  /** New states from the input, the hidden state, that state as the weights see it, and other states. */
  protected next(x: Tensor, h: Tensor, seen: Tensor, others: readonly Tensor[]): readonly Tensor[] {
    const projected = projectInput(this.kind, x, this.weight_ih, this.bias_ih, this.bias_hh);
    const weights = { weightHh: this.weight_hh, biasHh: this.bias_hh, seen };
    return step(this.kind, projected, [h, ...others], weights);
  }
}

export interface HiddenState extends CellState {
  readonly h: Tensor;
}
export interface LSTMState extends HiddenState {
  readonly c: Tensor;
}

/**
 * One step of an Elman network, h' = tanh(W_ih x + b_ih + W_hh h + b_hh): the lecture's S_t = f(U X_t + W S_{t-1}) with
 * U = weight_ih and W = weight_hh; its O_t = g(V S_t) is a Linear behind it, V its weight.
 * (N, inputSize), { h } -> { h }
 */
export class RNNCell extends GatedCell<HiddenState> {
  constructor({
    nonlinearity = "tanh",
    ...options
  }: GatedCellOptions & { readonly nonlinearity?: "tanh" | "relu" }) {
    super(nonlinearity === "relu" ? "RNN_RELU" : "RNN_TANH", options);
  }
}

export interface LSTMCellOptions extends GatedCellOptions {
  /**
   * The gates see the cell state, too (Gers & Schmidhuber 2000): i and f the one before the step, o the one
   * after it, through a weight for each unit: `weight_ci`, `weight_cf`, `weight_co`.
   */
  readonly peepholes?: boolean;
  /**
   * Layer normalisation (Ba et al. 2016, equations 20 to 22) of the input's share, the hidden state's share and
   * the cell state on its way out. The norms bring biases; `bias_ih` and `bias_hh` are left out.
   */
  readonly layerNorm?: boolean;
}

/**
 * One step of an LSTM (Hochreiter & Schmidhuber 1997, forget gates by Gers et al. 2000).
 * (N, inputSize), { h, c } -> { h, c }
 *
 * @example
 * const cell = new nn.LSTMCell({ inputSize: 8, hiddenSize: 16, peepholes: true, recurrentDropout: 0.2 });
 * const { output } = new nn.Runner({ cell }).forward(x); // x: (T, N, 8)
 */
export class LSTMCell extends GatedCell<LSTMState> {
  readonly weight_ci?: Parameter;
  readonly weight_cf?: Parameter;
  readonly weight_co?: Parameter;
  readonly layernorm_i?: LayerNorm;
  readonly layernorm_h?: LayerNorm;
  readonly layernorm_c?: LayerNorm;

  constructor({ peepholes = false, layerNorm = false, ...options }: LSTMCellOptions) {
    super("LSTM", layerNorm ? { ...options, bias: false } : options);
    const { hiddenSize } = options;
    if (peepholes) {
      const rule = uniform(-1 / Math.sqrt(hiddenSize), 1 / Math.sqrt(hiddenSize));
      this.weight_ci = parameter([hiddenSize], rule);
      this.weight_cf = parameter([hiddenSize], rule);
      this.weight_co = parameter([hiddenSize], rule);
    }
    if (layerNorm) {
      this.layernorm_i = new LayerNorm({ normalizedShape: 4 * hiddenSize });
      this.layernorm_h = new LayerNorm({ normalizedShape: 4 * hiddenSize });
      this.layernorm_c = new LayerNorm({ normalizedShape: hiddenSize });
    }
  }

  protected override next(
    x: Tensor,
    h: Tensor,
    seen: Tensor,
    [c]: readonly Tensor[],
  ): readonly Tensor[] {
    const { weight_ci, weight_cf, weight_co, layernorm_i, layernorm_h, layernorm_c } = this;
    if (!weight_ci && !layernorm_c) return super.next(x, h, seen, [c]);
    const peepholes = weight_ci && { i: weight_ci, f: weight_cf!, o: weight_co! };
    if (!layernorm_c) {
      const [projected] = projectInput("LSTM", x, this.weight_ih, this.bias_ih, this.bias_hh);
      const after = lstmGates(ops.linear(seen, this.weight_hh, projected), c, { peepholes });
      return [after.h, after.c];
    }
    const sum = ops.add(
      layernorm_i!.forward(ops.linear(x, this.weight_ih)),
      layernorm_h!.forward(ops.linear(seen, this.weight_hh)),
    );
    const norm = (state: Tensor) => layernorm_c.forward(state);
    const after = lstmGates(sum, c, { peepholes, norm });
    return [after.h, after.c];
  }
}

/**
 * One step of a GRU (Cho et al. 2014), h' = (1 - z) n + z h: an update gate z of 1 keeps the old state, as in the
 * paper and in PyTorch. Texts that write h' = (1 - z) h + z n mean the opposite by z.
 * (N, inputSize), { h } -> { h }
 */
export class GRUCell extends GatedCell<HiddenState> {
  constructor({
    resetAfter = true,
    ...options
  }: GatedCellOptions & { readonly resetAfter?: boolean }) {
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

  /** (T, N, …), or batch first -> outputs at every step, and the states after the last one. */
  forward(
    input: Tensor,
    { state, lengths }: { readonly state?: State } & { readonly lengths?: Lengths } = {},
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
    const valid = toLengths(lengths, x);
    const { states, ys } = ops.scan(
      names.map((name) => initial[name]),
      valid ? [x, validSteps(x, valid)] : [x],
      (before, [slice, valid]) => {
        const after = this.cell.forward(slice, named(before));
        return withinLength(
          valid,
          names.map((name) => after[name]),
          before,
        );
      },
      { reverse, recompute },
    );
    const output = batchFirst ? ops.transpose(ys[0], 0, 1) : ys[0];
    return { output, state: named(states) };
  }
}

/**
 * Two cells, one in each direction; outputs are joined on the last axis. Deep ones are several of these, one
 * behind the other, each reading 2 · hidden features (as `nn.LSTM` with `bidirectional` and `numLayers`).
 */
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
  forward(
    x: Tensor,
    { lengths }: { readonly lengths?: Lengths } = {},
  ): { readonly output: Tensor; readonly states: readonly [State, State] } {
    const [a, b] = [this.forwards.forward(x, { lengths }), this.backwards.forward(x, { lengths })];
    return { output: ops.concat([a.output, b.output], -1), states: [a.state, b.state] };
  }
}
