import { TensorlaneError } from "../../errors.ts";
import {
  CountingSchedule,
  isCount,
  type JsonObject,
  numberIn,
  requireOption,
  requireState,
  type Schedule,
} from "./schedule.ts";

const NAME = "SequentialLR";

export interface SequentialOptions {
  readonly schedules: readonly CountingSchedule[];
  /** Counts at which the second, third, ... schedule takes over; one fewer than schedules. */
  readonly milestones: readonly number[];
}

/**
 * Schedules one after the other, such as a warm-up and then a decay. Each begins anew at its milestone.
 *
 * @example
 * const warmUp = new optim.LinearLR(optimizer, { startFactor: 0.1, totalIters: 5 });
 * const decay = new optim.CosineAnnealingLR(optimizer, { tMax: 45 });
 * new optim.SequentialLR({ schedules: [warmUp, decay], milestones: [5] });
 */
export class SequentialLR implements Schedule {
  readonly interval: "step" | "epoch";
  private readonly schedules: readonly CountingSchedule[];
  private readonly milestones: readonly number[];
  private count = 0;
  private current: number;

  constructor({ schedules, milestones }: SequentialOptions) {
    const known = schedules.every((schedule) => schedule instanceof CountingSchedule);
    const kind = "schedules of the count alone (not ReduceLROnPlateau)";
    requireOption(schedules.length > 0 && known, NAME, "schedules", schedules.length, kind);
    const length = schedules.length - 1;
    const fits = milestones.length === length;
    requireOption(fits, NAME, "milestones", `${milestones.length}`, `${length} counts`);
    const rising = milestones.every((at, i) => isCount(at, (milestones[i - 1] ?? 0) + 1));
    requireOption(rising, NAME, "milestones", `[${milestones}]`, "rising whole numbers from 1");
    this.interval = schedules[0].interval;
    if (schedules.some(({ interval }) => interval !== this.interval)) {
      throw new TensorlaneError(
        `${NAME}: some schedules advance every step and some every epoch; give all the same interval`,
      );
    }
    this.schedules = schedules;
    this.milestones = milestones;
    this.current = schedules[0].restart();
  }

  rate(): number {
    return this.current;
  }

  advance(): void {
    this.count++;
    const index = this.milestones.filter((at) => at <= this.count).length;
    const schedule = this.schedules[index];
    const begins = index > 0 && this.milestones[index - 1] === this.count;
    this.current = begins ? schedule.restart() : schedule.follow(this.current);
  }

  state(): JsonObject {
    const { count, current: rate } = this;
    return { schedule: NAME, count, rate, schedules: this.schedules.map((each) => each.state()) };
  }

  load(state: JsonObject): void {
    requireState(NAME, state);
    const parts = state.schedules as readonly JsonObject[] | undefined;
    if (parts?.length !== this.schedules.length) {
      throw new TensorlaneError(
        `${NAME}: the saved state has ${parts?.length ?? 0} schedules, this has ${this.schedules.length}`,
      );
    }
    for (const [i, schedule] of this.schedules.entries()) schedule.load(parts[i]);
    this.count = numberIn(NAME, state, "count");
    this.current = numberIn(NAME, state, "rate");
  }
}
