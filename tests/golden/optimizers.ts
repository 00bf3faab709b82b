import { ops, optim, type Tensor, tensor } from "tensorlane";
import type { Keywords } from "./keywords.ts";

/** How PyTorch goes about an update, not what it computes. */
const IMPLEMENTATION = ["foreach", "fused", "capturable", "differentiable"] as const;

const common = (k: Keywords) => {
  k.ignore(...IMPLEMENTATION);
  return {
    lr: k.number("lr"),
    weightDecay: k.number("weight_decay"),
    maximize: k.boolean("maximize", false),
  };
};
const adam = (k: Keywords) => {
  const betas = k.numbers("betas");
  return {
    ...common(k),
    betas: betas && ([betas[0], betas[1]] as const),
    eps: k.number("eps"),
    amsgrad: k.boolean("amsgrad", false),
  };
};
/** An absent keyword leaves PyTorch's default, which ours must equal. */
const given = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

const makers: Readonly<Record<string, (k: Keywords) => optim.Optimizer>> = {
  SGD: (k) =>
    new optim.SGD(
      given({
        ...common(k),
        lr: k.number("lr") ?? k.fail("lr", "a number"),
        momentum: k.number("momentum"),
        dampening: k.number("dampening"),
        nesterov: k.boolean("nesterov", false),
      }),
    ),
  Adam: (k) => new optim.Adam(given(adam(k))),
  AdamW: (k) => new optim.AdamW(given(adam(k))),
  RMSprop: (k) =>
    new optim.RMSprop(
      given({
        ...common(k),
        alpha: k.number("alpha"),
        eps: k.number("eps"),
        momentum: k.number("momentum"),
        centered: k.boolean("centered", false),
      }),
    ),
  Adagrad: (k) =>
    new optim.Adagrad(
      given({
        ...common(k),
        lrDecay: k.number("lr_decay"),
        initialAccumulatorValue: k.number("initial_accumulator_value"),
        eps: k.number("eps"),
      }),
    ),
  Adadelta: (k) =>
    new optim.Adadelta(given({ ...common(k), rho: k.number("rho"), eps: k.number("eps") })),
};

/** PyTorch's optimiser of that name; fails on names and keywords that are not known. */
export function makeOptimizer(name: string, k: Keywords): optim.Optimizer {
  const make = makers[name];
  if (!make) throw new Error(`optimizer ${name} is not known to this suite`);
  const optimizer = make(k);
  k.done();
  return optimizer;
}

export interface TrainingState {
  readonly parameters: readonly Tensor[];
  readonly slots: readonly Readonly<Record<string, Tensor>>[];
}

export const startOf = (
  optimizer: optim.Optimizer,
  parameters: readonly Tensor[],
): TrainingState => ({
  parameters,
  slots: parameters.map(({ shape }) =>
    Object.fromEntries(
      optimizer.slots.map(({ name, initial }) => [name, ops.full(shape, initial)]),
    ),
  ),
});

/** One update of all parameters; `step` is a scalar that counts from 1. */
export function update(
  optimizer: optim.Optimizer,
  state: TrainingState,
  gradients: readonly Tensor[],
  step: Tensor,
): TrainingState {
  const lr = tensor(optimizer.lr);
  const results = state.parameters.map((parameter, i) =>
    optimizer.update({
      parameter,
      gradient: gradients[i],
      slots: state.slots[i],
      lr,
      step,
    }),
  );
  return {
    parameters: results.map(({ parameter }) => parameter),
    slots: results.map(({ slots }) => slots),
  };
}
