import { UserError } from "../../errors.ts";
import { regular } from "./regular.ts";
import { calendarOf, localTime, type TrafficSeries } from "./series.ts";
import { cellsOf, columnIndex, textOf } from "./table.ts";
import { timeFormatOf } from "./timestamps.ts";

const FILE = "metro_interstate_traffic_volume.csv";
const COLUMNS = [
  "date_time",
  "traffic_volume",
  "holiday",
  "temp",
  "rain_1h",
  "snow_1h",
  "clouds_all",
] as const;
const WEATHER = ["holiday", "temp", "rain_1h", "snow_1h", "clouds_all"] as const;

/** The largest rain ever measured in an hour is about 305 mm: more is a fault of the gauge. */
const MOST_RAIN = 305;

/**
 * Metro Interstate volume: vehicles per hour with weather and holidays as covariates.
 *
 * Several rows of one hour (one a weather code) are merged, impossible readings dropped, short gaps filled,
 * long ones cut; what was done is in `notes`. There is no standard split: the last fifth is the test part.
 */
export function readInterstate(files: { values: Uint8Array }): TrafficSeries {
  const [header = [], ...lines] = cellsOf(textOf(files.values));
  const at = columnIndex(header, COLUMNS, FILE);
  const cell = (line: string[], i: number) => line[at[i]!] ?? "";
  const format = timeFormatOf(lines.map((line) => cell(line, 0)));
  if (format === undefined) throw new UserError(`${FILE}: no times in column "date_time"`);
  const width = 1 + WEATHER.length;
  const times = new Float64Array(lines.length);
  const table = new Float32Array(lines.length * width);
  const holidays = new Set<number>();
  const bad = { temp: 0, rain: 0 };
  for (const [row, line] of lines.entries()) {
    times[row] = format.parse(cell(line, 0));
    if (Number.isNaN(times[row]!))
      throw new UserError(`${FILE}, data row ${row}: "${cell(line, 0)}" is no time`);
    // A holiday stands only at the first hour of its day.
    if (cell(line, 2) !== "None") holidays.add(dayOf(times[row]!));
    const numbers = [1, 3, 4, 5, 6].map((i) => Number(cell(line, i) || Number.NaN));
    const [volume, temp, rain, snow, clouds] = numbers as [number, number, number, number, number];
    if (temp === 0) bad.temp++;
    if (rain > MOST_RAIN) bad.rain++;
    table.set(
      [
        volume,
        0,
        temp === 0 ? Number.NaN : temp,
        rain > MOST_RAIN ? Number.NaN : rain,
        snow,
        clouds,
      ],
      row * width,
    );
  }
  const even = regular({ times, values: table, columns: width }, { intervalMinutes: 60 });
  const { rows, timestamps } = even;
  const pick = (c: number) =>
    Float32Array.from({ length: rows }, (_, r) => even.values[r * width + c]!);
  const covariates = new Float32Array(rows * WEATHER.length);
  for (let row = 0; row < rows; row++) {
    covariates.set(even.values.subarray(row * width + 1, (row + 1) * width), row * WEATHER.length);
    covariates[row * WEATHER.length] = holidays.has(dayOf(timestamps[row]!)) ? 1 : 0;
  }
  return {
    id: "metro-interstate",
    title: "Metro Interstate: westbound volume of I-94, Minnesota",
    unit: "vehicles per hour",
    intervalMinutes: 60,
    start: localTime(timestamps[0]!),
    timestamps,
    ...calendarOf(timestamps, 60),
    names: ["traffic_volume"],
    values: pick(0),
    rows,
    columns: 1,
    observed: Uint8Array.from({ length: rows }, (_, r) => even.observed[r * width]!),
    segments: even.segments,
    covariates: { names: [...WEATHER], values: covariates },
    simulated: false,
    notes: [
      ...even.notes,
      `Impossible readings dropped: temperature 0 K in ${bad.temp} rows, rain above ${MOST_RAIN} mm in ${bad.rain}.`,
      "A holiday counts for its whole day; the source marks its first hour only.",
    ],
    protocol: {
      name: "last fifth",
      source: "no standard split exists: the last 20 % of the rows test",
      stepsIn: 24,
      horizons: [1, 3, 6, 12],
      trainRows: Math.floor(0.8 * rows),
      validationRows: Math.floor(0.1 * rows),
      scaling: "minmax",
      windows: "inside",
      nonZeroOnly: false,
      published: [],
    },
  };
}

function dayOf(time: number): number {
  return Math.floor(time / 86_400_000);
}
