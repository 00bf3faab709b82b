import { toCardinal } from "n2words/en-US";
import { data } from "tensorlane";
import type { Pair, PairSet } from "./pairs.ts";

/** Numbers are below it. */
const LIMIT = 1_000_000;

const about: Pick<PairSet, "title" | "notes" | "unit"> = {
  title: "numbers in digits, to English words",
  unit: "word",
  notes: [
    "Made, not collected: numbers below a million, each at most once, written out by the package n2words (American English).",
    "A token is a digit on one side, a word on the other.",
  ],
};

/** So many different numbers, all equally likely. */
export function madeNumbers(count: number): { about: typeof about; pairs: readonly Pair[] } {
  const random = data.randomStream(0, 0x6e756d62);
  const numbers = new Set<number>();
  while (numbers.size < count) numbers.add(random.integer(LIMIT));
  const pairs = Array.from(numbers, (n): Pair => ({ source: String(n), target: toCardinal(n) }));
  return { about, pairs };
}
