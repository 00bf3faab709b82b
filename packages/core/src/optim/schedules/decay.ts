import {
  type BaseRate,
  CountingSchedule,
  type IntervalOption,
  isCount,
  requireOption,
} from "./schedule.ts";

/**
 * Multiplies the rate by gamma every `stepSize` intervals.
 *
 * @example new optim.StepLR(optimizer, { stepSize: 30, gamma: 0.1 })
 */
export class StepLR extends CountingSchedule {
  private readonly stepSize: number;
  private readonly gamma: number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & { readonly stepSize: number; readonly gamma?: number },
  ) {
    super("StepLR", rate, options.interval);
    this.stepSize = options.stepSize;
    this.gamma = options.gamma ?? 0.1;
    requireOption(
      isCount(this.stepSize),
      "StepLR",
      "stepSize",
      this.stepSize,
      "a whole number from 1",
    );
  }

  protected next(before: number): number {
    return this.count === 0 || this.count % this.stepSize !== 0 ? before : before * this.gamma;
  }
}

/** Multiplies the rate by gamma at each milestone; a milestone given twice counts twice. */
export class MultiStepLR extends CountingSchedule {
  private readonly milestones: readonly number[];
  private readonly gamma: number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & { readonly milestones: readonly number[]; readonly gamma?: number },
  ) {
    super("MultiStepLR", rate, options.interval);
    this.milestones = options.milestones;
    this.gamma = options.gamma ?? 0.1;
    for (const at of this.milestones) {
      requireOption(isCount(at, 0), "MultiStepLR", "each milestone", at, "a whole number from 0");
    }
  }

  protected next(before: number): number {
    const due = this.milestones.filter((at) => at === this.count).length;
    return due === 0 ? before : before * this.gamma ** due;
  }
}

/** Multiplies the rate by gamma after every interval. */
export class ExponentialLR extends CountingSchedule {
  private readonly gamma: number;

  constructor(rate: BaseRate, options: IntervalOption & { readonly gamma: number }) {
    super("ExponentialLR", rate, options.interval);
    this.gamma = options.gamma;
    requireOption(this.gamma >= 0, "ExponentialLR", "gamma", this.gamma, "a number from 0");
  }

  protected next(before: number): number {
    return this.count === 0 ? before : before * this.gamma;
  }
}

/**
 * Warm-up: the factor on the initial rate goes in a straight line from `startFactor` to `endFactor` over
 * `totalIters` intervals, then stays.
 */
export class LinearLR extends CountingSchedule {
  private readonly start: number;
  private readonly end: number;
  private readonly totalIters: number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & {
      /** 1/3. */
      readonly startFactor?: number;
      /** 1. */
      readonly endFactor?: number;
      /** 5. */
      readonly totalIters?: number;
    } = {},
  ) {
    super("LinearLR", rate, options.interval);
    this.start = options.startFactor ?? 1 / 3;
    this.end = options.endFactor ?? 1;
    this.totalIters = options.totalIters ?? 5;
    const inUnit = (value: number) => value >= 0 && value <= 1;
    // The recursion divides by the factor so far: from 0 it could never rise.
    const fine = inUnit(this.start) && this.start > 0;
    requireOption(fine, "LinearLR", "startFactor", this.start, "above 0 and at most 1");
    requireOption(inUnit(this.end), "LinearLR", "endFactor", this.end, "between 0 and 1");
    const count = isCount(this.totalIters);
    requireOption(count, "LinearLR", "totalIters", this.totalIters, "a whole number from 1");
  }

  protected next(before: number): number {
    if (this.count === 0) return before * this.start;
    if (this.count > this.totalIters) return before;
    const rise = this.end - this.start;
    return before * (1 + rise / (this.totalIters * this.start + (this.count - 1) * rise));
  }
}

/** The initial rate times `factor` until `totalIters` intervals are over. */
export class ConstantLR extends CountingSchedule {
  private readonly factor: number;
  private readonly totalIters: number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & {
      /** 1/3. */
      readonly factor?: number;
      /** 5. */
      readonly totalIters?: number;
    } = {},
  ) {
    super("ConstantLR", rate, options.interval);
    this.factor = options.factor ?? 1 / 3;
    this.totalIters = options.totalIters ?? 5;
    const fine = this.factor > 0 && this.factor <= 1;
    requireOption(fine, "ConstantLR", "factor", this.factor, "above 0 and at most 1");
    const count = isCount(this.totalIters);
    requireOption(count, "ConstantLR", "totalIters", this.totalIters, "a whole number from 1");
  }

  protected next(before: number): number {
    if (this.count === 0) return before * this.factor;
    return this.count === this.totalIters ? before * (1 / this.factor) : before;
  }
}

/** The initial rate times (1 - count / totalIters)^power, 0 from `totalIters` on. */
export class PolynomialLR extends CountingSchedule {
  private readonly totalIters: number;
  private readonly power: number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & {
      /** 5. */
      readonly totalIters?: number;
      /** 1. */
      readonly power?: number;
    } = {},
  ) {
    super("PolynomialLR", rate, options.interval);
    this.totalIters = options.totalIters ?? 5;
    this.power = options.power ?? 1;
    const count = isCount(this.totalIters);
    requireOption(count, "PolynomialLR", "totalIters", this.totalIters, "a whole number from 1");
  }

  protected next(before: number): number {
    if (this.count === 0 || this.count > this.totalIters) return before;
    const left = 1 - this.count / this.totalIters;
    return before * (left / (1 - (this.count - 1) / this.totalIters)) ** this.power;
  }
}

/** The initial rate times a function of the number of intervals so far. */
export class LambdaLR extends CountingSchedule {
  private readonly lrLambda: (count: number) => number;

  constructor(
    rate: BaseRate,
    options: IntervalOption & { readonly lrLambda: (count: number) => number },
  ) {
    super("LambdaLR", rate, options.interval);
    this.lrLambda = options.lrLambda;
  }

  protected next(): number {
    return this.base * this.lrLambda(this.count);
  }
}
