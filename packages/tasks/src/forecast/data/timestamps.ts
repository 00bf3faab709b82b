/** How a column of times is written. */
export interface TimeFormat {
  readonly name: string;
  /** Local wall time read as UTC, milliseconds; NaN where the cell is no such time. */
  readonly parse: (cell: string) => number;
  /** What had to be assumed about day, month or zone. */
  readonly note?: string | undefined;
}

const CLOCK = String.raw`(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([ap]\.?m\.?)?)?`;
const YEAR_FIRST = new RegExp(
  String.raw`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})${CLOCK}\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?$`,
  "i",
);
const YEAR_LAST = new RegExp(String.raw`^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})${CLOCK}$`, "i");

const ZONE = /\d\s*(?:Z|UTC|:\d{2}[+-]\d{2}:?\d{2})$/i;

/**
 * Milliseconds of a wall-clock time; NaN if there is no such day or hour.
 *
 * A zone or an offset is left aside on purpose: traffic follows the local clock.
 */
function wallTime(y: number, m: number, d: number, match: RegExpExecArray): number {
  let hour = Number(match[4] ?? 0);
  const minute = Number(match[5] ?? 0);
  const second = Number(match[6] ?? 0);
  const half = match[7]?.[0]?.toLowerCase();
  if (half !== undefined) {
    if (hour < 1 || hour > 12) return Number.NaN;
    hour = (hour % 12) + (half === "p" ? 12 : 0);
  }
  if (m < 1 || m > 12 || d < 1 || hour > 24 || minute > 59 || second > 60) return Number.NaN;
  const day = new Date(Date.UTC(y, m - 1, d));
  if (day.getUTCDate() !== d) return Number.NaN;
  return day.getTime() + ((hour * 60 + minute) * 60 + second) * 1000;
}

function yearFirst(cell: string): number {
  const match = YEAR_FIRST.exec(cell);
  return match ? wallTime(Number(match[1]), Number(match[2]), Number(match[3]), match) : Number.NaN;
}

function yearLast(dayFirst: boolean): (cell: string) => number {
  return (cell) => {
    const match = YEAR_LAST.exec(cell);
    if (!match) return Number.NaN;
    const [a, b, y] = [Number(match[1]), Number(match[2]), Number(match[3])];
    return dayFirst ? wallTime(y, b, a, match) : wallTime(y, a, b, match);
  };
}

/** Seconds or milliseconds since 1970, told apart by their size (1990 to 2100). */
function epoch(scale: number): (cell: string) => number {
  return (cell) => {
    if (!/^\d{9,13}(\.\d+)?$/.test(cell)) return Number.NaN;
    const ms = Number(cell) * scale;
    return ms >= 631_152_000_000 && ms < 4_102_444_800_000 ? ms : Number.NaN;
  };
}

const share = (cells: readonly string[], parse: (cell: string) => number) =>
  cells.reduce((n, cell) => n + (Number.isNaN(parse(cell)) ? 0 : 1), 0) / cells.length;

/**
 * The format in which at least half of the (non-empty) cells are times; undefined if there is none.
 *
 * Known: `2015-09-08 11:39:00` and ISO 8601, `dd/mm/yyyy h:mm`, `mm/dd/yyyy`, the same with - or . between,
 * AM/PM, seconds or milliseconds since 1970 (as UTC).
 *
 * @example timeFormatOf(["04/01/2016 0:00", "13/01/2016 0:05"])?.name // "day/month/year"
 */
export function timeFormatOf(all: readonly string[]): TimeFormat | undefined {
  const cells = all.filter((cell) => cell !== "");
  if (cells.length === 0) return undefined;
  const formats: TimeFormat[] = [
    { name: "year-month-day", parse: yearFirst },
    { name: "seconds since 1970", parse: epoch(1000) },
    { name: "milliseconds since 1970", parse: epoch(1) },
    { name: "day/month/year", parse: yearLast(true) },
    { name: "month/day/year", parse: yearLast(false) },
  ];
  const shares = formats.map((f) => share(cells, f.parse));
  const best = shares.indexOf(Math.max(...shares));
  if (shares[best]! < 0.5) return undefined;
  const format = formats[best]!;
  if (format.name.endsWith("since 1970"))
    return { ...format, note: "Times are counted from 1970: the clock is UTC, not local time." };
  if (format.name === "year-month-day" && cells.some((cell) => ZONE.test(cell)))
    return {
      ...format,
      note: "Times name a zone: the clock is taken as written, zone left aside.",
    };
  if (format.name !== "day/month/year" || shares[3] !== shares[4]) return format;
  // Both readings are possible throughout: the one whose times rise more often is right.
  const [dayFirst, monthFirst] = [formats[3]!, formats[4]!];
  const rises = (f: TimeFormat) => {
    let n = 0;
    for (let i = 1; i < cells.length; i++)
      if (stepIsShort(f.parse(cells[i - 1]!), f.parse(cells[i]!))) n++;
    return n;
  };
  const monthWins = rises(monthFirst) > rises(dayFirst);
  const chosen = monthWins ? monthFirst : dayFirst;
  return {
    ...chosen,
    note: `Dates such as "${cells[0]}" could be read either way; taken as ${chosen.name}.`,
  };
}

/** A step forward of at most a day and a half: months taken for days would jump by about 30 days. */
function stepIsShort(from: number, to: number): boolean {
  return to > from && to - from <= 36 * 3_600_000;
}
