import { TensorlaneError } from "../../errors.ts";
import { equal, format, type Size } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Parameter, Tensor } from "../../graph/tensor.ts";
import { parameter, uniform } from "../init.ts";
import { dropout } from "../layers.ts";
import { Module } from "../module.ts";
import { type Lengths, toLengths } from "./lengths.ts";
import { recurrentLayer } from "./op.ts";
import { gatesOf, type Kind, statesOf } from "./steps.ts";

export interface RecurrentOptions {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers?: number;
  readonly bias?: boolean;
  /** Input and output are (N, T, …) instead of (T, N, …). */
  readonly batchFirst?: boolean;
  /** Dropout on the outputs of every layer but the last, while training. */
  readonly dropout?: number;
  /** Share of the hidden-to-hidden weights left out of a training step (Merity et al. 2018); 0. */
  readonly weightDropout?: number;
  readonly bidirectional?: boolean;
}

/** States by name, each (numLayers · directions, N, size). */
export interface RecurrentState {
  readonly h: Tensor;
  /** Cell state, LSTM only. */
  readonly c?: Tensor;
}

export interface RecurrentInput {
  /** Initial states; zeros otherwise. */
  readonly state?: RecurrentState;
  readonly lengths?: Lengths;
}

export interface RecurrentOutput {
  /** The last layer's output at every step, (T, N, directions · hiddenSize) or batch first. */
  readonly output: Tensor;
  readonly state: RecurrentState;
}

/** What RNN, LSTM and GRU share: layers, directions, states, lengths. */
abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly batchFirst: boolean;
  readonly bidirectional: boolean;
  readonly dropout: number;
  readonly weightDropout: number;
  protected readonly kind: Kind;
  /** Size of h: the projection's, where there is one. */
  protected readonly outputSize: number;
  private readonly bias: boolean;

  constructor(kind: Kind, options: RecurrentOptions, projSize = 0) {
    super();
    this.kind = kind;
    this.inputSize = options.inputSize;
    this.hiddenSize = options.hiddenSize;
    this.numLayers = options.numLayers ?? 1;
    this.batchFirst = options.batchFirst ?? false;
    this.bidirectional = options.bidirectional ?? false;
    this.dropout = options.dropout ?? 0;
    this.weightDropout = options.weightDropout ?? 0;
    this.bias = options.bias ?? true;
    this.outputSize = projSize || this.hiddenSize;
    for (const [name, value] of [
      ["inputSize", this.inputSize],
      ["hiddenSize", this.hiddenSize],
      ["numLayers", this.numLayers],
    ] as const) {
      if (!Number.isInteger(value) || value < 1) {
        throw new TensorlaneError(`${kind}: ${name} must be a positive integer, received ${value}`);
      }
    }
    this.makeParameters(projSize);
  }

  private get directions(): number {
    return this.bidirectional ? 2 : 1;
  }

  private makeParameters(projSize: number): void {
    const rows = gatesOf[this.kind] * this.hiddenSize;
    const rule = uniform(-1 / Math.sqrt(this.hiddenSize), 1 / Math.sqrt(this.hiddenSize));
    for (let layer = 0; layer < this.numLayers; layer++) {
      for (let direction = 0; direction < this.directions; direction++) {
        const width = layer === 0 ? this.inputSize : this.outputSize * this.directions;
        const define = (name: string, shape: readonly number[]) =>
          Object.assign(this, {
            [`${name}${suffix(layer, direction)}`]: parameter(shape, rule),
          });
        define("weight_ih", [rows, width]);
        define("weight_hh", [rows, this.outputSize]);
        if (this.bias) define("bias_ih", [rows]);
        if (this.bias) define("bias_hh", [rows]);
        if (projSize > 0) define("weight_hr", [projSize, this.hiddenSize]);
      }
    }
  }

  /** A parameter by its state-dict name, e.g. `weight_ih_l0_reverse`. */
  parameter(name: string): Parameter | undefined {
    return (this as unknown as Record<string, Parameter | undefined>)[name];
  }

  forward(input: Tensor, { state, lengths }: RecurrentInput = {}): RecurrentOutput {
    this.check(input);
    const single = input.rank === 2;
    const batched = single ? ops.unsqueeze(input, 1) : input;
    let x = this.batchFirst && !single ? ops.transpose(batched, 0, 1) : batched;
    const initial = this.initialStates(x.shape[1], state, single);
    const valid = toLengths(lengths, x);
    const finals: Tensor[][] = statesOf(this.kind).map(() => []);
    for (let layer = 0; layer < this.numLayers; layer++) {
      if (layer > 0 && this.training) x = dropout(x, this.dropout);
      const outputs: Tensor[] = [];
      for (let direction = 0; direction < this.directions; direction++) {
        const at = layer * this.directions + direction;
        const end = suffix(layer, direction);
        const [y, ...final] = recurrentLayer(
          this.kind,
          {
            x,
            weightIh: this.parameter(`weight_ih${end}`)!,
            weightHh: this.hiddenWeight(`weight_hh${end}`),
            biasIh: this.parameter(`bias_ih${end}`),
            biasHh: this.parameter(`bias_hh${end}`),
            weightHr: this.parameter(`weight_hr${end}`),
            states: initial.map((states) => states[at]),
            lengths: valid,
          },
          { reverse: direction === 1, hiddenSize: this.hiddenSize },
        );
        outputs.push(y);
        for (const [i, value] of final.entries()) finals[i].push(value);
      }
      x = ops.concat(outputs, -1);
    }
    const [h, c] = finals.map((list) => {
      const stacked = ops.stack(list, 0);
      return single ? ops.squeeze(stacked, 1) : stacked;
    });
    if (single) return { output: ops.squeeze(x, 1), state: { h, c } };
    return { output: this.batchFirst ? ops.transpose(x, 0, 1) : x, state: { h, c } };
  }

  /** One mask for all steps: the same connections are missing throughout a sequence. */
  private hiddenWeight(name: string): Tensor {
    const weight = this.parameter(name)!;
    return this.training ? dropout(weight, this.weightDropout) : weight;
  }

  private check(x: Tensor): void {
    const order = this.batchFirst ? "(batch, time" : "(time, batch";
    if ((x.rank !== 3 && x.rank !== 2) || !equal(x.shape.at(-1)!, this.inputSize)) {
      throw new TensorlaneError(
        `${this.kind}: expected input ${order}, ${this.inputSize}) or (time, ${this.inputSize}), ` +
          `received ${format(x.shape)}`,
      );
    }
  }

  /** For each state, one (N, size) tensor per layer and direction. */
  private initialStates(
    batch: Size,
    state: RecurrentState | undefined,
    single: boolean,
  ): Tensor[][] {
    const count = this.numLayers * this.directions;
    return statesOf(this.kind).map((name) => {
      const size = name === "h" ? this.outputSize : this.hiddenSize;
      if (!state) return new Array<Tensor>(count).fill(ops.zeros([batch, size]));
      const given = state[name as "h" | "c"];
      const expected = [count, batch, size];
      const value = given && single && given.rank === 2 ? ops.unsqueeze(given, 1) : given;
      if (!value || !expected.every((n, axis) => equal(n, value.shape[axis] ?? 0))) {
        throw new TensorlaneError(
          `${this.kind}: initial state ${name} must be ${format(expected)} ` +
            `(layers x directions, batch, size), received ${value ? format(value.shape) : "nothing"}`,
        );
      }
      return ops.split(value, 1, 0).map((part) => ops.squeeze(part, 0));
    });
  }
}

const suffix = (layer: number, direction: number): string =>
  `_l${layer}${direction === 1 ? "_reverse" : ""}`;

export interface RNNOptions extends RecurrentOptions {
  readonly nonlinearity?: "tanh" | "relu";
}

/**
 * Elman network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), over time, layers and directions. The lecture's letters:
 * S_t = f(U X_t + W S_{t-1}) has U = weight_ih_l0, W = weight_hh_l0; O_t = g(V S_t) is a Linear behind it.
 *
 * @example
 * const { output, state } = new nn.RNN({ inputSize: 4, hiddenSize: 8 }).forward(x); // x: (T, N, 4)
 */
export class RNN extends Recurrent {
  constructor({ nonlinearity = "tanh", ...options }: RNNOptions) {
    super(nonlinearity === "relu" ? "RNN_RELU" : "RNN_TANH", options);
  }
}

export interface LSTMOptions extends RecurrentOptions {
  /** Size of a projection of the hidden state (Sak et al. 2014); 0 means none. */
  readonly projSize?: number;
}

/** Long short-term memory (Hochreiter & Schmidhuber 1997), over time, layers and directions. */
export class LSTM extends Recurrent {
  constructor({ projSize = 0, ...options }: LSTMOptions) {
    super("LSTM", options, projSize);
  }
}

export interface GRUOptions extends RecurrentOptions {
  /** Whether the reset gate acts after the product with the weights (PyTorch) or before (2014 paper). */
  readonly resetAfter?: boolean;
}

/**
 * Gated recurrent unit (Cho et al. 2014), over time, layers and directions: h' = (1 - z) n + z h, so that an update
 * gate z of 1 keeps the old state.
 */
export class GRU extends Recurrent {
  constructor({ resetAfter = true, ...options }: GRUOptions) {
    super(resetAfter ? "GRU" : "GRU_RESET_BEFORE", options);
  }
}
