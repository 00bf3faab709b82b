import { readFile, stat } from "node:fs/promises";
import { data } from "tensorlane";
import { UserError } from "../errors.ts";
import { textOf } from "../forecast/data/table.ts";
import type { Unit } from "../language/index.ts";
import { counted } from "../wording.ts";
import { madeDates, normalizeDate, unseenInDate } from "./dates.ts";
import { madeNumbers } from "./numbers.ts";

/** What is read, and what is to be written. */
export interface Pair {
  readonly source: string;
  readonly target: string;
  /** The kind of the source, by which scores are told apart. */
  readonly group?: string;
}

/** Pairs in three parts, of which no two share a source. */
export interface PairSet {
  readonly id: string;
  readonly title: string;
  readonly notes: readonly string[];
  /** What a token of the target is; sources are read character by character. */
  readonly unit: Unit;
  /** What the pairs' groups are, in a word ("digits"); undefined where they have none. */
  readonly groupedBy?: string;
  readonly train: readonly Pair[];
  readonly validation: readonly Pair[];
  readonly test: readonly Pair[];
}

/** How a source is written before it is read; predictions do the same. */
export const normalizers: Readonly<Record<string, (source: string) => string>> = {
  dates: normalizeDate,
};

/** What a source has that the made pairs never have, in words, where nothing else would tell. */
export const unseen: Readonly<Record<string, (source: string) => string | undefined>> = {
  dates: unseenInDate,
};

/** Pairs made: enough to learn from, while most dates and numbers are never shown. */
const MADE = { train: 20_000, validation: 1_000, test: 2_000 };

/** Orders pairs before they are cut into parts; not the training's seed, so that all are scored on one test part. */
const SPLIT_SEED = 1;

/** Pairs of a made data set, or of a text file: source, tab, target a line. `quick` makes a fifth of them. */
export async function loadPairs(source: string, quick: boolean): Promise<PairSet> {
  const train = quick ? MADE.train / 5 : MADE.train;
  if (source === "dates") {
    const { about, pairs } = madeDates(train + MADE.validation + MADE.test);
    return { id: source, ...about, ...cut(pairs, MADE.validation, MADE.test) };
  }
  if (source === "numbers") {
    const { about, ...parts } = madeNumbers({ ...MADE, train });
    return { id: source, ...about, ...parts };
  }
  const pairs = shuffled(readPairs(await readText(source), source));
  const part = Math.max(1, Math.round(pairs.length / 10));
  return {
    id: source,
    title: `pairs of ${source}`,
    notes: [],
    unit: "character",
    ...cut(pairs, part, part),
  };
}

async function readText(path: string): Promise<string> {
  if ((await stat(path)).isDirectory()) {
    throw new UserError(`${path} is a folder; give one text file: source, tab, target a line.`);
  }
  // Files joined to one have byte-order marks inside, too.
  const text = textOf(await readFile(path)).replaceAll("\uFEFF", "");
  // What a decoder writes for bytes that are none of its encoding; NUL stands in no text either.
  if (!/[\0\uFFFD]/.test(text)) return text;
  throw new UserError(`${path} is not text in UTF-8 or UTF-16; save it as UTF-8 first.`);
}

/** The test part comes first, so that it stays the same however many pairs are made. */
const cut = (pairs: readonly Pair[], validation: number, test: number) => ({
  test: pairs.slice(0, test),
  validation: pairs.slice(test, test + validation),
  train: pairs.slice(test + validation),
});

function shuffled(pairs: readonly Pair[]): readonly Pair[] {
  const random = data.randomStream(SPLIT_SEED);
  const order = [...pairs];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Lines of a tab-separated file; of a source that stands there again only the first line counts. */
export function readPairs(text: string, path: string): readonly Pair[] {
  const pairs = new Map<string, Pair>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const [source, target, ...more] = line.split("\t");
    if (!source || !target || more.length > 0) {
      throw new UserError(
        `${path}:${i + 1}: expected a source, one tab and a target, found ${JSON.stringify(line.slice(0, 80))}.`,
      );
    }
    if (!pairs.has(source)) pairs.set(source, { source, target });
  }
  if (pairs.size >= 10) return [...pairs.values()];
  throw new UserError(
    `${path} holds ${counted(pairs.size, "different source")}; at least 10 are needed: training, validation and test.`,
  );
}
