import type { RowRange } from "tensorlane/node";
import { UserError } from "../../errors.ts";
import { describeInterval } from "./series.ts";

const MINUTE = 60_000;

/** Measured rows in any order, with holes. */
export interface Measured {
  /** Milliseconds. */
  readonly times: Float64Array;
  /** (rows, columns); NaN where nothing was measured. */
  readonly values: Float32Array;
  readonly columns: number;
}

/** The same on an even grid; long gaps cut it into segments. */
export interface Regular {
  readonly timestamps: Float64Array;
  readonly values: Float32Array;
  readonly observed: Uint8Array;
  readonly segments: RowRange[];
  readonly rows: number;
  readonly intervalMinutes: number;
  /** What was done, in sentences. */
  readonly notes: string[];
}

export interface RegularOptions {
  /** Default: the median distance of neighbouring times. */
  readonly intervalMinutes?: number | undefined;
  /** Missing rows in a run that are still filled in by straight lines; a longer gap ends a segment. */
  readonly maxFill?: number | undefined;
}

const plural = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/**
 * Brings measured rows onto an even grid: sorted, duplicates averaged, short gaps filled, long gaps cut.
 *
 * @example regular({ times, values, columns: 1 }).notes // ["2 rows repeat a time: averaged.", ...]
 */
export function regular(measured: Measured, options: RegularOptions = {}): Regular {
  const { times, columns } = measured;
  const { maxFill = 6 } = options;
  const notes: string[] = [];
  const order = Array.from(times.keys()).sort((a, b) => times[a]! - times[b]! || a - b);
  let late = 0;
  for (let i = 1; i < times.length; i++) if (times[i]! < times[i - 1]!) late++;
  if (late > 0) notes.push(`${plural(late, "row")} out of time order: sorted.`);
  const steps: number[] = [];
  for (let i = 1; i < order.length; i++) {
    const step = times[order[i]!]! - times[order[i - 1]!]!;
    if (step > 0) steps.push(step);
  }
  const same = order.length - 1 - steps.length;
  if (same > 0) notes.push(`${plural(same, "row repeats", "rows repeat")} a time: averaged.`);
  if (steps.length === 0)
    throw new UserError(`all ${order.length} rows have the same time: a series needs several`);
  const sorted = Float64Array.from(steps).sort();
  const median = sorted[Math.floor(sorted.length / 2)]!;
  const interval = options.intervalMinutes ? options.intervalMinutes * MINUTE : median;
  const even = steps.every((step) => step % interval === 0);
  const first = times[order[0]!]!;
  const anchor = even ? first : Math.round(first / interval) * interval;
  const minutes = interval / MINUTE;
  if (!even)
    notes.push(
      `Times are uneven (${describeInterval(sorted[0]! / MINUTE)} to ${describeInterval(sorted.at(-1)! / MINUTE)} apart): resampled to ${options.intervalMinutes ? "" : "the median, "}${describeInterval(minutes)}, each row moved to the nearest step, rows of one step averaged.`,
    );
  const grid = average(measured, order, (t) => Math.round((t - anchor) / interval));
  const laid = layOut(grid, columns, maxFill);
  const timestamps = Float64Array.from(laid.steps, (step) => anchor + step * interval);
  const { values, observed } = laid;
  const holes = fillHoles(values, observed, columns, laid.segments);
  if (laid.added > 0)
    notes.push(
      `${plural(laid.added, "missing row")} in gaps of at most ${maxFill} filled in by straight lines.`,
    );
  if (laid.segments.length > 1)
    notes.push(
      `${plural(laid.segments.length - 1, "longer gap")} (${plural(laid.absent, "row")} in all) left out; no window crosses one.`,
    );
  const cells = holes - laid.added * columns;
  if (cells > 0)
    notes.push(`${plural(cells, "missing value")} in rows that exist filled in by straight lines.`);
  return {
    timestamps,
    values,
    observed,
    segments: laid.segments,
    rows: timestamps.length,
    intervalMinutes: minutes,
    notes,
  };
}

interface Grid {
  readonly steps: number[];
  readonly means: Float32Array[];
}

/** Means of the rows that fall on the same step, in time order. */
function average(measured: Measured, order: number[], stepOf: (time: number) => number): Grid {
  const { times, values, columns } = measured;
  const steps: number[] = [];
  const means: Float32Array[] = [];
  let sums = new Float64Array(columns);
  let counts = new Float64Array(columns);
  const close = () => {
    if (steps.length > 0) means.push(Float32Array.from(sums, (sum, c) => sum / counts[c]!));
  };
  for (const row of order) {
    const step = stepOf(times[row]!);
    if (step !== steps.at(-1)) {
      close();
      steps.push(step);
      sums = new Float64Array(columns);
      counts = new Float64Array(columns);
    }
    for (let c = 0; c < columns; c++) {
      const value = values[row * columns + c]!;
      if (Number.isNaN(value)) continue;
      sums[c]! += value;
      counts[c]!++;
    }
  }
  close();
  return { steps, means };
}

/** Rows for short gaps, segments at long ones. */
function layOut(grid: Grid, columns: number, maxFill: number) {
  const steps: number[] = [];
  const from: number[] = [];
  const segments: RowRange[] = [];
  let start = 0;
  let added = 0;
  let absent = 0;
  for (const [i, step] of grid.steps.entries()) {
    const missing = i === 0 ? 0 : step - grid.steps[i - 1]! - 1;
    if (missing > maxFill) {
      segments.push({ start, end: steps.length });
      start = steps.length;
      absent += missing;
    } else {
      for (let k = missing; k > 0; k--) {
        steps.push(step - k);
        from.push(-1);
      }
      added += missing;
    }
    steps.push(step);
    from.push(i);
  }
  segments.push({ start, end: steps.length });
  const values = new Float32Array(steps.length * columns).fill(Number.NaN);
  for (const [row, i] of from.entries()) if (i >= 0) values.set(grid.means[i]!, row * columns);
  const observed = Uint8Array.from(values, (value) => (Number.isNaN(value) ? 0 : 1));
  return { steps, values, observed, segments, added, absent };
}

/** Straight lines between neighbours of a segment, the nearest value at its ends; gives how many. */
export function fillHoles(
  values: Float32Array,
  observed: Uint8Array,
  columns: number,
  segments: readonly RowRange[],
): number {
  let holes = 0;
  for (let c = 0; c < columns; c++) {
    const at = (row: number) => row * columns + c;
    for (const { start, end } of segments) {
      let last = -1;
      for (let row = start; row <= end; row++) {
        if (row < end && !observed[at(row)]) {
          holes++;
          continue;
        }
        const next = row < end ? row : -1;
        for (let k = last === -1 ? start : last + 1; k < (next === -1 ? end : next); k++) {
          if (last === -1 && next === -1) continue;
          const a = last === -1 ? values[at(next)]! : values[at(last)]!;
          const b = next === -1 ? a : values[at(next)]!;
          values[at(k)] =
            last === -1 || next === -1 ? a : a + ((b - a) * (k - last)) / (next - last);
        }
        if (next !== -1) last = row;
      }
    }
    fillEmptySegments(values, observed, columns, c);
  }
  return holes;
}

/** A segment in which a column was never measured gets the column's mean. */
function fillEmptySegments(
  values: Float32Array,
  observed: Uint8Array,
  columns: number,
  c: number,
): void {
  let sum = 0;
  let count = 0;
  for (let i = c; i < values.length; i += columns) {
    if (!observed[i]) continue;
    sum += values[i]!;
    count++;
  }
  for (let i = c; i < values.length; i += columns)
    if (Number.isNaN(values[i]!)) values[i] = count > 0 ? sum / count : 0;
}
