import fc from "fast-check";
import { data } from "tensorlane";
import { describe, expect, test } from "vitest";
import { checkSampling, pick, probabilities } from "./sampler.ts";

const logitsOf = fc.array(fc.double({ min: -8, max: 8, noNaN: true }), {
  minLength: 1,
  maxLength: 12,
});

/** Softmax straight from its formula. */
const softmax = (logits: readonly number[], temperature = 1) => {
  const powers = logits.map((x) => Math.exp(x / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
};

/** Every set of tokens that a cut may keep: prefixes of the order by probability, ties by id. */
const ranked = (p: readonly number[]) =>
  p.map((_, id) => id).sort((a, b) => p[b]! - p[a]! || a - b);

describe("probabilities", () => {
  test("are the softmax over the temperature", () => {
    fc.assert(
      fc.property(logitsOf, fc.double({ min: 0.2, max: 5, noNaN: true }), (logits, temperature) => {
        const expected = softmax(logits, temperature);
        for (const [i, p] of probabilities(logits, { temperature }).entries()) {
          expect(p).toBeCloseTo(expected[i]!, 10);
        }
      }),
    );
  });

  test("top-k keeps the k likeliest, in their proportions", () => {
    fc.assert(
      fc.property(logitsOf, fc.integer({ min: 1, max: 15 }), (logits, topK) => {
        const all = Array.from(probabilities(logits));
        const kept = new Set(ranked(all).slice(0, topK));
        const mass = [...kept].reduce((sum, id) => sum + all[id]!, 0);
        for (const [id, p] of probabilities(logits, { topK }).entries()) {
          expect(p).toBeCloseTo(kept.has(id) ? all[id]! / mass : 0, 10);
        }
      }),
    );
  });

  test("the nucleus is the smallest set of the likeliest that reaches p, by trying all", () => {
    fc.assert(
      fc.property(logitsOf, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (logits, topP) => {
        const all = Array.from(probabilities(logits));
        const order = ranked(all);
        const sizes = order.map((_, i) => i + 1);
        const mass = (n: number) => order.slice(0, n).reduce((sum, id) => sum + all[id]!, 0);
        // Where a sum meets p exactly, rounding may decide either way.
        fc.pre(sizes.every((n) => Math.abs(mass(n) - topP) > 1e-9));
        const size = sizes.find((n) => mass(n) >= topP) ?? order.length;
        const kept = [...probabilities(logits, { topP })].flatMap((p, id) => (p > 0 ? [id] : []));
        expect(kept).toEqual(order.slice(0, size).sort((a, b) => a - b));
      }),
    );
  });

  test("temperature 0 takes the likeliest, the first of equals", () => {
    expect([...probabilities([1, 3, 3, 0], { temperature: 0 })]).toEqual([0, 1, 0, 0]);
  });

  test("a banned token is never drawn", () => {
    expect([...probabilities([9, 1, 1], { banned: 0 })]).toEqual([0, 0.5, 0.5]);
    expect([...probabilities([9, 1, 2], { banned: 0, temperature: 0 })]).toEqual([0, 0, 1]);
  });
});

describe("pick", () => {
  test("draws as often as the probabilities say, the same for the same seed", () => {
    const p = probabilities([Math.log(5), Math.log(3), Number.NEGATIVE_INFINITY, Math.log(2)]);
    const draw = (seed: number) => {
      const { uniform } = data.randomStream(seed);
      return Array.from({ length: 20_000 }, () => pick(p, uniform()));
    };
    const drawn = draw(4);
    expect(drawn).toEqual(draw(4));
    expect(drawn).not.toEqual(draw(5));
    for (const [id, share] of [0.5, 0.3, 0, 0.2].entries()) {
      expect(drawn.filter((one) => one === id).length / drawn.length).toBeCloseTo(share, 1.5);
    }
    expect(drawn).not.toContain(2);
  });

  test("gives a token that can occur where rounding leaves the sum below 1", () => {
    expect(pick(Float64Array.of(0.4, 0.3, 0), 0.99)).toBe(1);
  });
});

test("senseless settings are refused", () => {
  expect(() => checkSampling({ temperature: -1 })).toThrow(/temperature must be 0 or more/);
  expect(() => checkSampling({ topK: 0 })).toThrow(/top-k must be a whole number from 1/);
  expect(() => checkSampling({ topP: 1.5 })).toThrow(/top-p must be above 0 and at most 1/);
});
