import type { RowRange, ScalerKind } from "tensorlane/node";

/** A result that others published, or that the data's notes computed, for the same windows. */
export interface PublishedRow {
  readonly method: string;
  /** Output steps scored (together, or a block of them: as the protocol says). */
  readonly horizon: number;
  readonly rmse?: number;
  readonly mae?: number;
  /** Share, not per cent. */
  readonly mape?: number;
  readonly accuracy?: number;
  readonly r2?: number;
  readonly source: string;
}

/** How a series is cut, scaled and scored, so that results compare. */
export interface Protocol {
  readonly name: string;
  readonly source: string;
  readonly stepsIn: number;
  /** Output steps of each row of a table of results. */
  readonly horizons: readonly number[];
  /** Rows before the test part. */
  readonly trainRows: number;
  /** Rows at the end of the training part that choose the epoch; never the test part. */
  readonly validationRows: number;
  readonly scaling: ScalerKind;
  /**
   * `inside`: every window that lies in its part; `t-gcn`: the same without the last one, as that code
   * counts; `blocks`: the test part in blocks of the horizon, each from the true values before it.
   */
  readonly windows: "inside" | "t-gcn" | "blocks";
  /** Scores leave out zero truths (and MAPE is defined). */
  readonly nonZeroOnly: boolean;
  readonly published: readonly PublishedRow[];
}

/** Labelled anomaly, in rows [start, end) and in time (milliseconds, local time read as UTC). */
export interface AnomalyWindow extends RowRange {
  readonly from: number;
  readonly to: number;
}

/** A multivariate time series of traffic, ready for windows: row-major values without holes. */
export interface TrafficSeries {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly intervalMinutes: number;
  /** Rows in a day; 108 where the metro sleeps. */
  readonly stepsPerDay: number;
  /** First row as local time, `YYYY-MM-DDTHH:MM`, where it is known. */
  readonly start?: string | undefined;
  /** Local wall time of each row, read as UTC, in milliseconds; absent where no date is known. */
  readonly timestamps?: Float64Array | undefined;
  /** Place of each row in its day, 0 .. stepsPerDay - 1. */
  readonly slot: Int32Array;
  /** Day of the week of each row, 0 = Monday; without dates 0 is the first day. */
  readonly weekday: Int32Array;
  /** One a column. */
  readonly names: readonly string[];
  /** (rows, columns), row-major, no NaN. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** (rows, columns): 1 where the value was observed, 0 where it was filled in; absent: all observed. */
  readonly observed?: Uint8Array | undefined;
  /** Runs of rows without a long gap; windows stay inside one. Absent: the whole series. */
  readonly segments?: readonly RowRange[] | undefined;
  /** (columns, columns), diagonal 1. */
  readonly adjacency?: Float32Array | undefined;
  /** Values known beside the series, (rows, names.length). */
  readonly covariates?:
    | { readonly names: readonly string[]; readonly values: Float32Array }
    | undefined;
  readonly anomalies?: readonly AnomalyWindow[] | undefined;
  /** True for made-up traffic: whoever shows it must say so. */
  readonly simulated: boolean;
  /** What was repaired, assumed or could not be verified: to be shown. */
  readonly notes: readonly string[];
  readonly protocol: Protocol;
}

export type Part = "train" | "validation" | "test";

/** The rows of a part. */
export function partRows(series: TrafficSeries, part: Part): RowRange {
  const { trainRows, validationRows } = series.protocol;
  const cut = trainRows - validationRows;
  if (part === "train") return { start: 0, end: cut };
  return part === "validation"
    ? { start: cut, end: trainRows }
    : { start: trainRows, end: series.rows };
}

/**
 * First rows of the windows of a part, for a target of `stepsOut` rows, exactly as the protocol counts.
 *
 * @example seriesWindows(losLoop, "test", 3).length // 389
 */
export function seriesWindows(
  series: TrafficSeries,
  part: Part,
  stepsOut: number,
  stepsIn: number = series.protocol.stepsIn,
): Int32Array {
  const range = partRows(series, part);
  const span = stepsIn + stepsOut;
  const { windows } = series.protocol;
  const starts: number[] = [];
  if (windows === "blocks" && part === "test") {
    for (let row = range.start; row + stepsOut <= range.end; row += stepsOut)
      starts.push(row - stepsIn);
    return Int32Array.from(starts);
  }
  for (const segment of series.segments ?? [{ start: 0, end: series.rows }]) {
    const begin = Math.max(range.start, segment.start);
    const end = Math.min(range.end, segment.end) - (windows === "t-gcn" ? 1 : 0);
    for (let row = begin; row + span <= end; row++) starts.push(row);
  }
  return Int32Array.from(starts);
}

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

/** Slot of the day and day of the week (0 = Monday) of timestamps. */
export function calendarOf(
  timestamps: Float64Array,
  intervalMinutes: number,
): { slot: Int32Array; weekday: Int32Array; stepsPerDay: number } {
  const stepsPerDay = Math.max(1, Math.round(1440 / intervalMinutes));
  const slot = Int32Array.from(timestamps, (t) =>
    Math.min(stepsPerDay - 1, Math.floor((((t % DAY) + DAY) % DAY) / (intervalMinutes * MINUTE))),
  );
  // 1970-01-01 was a Thursday.
  const weekday = Int32Array.from(timestamps, (t) => (((Math.floor(t / DAY) + 3) % 7) + 7) % 7);
  return { slot, weekday, stepsPerDay };
}

/** Evenly spaced timestamps from a local time such as `2012-03-01T00:00`. */
export function everyInterval(start: string, rows: number, intervalMinutes: number): Float64Array {
  const first = Date.parse(`${start}Z`);
  return Float64Array.from({ length: rows }, (_, i) => first + i * intervalMinutes * MINUTE);
}

/** Local time of a timestamp, `YYYY-MM-DDTHH:MM`. */
export function localTime(timestamp: number): string {
  return new Date(timestamp).toISOString().slice(0, 16);
}

/** `5 min`, `1 h`, `30 s`: an interval in words. */
export function describeInterval(minutes: number): string {
  if (minutes < 1) return `${+(minutes * 60).toFixed(3)} s`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${+minutes.toFixed(3)} min`;
}
