import { add, clamp, div, mul, sqrt, square, sub } from "../graph/ops/index.ts";
import {
  atLeast,
  average,
  type CommonOptions,
  OptimizerBase,
  type Slot,
  type UpdateInputs,
  type UpdateOutputs,
} from "./optimizer.ts";

export interface RMSpropOptions extends CommonOptions {
  /** 0.01. */
  readonly lr?: number;
  /** Decay of the average of squares; 0.99. */
  readonly alpha?: number;
  /** Added to the root; 1e-8. */
  readonly eps?: number;
  readonly weightDecay?: number;
  readonly momentum?: number;
  /** Divide by an estimate of the standard deviation (Graves 2013) in place of the root mean square. */
  readonly centered?: boolean;
}

/**
 * RMSprop (Tieleman & Hinton 2012): s = alpha · s + (1 - alpha)g², p = p - lr · g / (√s + eps); with
 * momentum the quotient is collected in a buffer, and p moves along that. Centred: s less the squared
 * average gradient, held at 0 where rounding would make it negative (PyTorch yields NaN there).
 *
 * @example new optim.RMSprop({ lr: 0.01, alpha: 0.9, momentum: 0.9 })
 */
export class RMSprop extends OptimizerBase<RMSpropOptions> {
  readonly slots: readonly Slot[];

  constructor(options: RMSpropOptions = {}) {
    super(
      "RMSprop",
      {
        lr: 0.01,
        alpha: 0.99,
        eps: 1e-8,
        weightDecay: 0,
        momentum: 0,
        centered: false,
        maximize: false,
      },
      options,
    );
    const { alpha, eps, momentum, centered } = this.options;
    for (const [option, value] of Object.entries({ alpha, eps, momentum })) {
      atLeast("RMSprop", option, value, 0);
    }
    const names = ["squareAvg"];
    if (centered) names.push("gradAvg");
    if (momentum > 0) names.push("momentumBuffer");
    this.slots = names.map((name) => ({ name, initial: 0 }));
  }

  update(inputs: UpdateInputs): UpdateOutputs {
    const { parameter, slots, lr } = inputs;
    const { alpha, eps, momentum, centered } = this.options;
    const g = this.descent(inputs);
    const squareAvg = average(slots.squareAvg, alpha, square(g));
    const gradAvg = centered ? average(slots.gradAvg, alpha, g) : undefined;
    const spread = gradAvg ? clamp(sub(squareAvg, square(gradAvg)), { min: 0 }) : squareAvg;
    const direction = div(g, add(sqrt(spread), eps));
    const momentumBuffer =
      momentum > 0 ? add(mul(slots.momentumBuffer, momentum), direction) : undefined;
    return {
      parameter: sub(parameter, mul(momentumBuffer ?? direction, lr)),
      slots: { squareAvg, ...(gradAvg && { gradAvg }), ...(momentumBuffer && { momentumBuffer }) },
    };
  }
}
