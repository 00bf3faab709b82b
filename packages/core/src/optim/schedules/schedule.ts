import { TensorlaneError } from "../../errors.ts";

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The learning rate over the course of a training. A Trainer feeds `rate()` to every step. */
export interface Schedule {
  /** Whether `advance` is called after each step or after each epoch. */
  readonly interval: "step" | "epoch";
  /** The rate in force now. */
  rate(): number;
  /** One interval is over. `metric`: the validation value of the epoch, for schedules that watch one. */
  advance(metric?: number): void;
  /** Everything that `load` needs to continue exactly as if never stopped. */
  state(): JsonObject;
  load(state: JsonObject): void;
}

/** The initial rate, or the optimiser that has it. */
export type BaseRate = number | { readonly lr: number };

export interface IntervalOption {
  /** When the schedule advances; "epoch" unless said otherwise. */
  readonly interval?: "step" | "epoch";
}

/**
 * A schedule that is a function of the rate so far and a count, as in PyTorch: each advance changes the
 * rate in force, so a schedule taking over within SequentialLR starts from what it finds.
 */
export abstract class CountingSchedule implements Schedule {
  readonly interval: "step" | "epoch";
  protected readonly name: string;
  /** The optimiser's initial rate. */
  protected readonly base: number;
  /** Advances so far: PyTorch's `last_epoch`. */
  protected count = 0;
  private current: number | undefined;

  constructor(name: string, rate: BaseRate, interval: "step" | "epoch" = "epoch") {
    this.name = name;
    this.base = typeof rate === "number" ? rate : rate.lr;
    this.interval = interval;
    requireOption(this.base >= 0, name, "the initial rate", this.base, "a number from 0");
    requireOption(
      ["step", "epoch"].includes(interval),
      name,
      "interval",
      interval,
      "step or epoch",
    );
  }

  /** The rate at the present count, given the one before; at count 0 given the initial rate. */
  protected abstract next(before: number): number;

  rate(): number {
    this.current ??= this.next(this.base);
    return this.current;
  }

  advance(): void {
    this.follow(this.rate());
  }

  /** Advances from a rate that another schedule may have set; returns the new one. */
  follow(before: number): number {
    this.count++;
    this.current = this.next(before);
    return this.current;
  }

  /** Begins anew from the initial rate; returns it. */
  restart(): number {
    this.count = 0;
    this.current = this.next(this.base);
    return this.current;
  }

  state(): JsonObject {
    return { schedule: this.name, count: this.count, rate: this.rate() };
  }

  load(state: JsonObject): void {
    requireState(this.name, state);
    this.count = numberIn(this.name, state, "count");
    this.current = numberIn(this.name, state, "rate");
  }
}

/** Throws unless an option is as it must be. */
export function requireOption(
  fine: boolean,
  what: string,
  option: string,
  received: unknown,
  wanted: string,
): void {
  if (fine) return;
  throw new TensorlaneError(`${what}: ${option} must be ${wanted}, received ${String(received)}`);
}

export const isCount = (value: number, low = 1): boolean => Number.isInteger(value) && value >= low;

/** Throws unless a state was saved by a schedule of this name. */
export function requireState(name: string, state: JsonObject): void {
  if (state.schedule !== name) {
    throw new TensorlaneError(
      `${name}: the saved state is of ${String(state.schedule)}; resume with the schedule it was saved by`,
    );
  }
}

export function numberIn(name: string, state: JsonObject, key: string): number {
  const value = state[key];
  if (typeof value === "number") return value;
  throw new TensorlaneError(`${name}: the saved state has no number "${key}"`);
}
