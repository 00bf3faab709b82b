import { UserError } from "../../errors.ts";
import { regular } from "./regular.ts";
import { type AnomalyWindow, calendarOf, localTime, type TrafficSeries } from "./series.ts";
import { cellsOf, columnIndex, textOf } from "./table.ts";
import { timeFormatOf } from "./timestamps.ts";

/** What tells the seven series apart. */
export interface NabSource {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** Minutes between readings, nominally. */
  readonly interval: number;
  /** Name of the file inside NAB, for its windows. */
  readonly file: string;
}

/**
 * One NAB traffic series with its labelled anomaly windows, on an even grid; gaps above half an hour
 * (an hour for travel times) cut it into segments.
 */
export function readNab(
  source: NabSource,
  files: { values: Uint8Array; windows: Uint8Array },
): TrafficSeries {
  const [header = [], ...lines] = cellsOf(textOf(files.values));
  const [time, value] = columnIndex(header, ["timestamp", "value"], source.file) as [
    number,
    number,
  ];
  const format = timeFormatOf(lines.map((line) => line[time] ?? ""));
  if (format === undefined) throw new UserError(`${source.file}: no times in column "timestamp"`);
  const times = Float64Array.from(lines, (line) => format.parse(line[time] ?? ""));
  const values = Float32Array.from(lines, (line) => Number(line[value] || Number.NaN));
  const bad = times.findIndex((t, row) => Number.isNaN(t) || Number.isNaN(values[row]!));
  if (bad !== -1)
    throw new UserError(
      `${source.file}, data row ${bad}: "${lines[bad]!.join(",")}" is no reading`,
    );
  const even = regular({ times, values, columns: 1 }, { intervalMinutes: source.interval });
  const { rows, timestamps } = even;
  return {
    id: source.id,
    title: source.title,
    unit: source.unit,
    intervalMinutes: source.interval,
    start: localTime(timestamps[0]!),
    timestamps,
    ...calendarOf(timestamps, source.interval),
    names: [source.file.replace(/\.csv$/, "")],
    values: even.values,
    rows,
    columns: 1,
    observed: even.observed,
    segments: even.segments,
    anomalies: anomalyWindows(files.windows, source.file, timestamps),
    simulated: false,
    notes: even.notes,
    protocol: {
      name: "last three tenths",
      source:
        "NAB publishes scores for all of its series together only; here the last 30 % of the rows test, which holds labelled anomalies",
      stepsIn: 12,
      horizons: [1, 3, 6],
      trainRows: Math.floor(0.7 * rows),
      validationRows: Math.floor(0.15 * rows),
      scaling: "minmax",
      windows: "inside",
      nonZeroOnly: false,
      published: [],
    },
  };
}

function anomalyWindows(
  bytes: Uint8Array,
  file: string,
  timestamps: Float64Array,
): AnomalyWindow[] {
  const all = JSON.parse(textOf(bytes)) as Record<string, [string, string][]>;
  // The source's file holds all of NAB, with folders in its keys.
  const windows = all[file] ?? all[`realTraffic/${file}`];
  if (windows === undefined)
    throw new UserError(
      `the anomaly windows name no series "${file}"; they have ${Object.keys(all)}`,
    );
  return windows.map(([begin, end]) => {
    const from = Date.parse(`${begin.slice(0, 19).replace(" ", "T")}Z`);
    const to = Date.parse(`${end.slice(0, 19).replace(" ", "T")}Z`);
    const inside = (t: number) => t >= from && t <= to;
    const start = timestamps.findIndex((t) => t >= from);
    const count = timestamps.reduce((n, t) => n + (inside(t) ? 1 : 0), 0);
    const first = start === -1 ? timestamps.length : start;
    return { start: first, end: first + count, from, to };
  });
}
