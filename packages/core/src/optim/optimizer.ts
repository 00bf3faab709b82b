import { TensorlaneError } from "../errors.ts";
import { add, div, mul, neg, sub, tanh } from "../graph/ops/index.ts";
import type { Tensor } from "../graph/tensor.ts";

/** A value kept for every parameter, of the parameter's shape. */
export interface Slot {
  /** PyTorch's name for it in camelCase, such as `expAvg`. */
  readonly name: string;
  /** What every element is before the first update. */
  readonly initial: number;
}

/** What an update reads: a parameter, its gradient, its state, and two float32 scalars. */
export interface UpdateInputs {
  readonly parameter: Tensor;
  /** Same shape as the parameter. */
  readonly gradient: Tensor;
  /** By slot name, each of the parameter's shape. */
  readonly slots: Readonly<Record<string, Tensor>>;
  /** The learning rate of this step: a float32 scalar fed anew every step, so schedules never recompile. */
  readonly lr: Tensor;
  /** The number of this update as a float32 scalar, 1 on the first. */
  readonly step: Tensor;
}

/** What an update gives: the new values, in the order and by the names of the old ones. */
export interface UpdateOutputs {
  readonly parameter: Tensor;
  readonly slots: Readonly<Record<string, Tensor>>;
}

/**
 * How parameters change in the light of their gradients: a description without state. The state (`slots`)
 * belongs to whoever runs it.
 *
 * The update is purely elementwise in the parameter, the gradient and the slots, so it can run on one flat
 * buffer that holds many parameters. It can also run in place: every node that reads a state tensor comes
 * before the node that makes the new value, or is that node (`inPlaceHazards` checks it).
 */
export interface Optimizer {
  /** PyTorch's name: `SGD`, `Adam`, ... */
  readonly name: string;
  /** Initial learning rate. */
  readonly lr: number;
  /** All options with their defaults filled in, JSON-able, for checkpoints. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly slots: readonly Slot[];
  /** Parameters that are treated differently; see `groupOf`. */
  readonly groups: readonly ParameterGroup[];
  update(inputs: UpdateInputs): UpdateOutputs;
  /** The same optimiser with another weight decay and no groups. */
  withWeightDecay(weightDecay: number): Optimizer;
}

/**
 * Parameters that get another rate or weight decay than the rest.
 *
 * @example
 * const noDecay = { match: (name: string) => name.endsWith("bias"), weightDecay: 0 };
 * new optim.AdamW({ lr: 1e-3, groups: [noDecay] });
 */
export interface ParameterGroup {
  /** Whether the parameter of this name (its state-dict key) belongs here; the first match wins. */
  readonly match: (name: string) => boolean;
  /** Factor on the learning rate; 1 otherwise. */
  readonly lrScale?: number;
  /** Weight decay in place of the optimiser's. */
  readonly weightDecay?: number;
}

/** How the parameters of one group are treated. */
export interface Treatment {
  /** 0 for parameters in no group, k + 1 for those in `optimizer.groups[k]`. */
  readonly index: number;
  readonly lrScale: number;
  readonly optimizer: Optimizer;
}

/** How the parameter of this name is treated: the first group that matches, or the optimiser as it is. */
export function groupOf(optimizer: Optimizer, name: string): Treatment {
  const at = optimizer.groups.findIndex((group) => group.match(name));
  if (at < 0) return { index: 0, lrScale: 1, optimizer };
  const { lrScale = 1, weightDecay } = optimizer.groups[at];
  const own = weightDecay === undefined ? optimizer : optimizer.withWeightDecay(weightDecay);
  return { index: at + 1, lrScale, optimizer: own };
}

/** Options that every optimiser takes. */
export interface CommonOptions {
  /** Initial learning rate. */
  readonly lr?: number;
  /** Factor of the parameter that is added to its gradient (in AdamW: taken off the parameter itself). */
  readonly weightDecay?: number;
  /** Ascend instead of descend. */
  readonly maximize?: boolean;
  /** Parameters that are treated differently. */
  readonly groups?: readonly ParameterGroup[];
}

/** Options without those that a checkpoint cannot hold, defaults filled in. */
export type Settings<Options extends CommonOptions> = Required<Omit<Options, "groups">>;

/** What the optimisers share: options with defaults and checks, and the groups. */
export abstract class OptimizerBase<Options extends CommonOptions> implements Optimizer {
  readonly name: string;
  readonly options: Readonly<Settings<Options> & Record<string, unknown>>;
  readonly groups: readonly ParameterGroup[];
  abstract readonly slots: readonly Slot[];

  constructor(name: string, defaults: Settings<Options>, given: Options) {
    this.name = name;
    const { groups = [], ...rest } = given;
    this.options = fillIn(name, defaults as Record<string, unknown>, rest) as typeof this.options;
    this.groups = groups;
    atLeast(name, "lr", this.lr, 0);
    atLeast(name, "weightDecay", this.options.weightDecay as number, 0);
    for (const { lrScale = 1, weightDecay = 0 } of groups) {
      atLeast(`${name}: groups`, "lrScale", lrScale, 0);
      atLeast(`${name}: groups`, "weightDecay", weightDecay, 0);
    }
  }

  get lr(): number {
    return this.options.lr as number;
  }

  abstract update(inputs: UpdateInputs): UpdateOutputs;

  withWeightDecay(weightDecay: number): Optimizer {
    const maker = this.constructor as new (options: object) => Optimizer;
    return new maker({ ...this.options, weightDecay });
  }

  /** The gradient to descend along, with the L2 penalty: ±g + weightDecay · p. */
  protected descent({ gradient, parameter }: UpdateInputs, decay = true): Tensor {
    const { maximize, weightDecay } = this.options as { maximize: boolean; weightDecay: number };
    const downhill = maximize ? neg(gradient) : gradient;
    return decay && weightDecay !== 0 ? add(downhill, mul(parameter, weightDecay)) : downhill;
  }
}

/** Defaults overlaid with what was given; an unknown name or a value of another type is an error. */
function fillIn(
  what: string,
  defaults: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const result = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, key)) {
      throw new TensorlaneError(
        `${what}: no option is called "${key}"; there are ${Object.keys(defaults).join(", ")}, groups`,
      );
    }
    if (value === undefined) continue;
    const list = Array.isArray(value) ? value : [value];
    const numbers = list.every((entry) => typeof entry === "boolean" || Number.isFinite(entry));
    if (kindOf(value) !== kindOf(defaults[key]) || !numbers) {
      throw new TensorlaneError(
        `${what}: ${key} must be a ${kindOf(defaults[key])}, received ${String(value)}`,
      );
    }
    result[key] = value;
  }
  return result;
}

const kindOf = (value: unknown): string =>
  Array.isArray(value) ? "list of numbers" : typeof value;

/** Throws unless value ≥ low (and is a number). */
export function atLeast(what: string, option: string, value: number, low: number): void {
  if (!(value >= low && value < Infinity)) {
    throw new TensorlaneError(`${what}: ${option} must be at least ${low}, received ${value}`);
  }
}

/** Throws unless 0 ≤ value < 1. */
export function belowOne(what: string, option: string, value: number): void {
  if (!(value >= 0 && value < 1)) {
    throw new TensorlaneError(
      `${what}: ${option} must be at least 0 and below 1, received ${value}`,
    );
  }
}

/** Throws unless 0 ≤ value ≤ 1. */
export function atMostOne(what: string, option: string, value: number): void {
  if (!(value >= 0 && value <= 1)) {
    throw new TensorlaneError(`${what}: ${option} must be between 0 and 1, received ${value}`);
  }
}

/** decay · old + (1 - decay) · fresh: the exponential moving average. */
export const average = (old: Tensor, decay: number, fresh: Tensor): Tensor =>
  add(mul(old, decay), mul(fresh, 1 - decay));

/**
 * 1 - beta^step as a float32 scalar, exact to a few units in the last place also where beta^step is close
 * to 1: with y = tanh(step · ln(beta) / 2), beta^step = (1 + y) / (1 - y), so 1 - beta^step = -2y / (1 - y).
 * Undefined for beta = 0, where it is 1.
 */
export function biasCorrection(beta: number, step: Tensor): Tensor | undefined {
  if (beta === 0) return undefined;
  const y = tanh(mul(step, Math.log(beta) / 2));
  return div(mul(y, -2), sub(1, y));
}
