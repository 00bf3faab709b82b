import { optim } from "tensorlane";
import type { Keywords } from "./keywords.ts";

type Maker = (lr: number, k: Keywords) => optim.Schedule;

/** A keyword without which PyTorch's constructor fails too. */
function required(k: Keywords, name: string): number {
  return k.number(name) ?? k.fail(name, "a number");
}
/** Cycled momentum would be part of the optimiser; its bounds mean nothing without it. */
const withoutMomentum = (k: Keywords): Keywords =>
  k.only({ cycle_momentum: false }).ignore("base_momentum", "max_momentum");
const atEpochs = { interval: "epoch" } as const;

/** The optimiser of these cases has one group of parameters, so a list of rates has one entry. */
function oneOf(k: Keywords, name: string): number | undefined {
  const value = k.numberOrNumbers(name);
  if (typeof value === "number" || value === undefined) return value;
  return value.length === 1 ? value[0] : k.fail(name, "one rate");
}

const makers: Readonly<Record<string, Maker>> = {
  StepLR: (lr, k) =>
    new optim.StepLR(lr, { stepSize: required(k, "step_size"), gamma: k.number("gamma") }),
  MultiStepLR: (lr, k) =>
    new optim.MultiStepLR(lr, {
      milestones: k.numbers("milestones") ?? [],
      gamma: k.number("gamma"),
    }),
  ExponentialLR: (lr, k) => new optim.ExponentialLR(lr, { gamma: required(k, "gamma") }),
  ConstantLR: (lr, k) =>
    new optim.ConstantLR(lr, { factor: k.number("factor"), totalIters: k.number("total_iters") }),
  LinearLR: (lr, k) =>
    new optim.LinearLR(lr, {
      startFactor: k.number("start_factor"),
      endFactor: k.number("end_factor"),
      totalIters: k.number("total_iters"),
    }),
  PolynomialLR: (lr, k) =>
    new optim.PolynomialLR(lr, { totalIters: k.number("total_iters"), power: k.number("power") }),
  CosineAnnealingLR: (lr, k) =>
    new optim.CosineAnnealingLR(lr, { tMax: required(k, "T_max"), etaMin: k.number("eta_min") }),
  CosineAnnealingWarmRestarts: (lr, k) =>
    new optim.CosineAnnealingWarmRestarts(lr, {
      t0: required(k, "T_0"),
      tMult: k.number("T_mult"),
      etaMin: k.number("eta_min"),
    }),
  OneCycleLR: (lr, k) =>
    new optim.OneCycleLR(lr, {
      ...atEpochs,
      maxLr: oneOf(withoutMomentum(k), "max_lr") ?? k.fail("max_lr", "a number"),
      totalSteps: k.number("total_steps"),
      epochs: k.number("epochs"),
      stepsPerEpoch: k.number("steps_per_epoch"),
      pctStart: k.number("pct_start"),
      annealStrategy: k.choice("anneal_strategy", ["cos", "linear"], "cos"),
      divFactor: k.number("div_factor"),
      finalDivFactor: k.number("final_div_factor"),
      threePhase: k.boolean("three_phase", false),
    }),
  CyclicLR: (lr, k) =>
    new optim.CyclicLR(lr, {
      ...atEpochs,
      baseLr: oneOf(withoutMomentum(k), "base_lr") ?? k.fail("base_lr", "a number"),
      maxLr: oneOf(k, "max_lr") ?? k.fail("max_lr", "a number"),
      stepSizeUp: k.number("step_size_up"),
      stepSizeDown: k.number("step_size_down"),
      mode: k.choice("mode", ["triangular", "triangular2", "exp_range"], "triangular"),
      gamma: k.number("gamma"),
    }),
  ReduceLROnPlateau: (lr, k) =>
    new optim.ReduceLROnPlateau(lr, {
      mode: k.choice("mode", ["min", "max"], "min"),
      factor: k.number("factor"),
      patience: k.number("patience"),
      threshold: k.number("threshold"),
      thresholdMode: k.choice("threshold_mode", ["rel", "abs"], "rel"),
      cooldown: k.number("cooldown"),
      minLr: oneOf(k, "min_lr"),
      eps: k.number("eps"),
    }),
};

/** PyTorch's scheduler of that name; fails on names and keywords that are not known. */
export function makeSchedule(name: string, lr: number, k: Keywords): optim.Schedule {
  const make = makers[name];
  if (!make) throw new Error(`scheduler ${name} is not known to this suite`);
  const schedule = make(lr, k.only({ last_epoch: -1 }).ignore("verbose"));
  k.done();
  return schedule;
}
