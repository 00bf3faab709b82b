import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { UserError } from "../../errors.ts";
import { regular } from "./regular.ts";
import {
  calendarOf,
  describeInterval,
  localTime,
  seriesWindows,
  type TrafficSeries,
} from "./series.ts";
import { cellsOf, textOf } from "./table.ts";
import { type TimeFormat, timeFormatOf } from "./timestamps.ts";

export interface CsvOptions {
  /** Column of times; default: found by its content. */
  readonly timeColumn?: string | undefined;
  /** Columns of values, and their order; default: every column of numbers. */
  readonly columns?: readonly string[] | undefined;
  readonly unit?: string | undefined;
  readonly stepsIn?: number | undefined;
  readonly horizons?: readonly number[] | undefined;
  /** The table is only forecast from, so `stepsIn` rows are enough; it has no training or test part. */
  readonly latestOnly?: boolean | undefined;
  /** Default: the median distance of the times. */
  readonly intervalMinutes?: number | undefined;
}

/** What stands for "no value" in tables that people export. */
const MISSING = new Set(["", "-", "na", "n/a", "nan", "null", "none", "nil", "?"]);

/**
 * A user's own series from a CSV file: a column of times and one or more of values.
 *
 * Delimiter, quotes, byte order mark, line ends, the way times are written and decimal commas are found out;
 * missing, repeated and out-of-order rows are repaired and reported in `notes`, as is resampling. A file that
 * cannot be used is an error that names what was received and what to do.
 *
 * @example const series = await readCsvSeries("counts.csv");
 */
export async function readCsvSeries(
  path: string,
  options: CsvOptions = {},
): Promise<TrafficSeries> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const what = { ENOENT: "does not exist", EISDIR: "is a folder", EACCES: "may not be read" };
    const why = what[error.code as keyof typeof what] ?? `cannot be read (${error.message})`;
    throw new UserError(`data file ${path} ${why}: give the path of a CSV file`, { cause: error });
  });
  let text: string;
  try {
    text = textOf(bytes);
  } catch (error) {
    throw new UserError(`data file ${path}: ${(error as Error).message}`, { cause: error });
  }
  return csvSeries(text, path, options);
}

/** The same from text; `path` names it in errors. */
export function csvSeries(text: string, path: string, options: CsvOptions = {}): TrafficSeries {
  const notes: string[] = [];
  const { header, lines, delimiter } = tableOf(text, path);
  const time = timeColumn(header, lines, path, options.timeColumn);
  if (time.format.note) notes.push(time.format.note);
  const times = lines.map((line) => time.format.parse(line[time.at] ?? ""));
  const kept = [...times.keys()].filter((row) => !Number.isNaN(times[row]!));
  if (kept.length < lines.length)
    notes.push(
      `${lines.length - kept.length} of ${lines.length} rows have no readable time in "${header[time.at]}": left out.`,
    );
  const rows = kept.map((row) => lines[row]!);
  const numeric = valueColumns(header, rows, time.at, delimiter, path, options.columns, notes);
  const values = new Float32Array(rows.length * numeric.length);
  for (const [row, line] of rows.entries())
    for (const [i, column] of numeric.entries())
      values[row * numeric.length + i] = column.parse(line[column.at] ?? "");
  const stepsIn = options.stepsIn ?? 12;
  const horizons = options.horizons ?? [3, 6, 9, 12];
  const { latestOnly = false } = options;
  if (!latestOnly) enough(rows.length, stepsIn, horizons, path, "rows");
  const even = regular(
    { times: Float64Array.from(kept, (row) => times[row]!), values, columns: numeric.length },
    { intervalMinutes: options.intervalMinutes },
  );
  const run = even.segments.at(-1)!;
  if (latestOnly && run.end - run.start < stepsIn)
    throw new UserError(
      `data file ${path} ends with ${run.end - run.start} rows without a long gap; the model reads the last ${stepsIn}. Give a table with more of the latest rows`,
    );
  if (!latestOnly) enough(even.rows, stepsIn, horizons, path, "rows on an even grid");
  notes.push(
    `Read as ${describeInterval(even.intervalMinutes)} data, times in "${header[time.at]}" (${time.format.name}).`,
    ...even.notes,
  );
  const span = stepsIn + Math.max(...horizons);
  const series: TrafficSeries = {
    id: basename(path).replace(/\.(csv|tsv|txt)(\.gz)?$/i, ""),
    title: basename(path),
    unit: options.unit ?? "",
    intervalMinutes: even.intervalMinutes,
    start: localTime(even.timestamps[0]!),
    timestamps: even.timestamps,
    ...calendarOf(even.timestamps, even.intervalMinutes),
    names: numeric.map((column) => header[column.at]!),
    values: even.values,
    rows: even.rows,
    columns: numeric.length,
    observed: even.observed,
    segments: even.segments,
    simulated: false,
    notes,
    protocol: {
      name: "last fifth",
      source:
        "the last 20 % of the rows test, the 10 % before them choose the epoch (more where that holds no window)",
      stepsIn,
      horizons,
      ...(latestOnly
        ? { trainRows: even.rows, validationRows: 0 }
        : {
            trainRows: even.rows - Math.max(Math.ceil(0.2 * even.rows), span + 1),
            validationRows: Math.max(Math.floor(0.1 * even.rows), span + 1),
          }),
      scaling: "minmax",
      windows: "inside",
      nonZeroOnly: false,
      published: [],
    },
  };
  for (const part of latestOnly ? [] : (["train", "validation", "test"] as const))
    if (seriesWindows(series, part, Math.max(...horizons)).length === 0)
      throw new UserError(
        `data file ${path}: long gaps cut its ${even.rows} rows into ${even.segments.length} runs, and the ${part} part has none of ${stepsIn} + ${Math.max(...horizons)} rows. Give a file with fewer gaps, or fewer steps`,
      );
  return series;
}

function tableOf(text: string, path: string) {
  if (text.trim() === "")
    throw new UserError(`data file ${path} is empty: it needs a header and rows`);
  const first = text.slice(0, text.indexOf("\n") === -1 ? undefined : text.indexOf("\n"));
  const bare = first.replace(/"[^"]*"/g, "");
  const counts = [",", ";", "\t", "|"].map((d) => [d, bare.split(d).length - 1] as const);
  const [delimiter, found] = counts.reduce((a, b) => (b[1] > a[1] ? b : a));
  if (found === 0)
    throw new UserError(
      `data file ${path}: its first line "${first.trim().slice(0, 80)}" has one column; a column of times and at least one of values are needed, parted by comma, semicolon, tab or |`,
    );
  let cells: string[][];
  try {
    cells = cellsOf(text, delimiter);
  } catch (error) {
    throw new UserError(`data file ${path} is no well-formed CSV: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const [header = [], ...lines] = cells;
  if (lines.length === 0) throw new UserError(`data file ${path} has a header but no rows`);
  if (header.every((cell) => cell !== "" && !Number.isNaN(Number(cell))))
    throw new UserError(
      `data file ${path}: its first line "${first.trim().slice(0, 80)}" holds numbers; the first line must name the columns`,
    );
  return { header, lines, delimiter };
}

function timeColumn(
  header: readonly string[],
  lines: readonly string[][],
  path: string,
  wanted: string | undefined,
): { at: number; format: TimeFormat } {
  if (wanted !== undefined && !header.includes(wanted))
    throw new UserError(
      `data file ${path} has no column "${wanted}" for the times; it has: ${header.join(", ")}`,
    );
  const order = wanted === undefined ? [...header.keys()] : [header.indexOf(wanted)];
  for (const at of order) {
    const format = timeFormatOf(lines.map((line) => line[at] ?? ""));
    if (format) return { at, format };
  }
  const shown = order.map((at) => `${header[at]} ("${lines[0]![at] ?? ""}")`).join(", ");
  throw new UserError(
    `data file ${path}: no column of times among ${shown}. Readable are 2024-01-31 08:05, ISO 8601, 31/01/2024 8:05, 01/31/2024 8:05 AM, seconds or milliseconds since 1970`,
  );
}

interface ValueColumn {
  readonly at: number;
  readonly parse: (cell: string) => number;
}

function valueColumns(
  header: readonly string[],
  rows: readonly string[][],
  timeAt: number,
  delimiter: string,
  path: string,
  wanted: readonly string[] | undefined,
  notes: string[],
): ValueColumn[] {
  const absent = wanted?.filter((name) => !header.includes(name)) ?? [];
  if (absent.length > 0)
    throw new UserError(
      `data file ${path} has no column ${absent.map((n) => `"${n}"`).join(", ")}; it has: ${header.join(", ")}`,
    );
  const comma = delimiter !== "," && usesDecimalComma(rows);
  if (comma) notes.push("Numbers are written with a decimal comma.");
  const parse = (cell: string) => {
    if (MISSING.has(cell.toLowerCase())) return Number.NaN;
    const value = Number(comma ? cell.replace(",", ".") : cell);
    // Beyond float32 is as good as no value.
    return Number.isFinite(Math.fround(value)) ? value : Number.NaN;
  };
  const columns: ValueColumn[] = [];
  const text: string[] = [];
  for (const [at, name] of header.entries()) {
    if (at === timeAt || (wanted && !wanted.includes(name))) continue;
    const filled = rows.filter((row) => !MISSING.has((row[at] ?? "").toLowerCase()));
    const good = filled.filter((row) => !Number.isNaN(parse(row[at] ?? "")));
    // A few faulty cells are missing values; mostly words make a column of words.
    if (good.length === 0 || good.length < 0.8 * filled.length) text.push(name);
    else {
      columns.push({ at, parse });
      if (good.length < filled.length)
        notes.push(
          `"${name}": ${filled.length - good.length} cells are no numbers: taken as missing.`,
        );
    }
  }
  if (columns.length === 0 || (wanted && text.length > 0))
    throw new UserError(
      `data file ${path} has ${wanted ? "other than numbers in" : "no column of numbers; left beside the times:"} ${text.map((n) => `"${n}"`).join(", ") || "none"}. First row: ${(rows[0] ?? []).join(" | ")}`,
    );
  if (wanted) {
    const place = ({ at }: ValueColumn) => wanted.indexOf(header[at]!);
    columns.sort((a, b) => place(a) - place(b));
  }
  if (text.length > 0) notes.push(`Columns without numbers are not used: ${text.join(", ")}.`);
  return columns;
}

function usesDecimalComma(rows: readonly string[][]): boolean {
  const cells = rows.slice(0, 200).flat();
  const commas = cells.filter((cell) => /^[+-]?\d+,\d+$/.test(cell)).length;
  return commas > 0 && commas > cells.filter((cell) => /^[+-]?\d+\.\d+$/.test(cell)).length;
}

/** Validation and test part must hold a window of the longest horizon, the training part several. */
function enough(
  got: number,
  stepsIn: number,
  horizons: readonly number[],
  path: string,
  what: string,
): void {
  const span = stepsIn + Math.max(...horizons);
  const needed = 4 * (span + 1);
  if (got < needed)
    throw new UserError(
      `data file ${path} has ${got} ${what}; ${stepsIn} steps in and up to ${Math.max(...horizons)} out need at least ${needed}. Give more rows, or fewer steps`,
    );
}
