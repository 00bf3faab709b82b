import { TensorlaneError } from "../errors.ts";
import { add, div, maximum, mul, sqrt, square, sub } from "../graph/ops/index.ts";
import {
  atLeast,
  average,
  belowOne,
  biasCorrection,
  type CommonOptions,
  OptimizerBase,
  type Slot,
  type UpdateInputs,
  type UpdateOutputs,
} from "./optimizer.ts";

export interface AdamOptions extends CommonOptions {
  /** 0.001. */
  readonly lr?: number;
  /** Decay of the averages of the gradient and of its square; [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root; 1e-8. */
  readonly eps?: number;
  /** 0 in Adam, 0.01 in AdamW. */
  readonly weightDecay?: number;
  /** Divide by the largest average of squares so far (Reddi et al. 2018). */
  readonly amsgrad?: boolean;
}

const defaults = {
  lr: 1e-3,
  betas: [0.9, 0.999] as readonly [number, number],
  eps: 1e-8,
  weightDecay: 0,
  amsgrad: false,
  maximize: false,
};

/**
 * Adam (Kingma & Ba 2015): m = β₁m + (1 - β₁)g, v = β₂v + (1 - β₂)g²,
 * p = p - lr · m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + eps). Weight decay is added to g.
 *
 * @example new optim.Adam({ lr: 1e-3 })
 */
export class Adam extends OptimizerBase<AdamOptions> {
  readonly slots: readonly Slot[];

  constructor(options: AdamOptions = {}) {
    super("Adam", defaults, options);
    this.slots = adamSlots(this);
  }

  update(inputs: UpdateInputs): UpdateOutputs {
    return adamUpdate(inputs, this.descent(inputs), this.options);
  }
}

/**
 * Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019): p is first multiplied by
 * 1 - lr · weightDecay, then moves as in Adam.
 *
 * @example new optim.AdamW({ lr: 1e-3, weightDecay: 0.01 })
 */
export class AdamW extends OptimizerBase<AdamOptions> {
  readonly slots: readonly Slot[];

  constructor(options: AdamOptions = {}) {
    super("AdamW", { ...defaults, weightDecay: 0.01 }, options);
    this.slots = adamSlots(this);
  }

  update(inputs: UpdateInputs): UpdateOutputs {
    const { weightDecay } = this.options;
    const { parameter, lr } = inputs;
    const decayed = weightDecay === 0 ? parameter : mul(parameter, sub(1, mul(lr, weightDecay)));
    const g = this.descent(inputs, false);
    return adamUpdate({ ...inputs, parameter: decayed }, g, this.options);
  }
}

function adamSlots({ name, options }: Adam | AdamW): Slot[] {
  const { betas, eps, amsgrad } = options;
  if (betas.length !== 2) {
    throw new TensorlaneError(`${name}: betas must be two numbers, received ${betas.length}`);
  }
  for (const [i, beta] of betas.entries()) belowOne(name, `betas[${i}]`, beta);
  atLeast(name, "eps", eps, 0);
  const names = ["expAvg", "expAvgSq", ...(amsgrad ? ["maxExpAvgSq"] : [])];
  return names.map((slot) => ({ name: slot, initial: 0 }));
}

function adamUpdate(
  { parameter, slots, lr, step }: UpdateInputs,
  g: UpdateInputs["gradient"],
  { betas, eps, amsgrad }: Pick<Required<AdamOptions>, "betas" | "eps" | "amsgrad">,
): UpdateOutputs {
  const expAvg = average(slots.expAvg, betas[0], g);
  const expAvgSq = average(slots.expAvgSq, betas[1], square(g));
  const maxExpAvgSq = amsgrad ? maximum(slots.maxExpAvgSq, expAvgSq) : undefined;
  // With c = √(1 - β₂ᵗ): m / (√v / c + eps) = c m / (√v + c eps), which moves the division to a scalar.
  const [first, second] = betas.map((beta) => biasCorrection(beta, step));
  const c = second && sqrt(second);
  const root = sqrt(maxExpAvgSq ?? expAvgSq);
  const direction = div(expAvg, add(root, c ? mul(c, eps) : eps));
  const scaled = c ? mul(lr, c) : lr;
  const rate = first ? div(scaled, first) : scaled;
  return {
    parameter: sub(parameter, mul(direction, rate)),
    slots: { expAvg, expAvgSq, ...(maxExpAvgSq && { maxExpAvgSq }) },
  };
}
