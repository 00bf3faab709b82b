import { data } from "tensorlane";

/** Longest n-grams that count. */
const ORDERS = 4;

/** What a caption adds to the score of a corpus. */
export interface BleuCounts {
  /** n-grams of the caption that a reference has too, each at most as often as there; n = 1 to 4. */
  readonly matches: readonly number[];
  /** n-grams of the caption. */
  readonly totals: readonly number[];
  readonly length: number;
  /** Length of the reference nearest in length, the shorter of two equally near. */
  readonly reference: number;
}

export interface Bleu {
  /** BLEU-1 to BLEU-4, 0 to 1. */
  readonly scores: readonly number[];
  readonly brevityPenalty: number;
}

/** How often each n-gram of 1 to 4 words stands in a sentence. */
export interface Grams {
  readonly length: number;
  readonly counts: readonly ReadonlyMap<string, number>[];
}

export function gramsOf(words: readonly string[]): Grams {
  const counts = Array.from({ length: ORDERS }, (_, order) => {
    const own = new Map<string, number>();
    for (let i = 0; i + order < words.length; i++) {
      const gram = words.slice(i, i + order + 1).join(" ");
      own.set(gram, (own.get(gram) ?? 0) + 1);
    }
    return own;
  });
  return { length: words.length, counts };
}

/**
 * Prepares the references of a picture once, for many captions.
 *
 * @example againstReferences([["a", "dog"]])(gramsOf(["a", "cat"])).matches // [1, 0, 0, 0]
 */
export function againstReferences(
  references: readonly (readonly string[])[],
): (caption: Grams) => BleuCounts {
  const most = Array.from({ length: ORDERS }, () => new Map<string, number>());
  for (const reference of references) {
    for (const [order, counts] of gramsOf(reference).counts.entries()) {
      for (const [gram, count] of counts) {
        most[order].set(gram, Math.max(count, most[order].get(gram) ?? 0));
      }
    }
  }
  const lengths = references.map(({ length }) => length).sort((a, b) => a - b);
  return (caption) => {
    const nearest = lengths.reduce((best, length) =>
      Math.abs(length - caption.length) < Math.abs(best - caption.length) ? length : best,
    );
    return {
      matches: caption.counts.map((counts, order) =>
        [...counts].reduce((n, [gram, c]) => n + Math.min(c, most[order].get(gram) ?? 0), 0),
      ),
      totals: caption.counts.map((_, order) => Math.max(0, caption.length - order)),
      length: caption.length,
      reference: nearest,
    };
  };
}

/**
 * BLEU of a corpus (Papineni et al. 2002): the geometric mean of the clipped precisions of 1- to n-grams over all
 * captions together, times exp(1 - r/c) where the captions (c words) are shorter than the references (r).
 * Not smoothed: without one matching n-gram BLEU-n is 0.
 */
export function corpusBleu(counts: readonly BleuCounts[]): Bleu {
  const sum = (of: (one: BleuCounts) => number) =>
    counts.reduce((total, one) => total + of(one), 0);
  const [length, reference] = [sum((one) => one.length), sum((one) => one.reference)];
  const brevityPenalty = length === 0 ? 0 : Math.exp(Math.min(0, 1 - reference / length));
  let logs = 0;
  const scores = Array.from({ length: ORDERS }, (_, order) => {
    const [matches, totals] = [sum((one) => one.matches[order]), sum((one) => one.totals[order])];
    logs += matches === 0 ? Number.NEGATIVE_INFINITY : Math.log(matches / totals);
    return brevityPenalty * Math.exp(logs / (order + 1));
  });
  return { scores, brevityPenalty };
}

/** Draws of a bootstrap, and the share that lies within an interval. */
const [DRAWS, WITHIN] = [1000, 0.95];

export type Interval = readonly [low: number, high: number];

/**
 * BLEU-1 to BLEU-4 of 1000 corpora drawn with replacement (Koehn 2004). The same seed draws the same captions of
 * any system, so that two can be compared draw by draw.
 */
export function bootstrapBleu(counts: readonly BleuCounts[], seed: number): (readonly number[])[] {
  const random = data.randomStream(seed, 0x626c6575, 0);
  return Array.from({ length: DRAWS }, () => {
    const drawn = counts.map(() => counts[random.integer(counts.length)]);
    return corpusBleu(drawn).scores;
  });
}

/** 95 % intervals of BLEU-1 to BLEU-4. */
export function intervalsOf(draws: readonly (readonly number[])[]): Interval[] {
  return Array.from({ length: ORDERS }, (_, order) => {
    const sorted = draws.map((scores) => scores[order]).sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))];
    return [at((1 - WITHIN) / 2), at((1 + WITHIN) / 2)];
  });
}
