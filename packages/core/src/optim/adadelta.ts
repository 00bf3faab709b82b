import { add, div, mul, sqrt, square, sub } from "../graph/ops/index.ts";
import {
  atLeast,
  atMostOne,
  average,
  type CommonOptions,
  OptimizerBase,
  type Slot,
  type UpdateInputs,
  type UpdateOutputs,
} from "./optimizer.ts";

export interface AdadeltaOptions extends CommonOptions {
  /** 1. */
  readonly lr?: number;
  /** Decay of both averages; 0.9. */
  readonly rho?: number;
  /** Added under both roots; 1e-6. */
  readonly eps?: number;
  readonly weightDecay?: number;
}

/**
 * Adadelta (Zeiler 2012): s = rho · s + (1 - rho)g², d = √(a + eps) / √(s + eps) · g,
 * a = rho · a + (1 - rho)d², p = p - lr · d.
 *
 * @example new optim.Adadelta({ rho: 0.95 })
 */
export class Adadelta extends OptimizerBase<AdadeltaOptions> {
  readonly slots: readonly Slot[] = [
    { name: "squareAvg", initial: 0 },
    { name: "accDelta", initial: 0 },
  ];

  constructor(options: AdadeltaOptions = {}) {
    super("Adadelta", { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false }, options);
    const { rho, eps } = this.options;
    atMostOne("Adadelta", "rho", rho);
    atLeast("Adadelta", "eps", eps, 0);
  }

  update(inputs: UpdateInputs): UpdateOutputs {
    const { parameter, slots, lr } = inputs;
    const { rho, eps } = this.options;
    const g = this.descent(inputs);
    const squareAvg = average(slots.squareAvg, rho, square(g));
    const roots = div(sqrt(add(slots.accDelta, eps)), sqrt(add(squareAvg, eps)));
    const delta = mul(roots, g);
    const accDelta = average(slots.accDelta, rho, square(delta));
    return {
      parameter: sub(parameter, mul(delta, lr)),
      slots: { squareAvg, accDelta },
    };
  }
}
