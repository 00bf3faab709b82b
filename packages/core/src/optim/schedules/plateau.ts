import { TensorlaneError } from "../../errors.ts";
import {
  type BaseRate,
  isCount,
  type JsonObject,
  numberIn,
  requireOption,
  requireState,
  type Schedule,
} from "./schedule.ts";

export interface PlateauOptions {
  /** Whether less ("min", the default) or more ("max") of the metric is better. */
  readonly mode?: "min" | "max";
  /** What the rate is multiplied by, below 1; 0.1. */
  readonly factor?: number;
  /** Epochs without improvement that are tolerated; 10. */
  readonly patience?: number;
  /** How much better counts as better; 1e-4. */
  readonly threshold?: number;
  /** Whether the threshold is a part of the best value ("rel") or a difference ("abs"). */
  readonly thresholdMode?: "rel" | "abs";
  /** Epochs after a reduction in which nothing is counted; 0. */
  readonly cooldown?: number;
  readonly minLr?: number;
  /** Smaller changes of the rate are not made; 1e-8. */
  readonly eps?: number;
}

const defaults: Required<PlateauOptions> = {
  mode: "min",
  factor: 0.1,
  patience: 10,
  threshold: 1e-4,
  thresholdMode: "rel",
  cooldown: 0,
  minLr: 0,
  eps: 1e-8,
};

const NAME = "ReduceLROnPlateau";

/**
 * Reduces the rate when the validation metric has stopped improving.
 *
 * @example new optim.ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 3 })
 */
export class ReduceLROnPlateau implements Schedule {
  readonly interval = "epoch";
  private readonly options: Required<PlateauOptions>;
  private current: number;
  private best: number;
  private badEpochs = 0;
  private cooling = 0;

  constructor(rate: BaseRate, options: PlateauOptions = {}) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.options = { ...defaults, ...Object.fromEntries(given) };
    const { mode, factor, patience, thresholdMode, cooldown } = this.options;
    requireOption(mode === "min" || mode === "max", NAME, "mode", mode, "min or max");
    requireOption(factor >= 0 && factor < 1, NAME, "factor", factor, "at least 0 and below 1");
    requireOption(isCount(patience, 0), NAME, "patience", patience, "a whole number from 0");
    const known = thresholdMode === "rel" || thresholdMode === "abs";
    requireOption(known, NAME, "thresholdMode", thresholdMode, "rel or abs");
    requireOption(isCount(cooldown, 0), NAME, "cooldown", cooldown, "a whole number from 0");
    this.current = typeof rate === "number" ? rate : rate.lr;
    this.best = mode === "min" ? Infinity : -Infinity;
  }

  rate(): number {
    return this.current;
  }

  advance(metric?: number): void {
    if (metric === undefined) {
      throw new TensorlaneError(
        `${NAME}: needs the value to watch at the end of every epoch; give fit() validation data`,
      );
    }
    const { patience, cooldown, factor, minLr, eps } = this.options;
    if (this.isBetter(metric)) {
      this.best = metric;
      this.badEpochs = 0;
    } else this.badEpochs++;
    if (this.cooling > 0) {
      this.cooling--;
      this.badEpochs = 0;
    }
    if (this.badEpochs <= patience) return;
    const reduced = Math.max(this.current * factor, minLr);
    if (this.current - reduced > eps) this.current = reduced;
    this.cooling = cooldown;
    this.badEpochs = 0;
  }

  private isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.options;
    if (mode === "min") {
      return (
        metric < (thresholdMode === "rel" ? this.best * (1 - threshold) : this.best - threshold)
      );
    }
    return metric > (thresholdMode === "rel" ? this.best * (1 + threshold) : this.best + threshold);
  }

  state(): JsonObject {
    const { current: rate, best, badEpochs, cooling } = this;
    // JSON has no infinity: no best value yet is null.
    return { schedule: NAME, rate, best: Number.isFinite(best) ? best : null, badEpochs, cooling };
  }

  load(state: JsonObject): void {
    requireState(NAME, state);
    this.current = numberIn(NAME, state, "rate");
    this.badEpochs = numberIn(NAME, state, "badEpochs");
    this.cooling = numberIn(NAME, state, "cooling");
    if (state.best !== null) this.best = numberIn(NAME, state, "best");
    else this.best = this.options.mode === "min" ? Infinity : -Infinity;
  }
}
