import { add, div, mul, sqrt, square, sub } from "../graph/ops/index.ts";
import {
  atLeast,
  type CommonOptions,
  OptimizerBase,
  type Slot,
  type UpdateInputs,
  type UpdateOutputs,
} from "./optimizer.ts";

export interface AdagradOptions extends CommonOptions {
  /** 0.01. */
  readonly lr?: number;
  /** The rate of step t is lr / (1 + (t - 1) · lrDecay). */
  readonly lrDecay?: number;
  readonly weightDecay?: number;
  readonly initialAccumulatorValue?: number;
  /** Added to the root; 1e-10. */
  readonly eps?: number;
}

/**
 * Adagrad (Duchi et al. 2011): s = s + g², p = p - lr / (1 + (t - 1) · lrDecay) · g / (√s + eps).
 *
 * @example new optim.Adagrad({ lr: 0.01 })
 */
export class Adagrad extends OptimizerBase<AdagradOptions> {
  readonly slots: readonly Slot[];

  constructor(options: AdagradOptions = {}) {
    super(
      "Adagrad",
      {
        lr: 0.01,
        lrDecay: 0,
        weightDecay: 0,
        initialAccumulatorValue: 0,
        eps: 1e-10,
        maximize: false,
      },
      options,
    );
    const { lrDecay, initialAccumulatorValue, eps } = this.options;
    for (const [option, value] of Object.entries({ lrDecay, initialAccumulatorValue, eps })) {
      atLeast("Adagrad", option, value, 0);
    }
    this.slots = [{ name: "sum", initial: initialAccumulatorValue }];
  }

  update(inputs: UpdateInputs): UpdateOutputs {
    const { parameter, slots, lr, step } = inputs;
    const { lrDecay, eps } = this.options;
    const g = this.descent(inputs);
    const sum = add(slots.sum, square(g));
    const rate = lrDecay === 0 ? lr : div(lr, add(mul(sub(step, 1), lrDecay), 1));
    const moved = sub(parameter, mul(div(g, add(sqrt(sum), eps)), rate));
    return { parameter: moved, slots: { sum } };
  }
}
