import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Scaler, type ScalerKind } from "./scale.ts";
import { chronologicalSplit, windowStarts } from "./split.ts";

const kinds: ScalerKind[] = ["identity", "max", "minmax", "standard"];

describe("Scaler", () => {
  it("follows the formulas", () => {
    const train = Float32Array.from([2, 4, 6, 8]);
    const of = (kind: ScalerKind) => [...Scaler.fit(kind, train).transform(train)];
    expect(of("max")).toEqual([0.25, 0.5, 0.75, 1]);
    expect(of("minmax")[1]).toBeCloseTo(1 / 3);
    expect(of("standard")[0]).toBeCloseTo(-3 / Math.sqrt(5));
    expect(of("identity")).toEqual([2, 4, 6, 8]);
  });

  it("fits columns one by one and survives JSON", () => {
    const train = Float32Array.from([0, 10, 1, 20, 2, 30]);
    const scaler = Scaler.fit("minmax", train, { columns: 2, perColumn: true });
    expect([...scaler.transform(train)]).toEqual([0, 0, 0.5, 0.5, 1, 1]);
    const again = new Scaler(JSON.parse(JSON.stringify(scaler)));
    expect(again.transform(train)).toEqual(scaler.transform(train));
    expect(() => scaler.transform(new Float32Array(3))).toThrow(/whole rows/);
  });

  it("inverts what it did", () => {
    // Measured values: a series whose maximum is next to nothing cannot be divided by it in float32.
    const measured = fc.integer({ min: -8000, max: 8000 }).map((n) => n / 8);
    const numbers = fc.array(measured, { minLength: 1 });
    fc.assert(
      fc.property(fc.constantFrom(...kinds), numbers, (kind, list) => {
        const values = Float32Array.from(list);
        const scaler = Scaler.fit(kind, values);
        const back = scaler.inverse(scaler.transform(values));
        const spread = Math.max(...values.map(Math.abs));
        for (const [i, x] of values.entries())
          expect(Math.abs(back[i]! - x)).toBeLessThanOrEqual(1e-5 * spread + 1e-6);
      }),
    );
  });

  it("skips missing values, keeps constant columns and refuses empty ones", () => {
    const scaler = Scaler.fit("max", Float32Array.from([Number.NaN, 4]));
    expect(scaler.state.scale).toEqual([4]);
    expect(Scaler.fit("standard", Float32Array.of(5, 5)).state).toMatchObject({
      offset: [5],
      scale: [1],
    });
    expect(() => Scaler.fit("max", Float32Array.of(Number.NaN))).toThrow(/no value/);
    expect(() => Scaler.fit("max", new Float32Array(0))).toThrow(/not whole rows/);
    expect(() => new Scaler({ kind: "max", columns: 2, offset: [0], scale: [1] })).toThrow(
      /does not fit/,
    );
    expect(() => new Scaler({ kind: "max", columns: 0, offset: [0], scale: [0] })).toThrow(/not 0/);
  });
});

describe("chronologicalSplit", () => {
  it("keeps time order and cuts validation from the training part", () => {
    expect(chronologicalSplit(2016, { train: 0.8, validation: 200 })).toEqual({
      train: { start: 0, end: 1412 },
      validation: { start: 1412, end: 1612 },
      test: { start: 1612, end: 2016 },
    });
    expect(() => chronologicalSplit(10, { train: 0.05 })).toThrow(/nothing to train on/);
    expect(() => chronologicalSplit(10, { train: Number.NaN })).toThrow(/train = NaN/);
  });

  it("finds the windows of a part", () => {
    expect([...windowStarts({ start: 3, end: 8 }, 3)]).toEqual([3, 4, 5]);
    expect([...windowStarts({ start: 3, end: 8 }, 3, 2)]).toEqual([3, 5]);
    expect(windowStarts({ start: 3, end: 5 }, 3).length).toBe(0);
  });
});
