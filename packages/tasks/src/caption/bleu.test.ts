import { describe, expect, test } from "vitest";
import { againstReferences, bootstrapBleu, corpusBleu, gramsOf, intervalsOf } from "./bleu.ts";

const words = (text: string) => text.split(" ");
const count = (caption: string, ...references: string[]) =>
  againstReferences(references.map(words))(gramsOf(words(caption)));

// Papineni et al. 2002, example 1, as NLTK's documentation of bleu_score has it.
const first = count(
  "It is a guide to action which ensures that the military always obeys the commands of the party",
  "It is a guide to action that ensures that the military will forever heed Party commands",
  "It is the guiding principle which guarantees the military forces always being under the command of the Party",
  "It is the practical guide for the Army always to heed the directions of the party",
);
const second = count(
  "he read the book because he was interested in world history",
  "he was interested in world history because he read the book",
);

describe("BLEU", () => {
  test("the published examples: 0.5045 for a sentence, 0.5920 for a corpus of two", () => {
    expect(corpusBleu([first]).scores[3]).toBeCloseTo(0.5045666840058485, 12);
    expect(corpusBleu([first, second]).scores[3]).toBeCloseTo(0.5920778868801042, 12);
  });

  test("words count at most as often as in a reference (Papineni's example 2)", () => {
    const { matches, totals } = count(
      "the the the the the the the",
      "the cat is on the mat",
      "there is a cat on the mat",
    );
    expect([matches[0], totals[0]]).toEqual([2, 7]);
  });

  test("by hand: precisions 3/4 and 1/3, one word short of five", () => {
    const { scores, brevityPenalty } = corpusBleu([count("a dog the runs", "a dog runs so fast")]);
    expect(brevityPenalty).toBeCloseTo(Math.exp(1 - 5 / 4), 12);
    expect(scores[0]).toBeCloseTo(Math.exp(-0.25) * 0.75, 12);
    expect(scores[1]).toBeCloseTo(Math.exp(-0.25) * Math.sqrt(0.75 / 3), 12);
    expect(scores.slice(2)).toEqual([0, 0]);
  });

  test("the nearest reference counts, the shorter of two equally near; no words score 0", () => {
    const lengths = (...all: number[]) =>
      againstReferences(all.map((n) => new Array<string>(n).fill("a")));
    const twelve = gramsOf(new Array<string>(12).fill("a"));
    expect(lengths(13, 2)(twelve).reference).toBe(13);
    expect(lengths(13, 11)(twelve).reference).toBe(11);
    expect(corpusBleu([lengths(3)(gramsOf([]))]).scores).toEqual([0, 0, 0, 0]);
  });

  test("bootstrap: draws the same for a seed, and an interval around the score", () => {
    const counts = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? first : second));
    const draws = bootstrapBleu(counts, 5);
    expect(bootstrapBleu(counts, 5)).toEqual(draws);
    const { scores } = corpusBleu(counts);
    for (const [n, [low, high]] of intervalsOf(draws).entries()) {
      expect(low).toBeLessThan(scores[n]);
      expect(high).toBeGreaterThan(scores[n]);
    }
    expect(intervalsOf(bootstrapBleu([first, first], 1))[3]).toEqual(
      new Array(2).fill(corpusBleu([first]).scores[3]),
    );
  });
});
