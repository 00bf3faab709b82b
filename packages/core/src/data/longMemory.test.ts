import fc from "fast-check";
import { expect, test } from "vitest";
import { data } from "../index.ts";

const everything = (set: { length: number; get(indices: ArrayLike<number>): data.Batch }) =>
  set.get(Array.from({ length: set.length }, (_, i) => i));

test("adding: one mark in either half, y their sum, at any length", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(1e6), (steps, seed) => {
      const set = data.addingProblem({ steps, samples: 5, seed });
      expect(set.fields.x.shape).toEqual([steps, 2]);
      const { x, y } = everything(set);
      for (let i = 0; i < 5; i++) {
        const row = Array.from({ length: steps }, (_, t) => 2 * (i * steps + t));
        const marked = row.flatMap((at, t) => (x.data[at + 1] === 1 ? [t] : []));
        expect(marked.length).toBe(2);
        expect(marked[0]).toBeLessThan(Math.floor(steps / 2));
        expect(marked[1]).toBeGreaterThanOrEqual(Math.floor(steps / 2));
        const sum = marked.reduce((total, t) => total + Number(x.data[row[t]]), 0);
        expect(y.data[i]).toBeCloseTo(sum, 6);
        for (const at of row) expect([0, 1]).toContain(x.data[at + 1]);
      }
    }),
    { numRuns: 30 },
  );
});

test("adding: answering 1 errs by 1/6, as published", () => {
  const { y } = everything(data.addingProblem({ steps: 10, samples: 20_000, seed: 3 }));
  const error = (y.data as Float32Array).reduce((sum, value) => sum + (value - 1) ** 2, 0);
  expect(error / 20_000).toBeCloseTo(1 / 6, 2);
});

test("copy: symbols, blanks, delimiter, and the symbols again", () => {
  const whole = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(whole, whole, whole, fc.nat(1e6), (delay, symbols, alphabet, seed) => {
      const set = data.copyProblem({ delay, symbols, alphabet, samples: 3, seed });
      const steps = delay + 2 * symbols;
      expect(set.fields.y.shape).toEqual([steps]);
      const { x, y } = everything(set);
      for (let i = 0; i < 3; i++) {
        const [input, output] = [x, y].map(({ data: values }) =>
          [...(values as Int32Array)].slice(i * steps, (i + 1) * steps),
        );
        const shown = input.slice(0, symbols);
        for (const symbol of shown) expect(symbol).toBeLessThan(alphabet);
        const blanks = (count: number) => Array<number>(count).fill(alphabet);
        expect(input.slice(symbols)).toEqual([
          ...blanks(delay - 1),
          alphabet + 1,
          ...blanks(symbols),
        ]);
        expect(output).toEqual([...blanks(delay + symbols), ...shown]);
      }
    }),
    { numRuns: 30 },
  );
});

test("the same seed gives the same samples, however many are asked for", () => {
  const make = (samples: number, seed: number) => [
    everything(data.addingProblem({ steps: 7, samples, seed })).x.data,
    everything(data.copyProblem({ delay: 3, samples, seed })).x.data,
  ];
  const [few, many, other] = [make(2, 1), make(9, 1), make(2, 2)];
  for (const i of [0, 1]) {
    expect(many[i].slice(0, few[i].length)).toEqual(few[i]);
    expect(other[i]).not.toEqual(few[i]);
  }
});

test("says what is wrong", () => {
  expect(() => data.addingProblem({ steps: 1, samples: 1 })).toThrow(/steps.*from 2, received 1/);
  expect(() => data.copyProblem({ delay: 0.5, samples: 1 })).toThrow(/delay.*received 0.5/);
});
