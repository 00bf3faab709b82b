import { TensorlaneError } from "../errors.ts";
import { add, greater, mul, sub, where } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  atLeast,
  type CommonOptions,
  OptimizerBase,
  type Slot,
  type UpdateInputs,
  type UpdateOutputs,
} from "./optimizer.ts";

export interface SGDOptions extends CommonOptions {
  readonly lr: number;
  readonly momentum?: number;
  readonly dampening?: number;
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent, with momentum if asked for: v = momentum · v + (1 - dampening) · g (v = g on
 * the first step), p = p - lr · v; Nesterov's variant (Sutskever et al. 2013) steps along g + momentum · v.
 *
 * @example new optim.SGD({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4, nesterov: true })
 */
export class SGD extends OptimizerBase<SGDOptions> {
  readonly slots: readonly Slot[];

  constructor(options: SGDOptions) {
    super(
      "SGD",
      {
        lr: Number.NaN,
        momentum: 0,
        dampening: 0,
        weightDecay: 0,
        nesterov: false,
        maximize: false,
      },
      options,
    );
    const { momentum, dampening, nesterov } = this.options;
    atLeast("SGD", "momentum", momentum, 0);
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new TensorlaneError(
        `SGD: nesterov needs a momentum above 0 and no dampening, received momentum ${momentum} ` +
          `and dampening ${dampening}`,
      );
    }
    this.slots = momentum === 0 ? [] : [{ name: "momentumBuffer", initial: 0 }];
  }

  update(inputs: UpdateInputs): UpdateOutputs {
    const { parameter, slots, lr } = inputs;
    const { momentum, nesterov } = this.options;
    const g = this.descent(inputs);
    if (momentum === 0) return { parameter: sub(parameter, mul(g, lr)), slots: {} };
    const momentumBuffer = add(mul(slots.momentumBuffer, momentum), this.dampened(g, inputs.step));
    const along = nesterov ? add(g, mul(momentumBuffer, momentum)) : momentumBuffer;
    return { parameter: sub(parameter, mul(along, lr)), slots: { momentumBuffer } };
  }

  /** (1 - dampening) · g, but all of g on the first step, when PyTorch starts the buffer with it. */
  private dampened(g: Tensor, step: Tensor): Tensor {
    const { dampening } = this.options;
    return dampening === 0 ? g : mul(g, where(greater(step, 1), 1 - dampening, 1));
  }
}
