import type { JsonObject } from "../optim/schedules/schedule.ts";
import type { EpochRecord } from "./callbacks.ts";

/** Means weighted by sample counts. */
export class Mean {
  private sums: Record<string, number> = {};
  private count = 0;

  add(values: Readonly<Record<string, number>>, count: number): void {
    for (const [name, value] of Object.entries(values)) {
      this.sums[name] = (this.sums[name] ?? 0) + value * count;
    }
    this.count += count;
  }

  values(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.sums).map(([name, sum]) => [name, sum / this.count]),
    );
  }

  state(): JsonObject {
    return { sums: this.sums, count: this.count };
  }

  static from(state: JsonObject): Mean {
    const mean = new Mean();
    mean.sums = { ...(state.sums as Record<string, number>) };
    mean.count = state.count as number;
    return mean;
  }
}

/** Where a training stands: all that is not weights, optimiser or schedule. */
export class Progress {
  /** Updates done. */
  step = 0;
  epoch = 0;
  /** Batches of this epoch done. */
  batch = 0;
  mean = new Mean();
  history: EpochRecord[] = [];
  best: number | undefined;
  bestEpoch: number | undefined;
  /** Epochs since the last improvement. */
  stalled = 0;
  stopped = false;

  /** Notes the watched value of the epoch; whether it is the best so far. */
  consider(value: number, mode: "min" | "max", minDelta: number): boolean {
    const gain =
      this.best === undefined ? Infinity : mode === "min" ? this.best - value : value - this.best;
    const improved = gain > minDelta || (this.best === undefined && !Number.isNaN(value));
    this.stalled = improved ? 0 : this.stalled + 1;
    if (improved) {
      this.best = value;
      this.bestEpoch = this.epoch;
    }
    return improved;
  }

  endEpoch(record: EpochRecord): void {
    this.history.push(record);
    this.epoch++;
    this.batch = 0;
    this.mean = new Mean();
  }

  state(): JsonObject {
    const { step, epoch, batch, stalled, stopped, best = null, bestEpoch = null } = this;
    const history = this.history as unknown as JsonObject[];
    return {
      step,
      epoch,
      batch,
      stalled,
      stopped,
      best,
      bestEpoch,
      history,
      mean: this.mean.state(),
    };
  }

  load(state: JsonObject): void {
    this.step = state.step as number;
    this.epoch = state.epoch as number;
    this.batch = state.batch as number;
    this.stalled = state.stalled as number;
    this.stopped = state.stopped as boolean;
    this.best = (state.best as number | null) ?? undefined;
    this.bestEpoch = (state.bestEpoch as number | null) ?? undefined;
    this.history = state.history as unknown as EpochRecord[];
    this.mean = Mean.from(state.mean as JsonObject);
  }
}
