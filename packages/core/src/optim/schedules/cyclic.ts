import { TensorlaneError } from "../../errors.ts";
import {
  type BaseRate,
  CountingSchedule,
  type IntervalOption,
  isCount,
  requireOption,
} from "./schedule.ts";

/**
 * Half a cosine from the initial rate down to `etaMin` over `tMax` intervals (Loshchilov & Hutter 2017,
 * without restarts). Beyond `tMax` the rate climbs again, as PyTorch's does.
 */
export class CosineAnnealingLR extends CountingSchedule {
  private readonly tMax: number;
  private readonly etaMin: number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & { readonly tMax: number; readonly etaMin?: number },
  ) {
    super("CosineAnnealingLR", rate, options.interval);
    this.tMax = options.tMax;
    this.etaMin = options.etaMin ?? 0;
    const fine = isCount(this.tMax);
    requireOption(fine, "CosineAnnealingLR", "tMax", this.tMax, "a whole number from 1");
  }

  protected next(before: number): number {
    const { count, tMax, etaMin } = this;
    if (count === 0) return before;
    const angle = Math.PI / tMax;
    // Where the rate was at its lowest, the quotient below would be 0 / 0.
    if ((count - 1 - tMax) % (2 * tMax) === 0) {
      return before + ((this.base - etaMin) * (1 - Math.cos(angle))) / 2;
    }
    const ratio = (1 + Math.cos(angle * count)) / (1 + Math.cos(angle * (count - 1)));
    return ratio * (before - etaMin) + etaMin;
  }
}

/**
 * Cosine annealing that starts again after t0 intervals, then after t0 · tMult, t0 · tMult², ...
 * (SGDR, Loshchilov & Hutter 2017).
 */
export class CosineAnnealingWarmRestarts extends CountingSchedule {
  private readonly t0: number;
  private readonly tMult: number;
  private readonly etaMin: number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & {
      readonly t0: number;
      readonly tMult?: number;
      readonly etaMin?: number;
    },
  ) {
    const name = "CosineAnnealingWarmRestarts";
    super(name, rate, options.interval);
    this.t0 = options.t0;
    this.tMult = options.tMult ?? 1;
    this.etaMin = options.etaMin ?? 0;
    requireOption(isCount(this.t0), name, "t0", this.t0, "a whole number from 1");
    requireOption(isCount(this.tMult), name, "tMult", this.tMult, "a whole number from 1");
  }

  protected next(): number {
    let since = this.count;
    let period = this.t0;
    while (since >= period) {
      since -= period;
      period *= this.tMult;
    }
    const { base, etaMin } = this;
    return etaMin + ((base - etaMin) * (1 + Math.cos((Math.PI * since) / period))) / 2;
  }
}

export interface OneCycleOptions extends IntervalOption {
  readonly maxLr: number;
  /** Length of the cycle; or give `epochs` and `stepsPerEpoch`. */
  readonly totalSteps?: number;
  readonly epochs?: number;
  readonly stepsPerEpoch?: number;
  /** Part of the cycle in which the rate rises; 0.3. */
  readonly pctStart?: number;
  readonly annealStrategy?: "cos" | "linear";
  /** The first rate is maxLr / divFactor; 25. */
  readonly divFactor?: number;
  /** The last rate is the first one / finalDivFactor; 1e4. */
  readonly finalDivFactor?: number;
  /** Fall to the first rate as slowly as it rose, then to the last. */
  readonly threePhase?: boolean;
  /** Only false: momentum is a constant of the compiled update. */
  readonly cycleMomentum?: false;
}

/**
 * One rise to `maxLr` and one long fall (Smith & Topin 2019). Advances every step unless `interval` says
 * "epoch"; the optimiser's own rate is not used.
 *
 * @example new optim.OneCycleLR(optimizer, { maxLr: 0.1, epochs: 10, stepsPerEpoch: loader.length })
 */
export class OneCycleLR extends CountingSchedule {
  private readonly total: number;
  private readonly linear: boolean;
  /** Where each phase ends, and the rates between which it runs. */
  private readonly phases: readonly (readonly [end: number, from: number, to: number])[];

  constructor(rate: BaseRate, options: OneCycleOptions) {
    const name = "OneCycleLR";
    super(name, rate, options.interval ?? "step");
    const { maxLr, pctStart = 0.3, divFactor = 25, finalDivFactor = 1e4 } = options;
    const { annealStrategy = "cos", cycleMomentum = false as boolean } = options;
    this.total = options.totalSteps ?? (options.epochs ?? 0) * (options.stepsPerEpoch ?? 0);
    this.linear = annealStrategy === "linear";
    const length = "a whole number from 1, or epochs and stepsPerEpoch be given";
    requireOption(isCount(this.total), name, "totalSteps", options.totalSteps, length);
    requireOption(maxLr >= 0, name, "maxLr", maxLr, "a number from 0");
    requireOption(pctStart >= 0 && pctStart <= 1, name, "pctStart", pctStart, "between 0 and 1");
    const known = annealStrategy === "cos" || annealStrategy === "linear";
    requireOption(known, name, "annealStrategy", annealStrategy, "cos or linear");
    requireOption(!cycleMomentum, name, "cycleMomentum", cycleMomentum, "false: not supported");

    const first = maxLr / divFactor;
    const last = first / finalDivFactor;
    const top = pctStart * this.total - 1;
    this.phases = options.threePhase
      ? [
          [top, first, maxLr],
          [2 * pctStart * this.total - 2, maxLr, first],
          [this.total - 1, first, last],
        ]
      : [
          [top, first, maxLr],
          [this.total - 1, maxLr, last],
        ];
  }

  protected next(): number {
    if (this.count > this.total) {
      throw new TensorlaneError(
        `OneCycleLR: advanced ${this.count} times, but the cycle has ${this.total} steps; ` +
          "give the length of the whole training as totalSteps",
      );
    }
    let start = 0;
    for (const [i, [end, from, to]] of this.phases.entries()) {
      if (this.count <= end || i === this.phases.length - 1) {
        return this.between(from, to, (this.count - start) / (end - start));
      }
      start = end;
    }
    throw new Error("the last phase has no end");
  }

  private between(from: number, to: number, part: number): number {
    if (this.linear) return (to - from) * part + from;
    return to + ((from - to) / 2) * (Math.cos(Math.PI * part) + 1);
  }
}

export interface CyclicOptions extends IntervalOption {
  readonly baseLr: number;
  readonly maxLr: number;
  /** Intervals of the rise; 2000. */
  readonly stepSizeUp?: number;
  /** Intervals of the fall; as many as of the rise. */
  readonly stepSizeDown?: number;
  /** Equal triangles, each half as high as the one before, or heights that fall as gamma^count. */
  readonly mode?: "triangular" | "triangular2" | "exp_range";
  readonly gamma?: number;
  /** Only false: momentum is a constant of the compiled update. */
  readonly cycleMomentum?: false;
}

/** Up and down between two rates in straight lines (Smith 2017). Advances every step unless told otherwise. */
export class CyclicLR extends CountingSchedule {
  private readonly options: CyclicOptions;
  private readonly period: number;
  private readonly rise: number;

  constructor(rate: BaseRate, options: CyclicOptions) {
    const name = "CyclicLR";
    super(name, rate, options.interval ?? "step");
    const { stepSizeUp = 2000, mode = "triangular", cycleMomentum = false as boolean } = options;
    const { stepSizeDown = stepSizeUp } = options;
    requireOption(isCount(stepSizeUp), name, "stepSizeUp", stepSizeUp, "a whole number from 1");
    requireOption(
      isCount(stepSizeDown),
      name,
      "stepSizeDown",
      stepSizeDown,
      "a whole number from 1",
    );
    const known = ["triangular", "triangular2", "exp_range"].includes(mode);
    requireOption(known, name, "mode", mode, "triangular, triangular2 or exp_range");
    requireOption(!cycleMomentum, name, "cycleMomentum", cycleMomentum, "false: not supported");
    this.options = options;
    this.period = stepSizeUp + stepSizeDown;
    this.rise = stepSizeUp / this.period;
  }

  protected next(): number {
    const { baseLr, maxLr, mode, gamma = 1 } = this.options;
    const cycle = Math.floor(1 + this.count / this.period);
    const x = 1 + this.count / this.period - cycle;
    const height = x <= this.rise ? x / this.rise : (x - 1) / (this.rise - 1);
    let scale = 1;
    if (mode === "triangular2") scale = 1 / 2 ** (cycle - 1);
    else if (mode === "exp_range") scale = gamma ** this.count;
    return baseLr + (maxLr - baseLr) * height * scale;
  }
}
