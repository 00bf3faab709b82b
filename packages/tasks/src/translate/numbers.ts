import { toCardinal } from "n2words/en-US";
import { data } from "tensorlane";
import type { Pair, PairSet } from "./pairs.ts";

/** Numbers have so many digits at most. */
const DIGITS = 6;

/** Numbers below have words of their own, which nothing else tells: all are learnt, none is tested. */
const OWN_WORDS = 20;

/** Numbers of so many digits are few (1000 with the shorter ones): each part is given a fixed share of them. */
const SMALL = 3;

/** Shares of the small numbers that are held back. */
const HELD_BACK = { test: 0.2, validation: 0.1 };

const about: Pick<PairSet, "title" | "notes" | "unit" | "groupedBy"> = {
  title: "numbers in digits, to English words",
  unit: "word",
  groupedBy: "digits",
  notes: [
    "Made, not collected: numbers below a million, written out by the package n2words (American English).",
    "The number of digits is drawn first, each as likely: drawn from all numbers alike, nine in ten would have six digits, and " +
      "42 would not be learnt. No number stands in two parts.",
    "Numbers below 20 have words of their own: all stand in training, none in another part. Of those of two or three digits, " +
      "20 % stand in the test part, 10 % in the validation part, each once, and the others in training, again and again; of " +
      "those of four to six digits each part holds equally many.",
    "A token is a digit on one side, a word on the other.",
  ],
};

const pairOf = (n: number): Pair => {
  const source = String(n);
  return { source, target: toCardinal(n), group: String(source.length) };
};

type Parts = Pick<PairSet, "train" | "validation" | "test">;

/** Pairs in parts of such sizes, each number of digits as likely; the test part does not depend on the others' sizes. */
export function madeNumbers(sizes: Readonly<Record<keyof Parts, number>>): Parts & {
  readonly about: typeof about;
} {
  const random = data.randomStream(0, 0x6e756d62);
  /** Numbers that a part keeps from those behind it. */
  const taken = new Set<number>();
  const draw = (digits: number): number => {
    const least = digits === 1 ? 0 : 10 ** (digits - 1);
    for (;;) {
      const n = least + random.integer(10 ** digits - least);
      if (!taken.has(n)) return n;
    }
  };
  const heldBack = (part: "test" | "validation"): readonly Pair[] => {
    const own: number[] = [];
    const take = (digits: number) => {
      let n = draw(digits);
      while (n < OWN_WORDS) n = draw(digits);
      taken.add(n);
      own.push(n);
    };
    for (let digits = 2; digits <= SMALL; digits++) {
      const count = Math.round(HELD_BACK[part] * 9 * 10 ** (digits - 1));
      for (let i = 0; i < count; i++) take(digits);
    }
    for (let i = 0; own.length < sizes[part]; i++) take(SMALL + 1 + (i % (DIGITS - SMALL)));
    return shuffled(own, random).map(pairOf);
  };
  const test = heldBack("test");
  const validation = heldBack("validation");
  const train = Array.from({ length: sizes.train }, () => pairOf(draw(1 + random.integer(DIGITS))));
  return { about, train, validation, test };
}

function shuffled(numbers: number[], random: { integer(below: number): number }): number[] {
  for (let i = numbers.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers;
}
