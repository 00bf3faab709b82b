import { compile, Dim, nn, onnx, ops, type Tensor } from "tensorlane";
import {
  CarriedState,
  LanguageModel,
  type LanguageModelOptions,
  type ModelState,
} from "../../language/index.ts";
import { Recall } from "./recall.ts";
import { KEYS, keyFrequencies, type Roll } from "./rolls.ts";
import { rollFields } from "./windows.ts";

export interface RollModelOptions
  extends Omit<LanguageModelOptions, "tokens" | "embedding" | "tied"> {
  /** Steps of the piece that the model may recall; 0: none. */
  readonly memory: number;
}

/**
 * A recurrent model of piano rolls: which keys sound next, each judged by itself. Keys (N, T, 88) of 0 and 1
 * and the states before them -> logits (T, N, 88) and the states after them.
 */
export class RollModel extends LanguageModel {
  declare readonly head: nn.Linear;
  readonly recall?: Recall;
  /** Reads the state together with what was recalled. */
  readonly recalled?: nn.Linear;
  readonly recalledHead?: nn.Linear;

  constructor({ memory, ...options }: RollModelOptions) {
    super({ ...options, tokens: KEYS, embedding: 0, tied: false });
    if (memory === 0) return;
    const { hidden } = options;
    this.recall = new Recall({ units: hidden, size: KEYS, steps: memory });
    this.recalled = new nn.Linear({ inFeatures: hidden + KEYS, outFeatures: hidden });
    this.recalledHead = new nn.Linear({ inFeatures: hidden, outFeatures: KEYS, bias: false });
  }

  /** What a run keeps, to build the model again. */
  get settings(): RollModelOptions {
    return { ...this.options, memory: this.recall?.options.steps ?? 0 };
  }

  override forward(keys: Tensor, state: ModelState = this.zeroState(keys.shape[0]!)) {
    const { dropout, layers } = this.options;
    const { output, state: after } = this.climb(ops.transpose(keys, 0, 1), state);
    const units = this.leaveOut(output, dropout);
    const logits = this.head.forward(units);
    if (!this.recall) return { logits, state: after };
    const past = { before: state[`h${layers - 1}`]!, memory: state.memory! };
    const { recalled, memory } = this.recall.forward(ops.transpose(output, 0, 1), keys, past);
    const both = ops.concat([units, ops.transpose(recalled, 0, 1)], 2);
    const read = this.leaveOut(ops.tanh(this.recalled!.forward(both)), dropout);
    return {
      logits: ops.add(logits, this.recalledHead!.forward(read)),
      state: { ...after, memory },
    };
  }

  override stateSizes(): Readonly<Record<string, number>> {
    const { recall } = this;
    return { ...super.stateSizes(), ...(recall && { memory: recall.memorySize }) };
  }
}

/** What a key that never sounds is given: its logit must not be infinite. */
const SELDOM = 1e-4;

/**
 * Sets the output biases to the logits of how often each key sounds, so that training does not begin with the
 * long way from one half to the few keys of a step.
 */
export function startFromFrequencies({ head }: RollModel, rolls: readonly Roll[]): void {
  const logits = keyFrequencies(rolls).map((share) => {
    const p = Math.min(Math.max(share, SELDOM), 1 - SELDOM);
    return Math.log(p / (1 - p));
  });
  nn.init.reset(head.bias!, (target) => target.set(logits));
}

/**
 * Sums over the steps that count (N, T, 1) and all keys of -log p, one for each row (N), from logits
 * (T, N, 88) and targets (N, T, 88).
 */
export function rollLoss(logits: Tensor, targets: Tensor, counts: Tensor): Tensor {
  const each = nn.bceWithLogits(logits, ops.transpose(targets, 0, 1), { reduction: "none" });
  return ops.sum(ops.mul(each, ops.transpose(counts, 0, 1)), { dim: [0, 2] });
}

/** A model with the states of the rolls that are read side by side; see `CarriedModel`. */
export class CarriedRollModel extends nn.Module {
  readonly model: RollModel;
  readonly state: CarriedState;

  constructor(model: RollModel, rows: number) {
    super();
    this.model = model;
    this.state = new CarriedState(model.stateSizes(), rows);
  }

  /** Mean loss of a step that counts. */
  forward(keys: Tensor, targets: Tensor, counts: Tensor, keep: Tensor): Tensor {
    const { logits, state } = this.model.forward(keys, this.state.forward(keep));
    this.state.update(state);
    return ops.div(ops.sum(rollLoss(logits, targets, counts)), ops.sum(counts));
  }
}

/** Fields of the states of a model. */
export const stateFields = (model: RollModel) =>
  Object.fromEntries(
    Object.entries(model.stateSizes()).map(
      ([name, size]) => [name, { dtype: "float32", shape: [size] }] as const,
    ),
  );

/** Compiles the model for `rows` rolls and `steps` steps: logits, and the states after them. */
export function compileSteps(model: RollModel, rows: number, steps: number) {
  const fields = { keys: rollFields(steps).keys, ...stateFields(model) };
  return compile<string>(
    fields,
    rows,
    ({ keys, ...before }) => {
      model.eval();
      const { logits, state } = model.forward(keys!, before);
      return { logits, ...state };
    },
    { label: "steps of a piano roll" },
  );
}

/**
 * The model as an ONNX file that goes on step by step: `keys` (batch, time, 88) and the states before them
 * -> `logits` (time, batch, 88) and the states after (`state.h0`, ...).
 */
export function exportRollStep(model: RollModel): Promise<Uint8Array> {
  const [batch, time] = [new Dim("batch"), new Dim("time")];
  const states = Object.entries(model.stateSizes()).map(
    ([name, size]) => [name, { shape: [batch, size] }] as const,
  );
  return onnx.exportModel(model, {
    name: "piano_roll_model",
    inputs: { keys: { shape: [batch, time, KEYS] }, ...Object.fromEntries(states) },
    forward: ({ keys, ...state }) => ({ ...model.forward(keys!, state) }),
  });
}
