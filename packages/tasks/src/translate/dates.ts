import { format } from "date-fns";
import { data } from "tensorlane";
import type { Pair, PairSet } from "./pairs.ts";

/**
 * How people write dates: the formats of the generator behind the task (see the notes below) as American English has
 * them, and behind them those with ordinals ("3rd of May 2021"), which it lacks.
 */
export const dateFormats = [
  "M/d/yy",
  "MMM d, y",
  "MMMM d, y",
  "EEEE, MMMM d, y",
  "d MMM y",
  "d MMMM y",
  "dd MMM y",
  "d MMM, y",
  "d MMMM, y",
  "dd, MMM y",
  "d MM yy",
  "MMMM d y",
  "dd.MM.yy",
  "do MMMM y",
  "do 'of' MMMM y",
  "do 'of' MMM, y",
  "MMMM do, y",
  "EEEE, do 'of' MMMM y",
  "EEEE 'the' do 'of' MMMM, y",
  "EEE d MMM y",
] as const;

/** A century, so that two digits tell a year. */
const [FIRST, LAST] = [new Date(1970, 0, 1, 12), new Date(2069, 11, 31, 12)];
const DAY = 86_400_000;
const DAYS = Math.round((LAST.getTime() - FIRST.getTime()) / DAY) + 1;

const about: Pick<PairSet, "title" | "notes" | "unit" | "groupedBy"> = {
  title: "dates as people write them, to ISO",
  unit: "character",
  groupedBy: "format",
  notes: [
    "Made, not collected: the task and 13 of the 20 formats are those of rasmusbergpalm/normalization (2016), known " +
      "from the course Sequence Models of deeplearning.ai; the others have ordinals and short weekdays.",
    "Days from 1970 to 2069, each at most once: no day of the test part stands in training in any format. Two digits of a " +
      "year then mean one year; years outside are never seen, and are not to be expected right.",
    "Dates are read in lower case and without commas, as there.",
  ],
};

/** Lower case, no commas, single spaces. */
export const normalizeDate = (text: string): string =>
  text.toLowerCase().replaceAll(",", "").replace(/\s+/g, " ").trim();

/** What a source says that no training date says, in words: a year of another century. */
export function unseenInDate(source: string): string | undefined {
  const year = /(?<!\d)\d{4}(?!\d)/.exec(source)?.[0];
  const [first, last] = [FIRST.getFullYear(), LAST.getFullYear()];
  if (year === undefined || (+year >= first && +year <= last)) return undefined;
  return `the year ${year}: it learnt ${first} to ${last}`;
}

/** So many different days, each written in a format drawn for it. */
export function madeDates(count: number): { about: typeof about; pairs: readonly Pair[] } {
  const random = data.randomStream(0, 0x64617465);
  const days = Array.from({ length: DAYS }, (_, i) => i);
  const pairs = Array.from({ length: count }, (_, i): Pair => {
    const at = i + random.integer(DAYS - i);
    [days[i], days[at]] = [days[at], days[i]];
    // At noon: no change of the clocks moves it to another day.
    const date = new Date(FIRST.getFullYear(), 0, 1 + days[i], 12);
    const group = dateFormats[random.integer(dateFormats.length)];
    const source = normalizeDate(format(date, group));
    return { source, target: format(date, "yyyy-MM-dd"), group };
  });
  return { about, pairs };
}
