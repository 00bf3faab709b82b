import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permutation, randomStream } from "./stream.ts";

describe("randomStream", () => {
  it("is reproducible and differs by seed, stream and substream", () => {
    const draw = (...at: [number, number?, number?]) => randomStream(...at).uint32();
    expect(draw(7, 1, 2)).toBe(draw(7, 1, 2));
    expect(new Set([draw(7), draw(8), draw(7, 1), draw(7, 0, 1), draw(2 ** 40)]).size).toBe(5);
  });

  it("has the moments it claims", () => {
    const random = randomStream(1);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < 20_000; i++) {
      const x = random.normal();
      sum += x;
      squares += x * x;
    }
    expect(Math.abs(sum / 20_000)).toBeLessThan(0.03);
    expect(Math.abs(squares / 20_000 - 1)).toBeLessThan(0.05);
  });

  it("refuses a seed that is no integer", () => {
    expect(() => randomStream(-1)).toThrow(/seed -1/);
    expect(() => randomStream(0.5)).toThrow(/non-negative integer/);
  });
});

describe("permutation", () => {
  it("is a permutation, the same for the same (seed, epoch)", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(), fc.nat(50), (length, seed, epoch) => {
        const order = permutation(length, seed, epoch);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
        expect(permutation(length, seed, epoch)).toEqual(order);
      }),
      { numRuns: 50 },
    );
  });

  it("keeps its published order", () => {
    expect([...permutation(8, 42, 0)]).toEqual([1, 6, 3, 4, 0, 2, 7, 5]);
    expect(permutation(50, 42, 0)).not.toEqual(permutation(50, 42, 1));
  });
});
