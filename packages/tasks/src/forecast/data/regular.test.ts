import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { regular } from "./regular.ts";

const MINUTE = 60_000;
const at = (...minutes: number[]) => Float64Array.from(minutes, (m) => m * MINUTE);
const of = (...values: number[]) => Float32Array.from(values);

describe("regular", () => {
  it("leaves an even series alone and silent", () => {
    const even = regular({ times: at(0, 5, 10), values: of(1, 2, 3), columns: 1 });
    expect(even).toMatchObject({ rows: 3, intervalMinutes: 5, notes: [] });
    expect([...even.values]).toEqual([1, 2, 3]);
    expect(even.segments).toEqual([{ start: 0, end: 3 }]);
  });

  it("sorts, averages repeats and reports both", () => {
    const got = regular({ times: at(5, 0, 10, 5), values: of(2, 1, 3, 4), columns: 1 });
    expect([...got.values]).toEqual([1, 3, 3]);
    expect(got.notes.join(" ")).toMatch(/2 rows out of time order: sorted.*1 row repeats a time/);
  });

  it("fills short gaps by straight lines and cuts at long ones", () => {
    const got = regular(
      { times: at(0, 5, 20, 25, 100, 105), values: of(0, 1, 4, 5, 9, 9), columns: 1 },
      { maxFill: 3 },
    );
    expect([...got.values]).toEqual([0, 1, 2, 3, 4, 5, 9, 9]);
    expect([...got.observed]).toEqual([1, 1, 0, 0, 1, 1, 1, 1]);
    expect(got.segments).toEqual([
      { start: 0, end: 6 },
      { start: 6, end: 8 },
    ]);
    expect(got.timestamps[6]).toBe(100 * MINUTE);
    expect(got.notes.join(" ")).toMatch(/2 missing rows.*1 longer gap \(14 rows in all\) left out/);
  });

  it("fills missing cells, the ends by the nearest value, an empty column by nothing known", () => {
    const NaNs = Number.NaN;
    const got = regular({
      times: at(0, 1, 2, 3),
      values: of(NaNs, NaNs, 1, NaNs, NaNs, NaNs, 3, NaNs),
      columns: 2,
    });
    expect([...got.values]).toEqual([1, 0, 1, 0, 2, 0, 3, 0]);
    expect(got.notes.join(" ")).toMatch(/6 missing values/);
  });

  it("resamples uneven times to the median and says so", () => {
    const got = regular({ times: at(0, 5, 9, 15, 20), values: of(1, 2, 3, 4, 5), columns: 1 });
    expect([...got.values]).toEqual([1, 2, 3, 4, 5]);
    expect(got.notes[0]).toMatch(/uneven \(4 min to 6 min apart\): resampled to the median, 5 min/);
  });

  it("refuses rows of one time", () => {
    expect(() => regular({ times: at(3, 3), values: of(1, 2), columns: 1 })).toThrow(/same time/);
  });

  it("keeps every observed value of rows on a grid, in any order, without holes", () => {
    const steps = fc.uniqueArray(fc.nat(60), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(steps, (list) => {
        const got = regular(
          { times: at(...list.map((s) => s * 5)), values: of(...list), columns: 1 },
          { intervalMinutes: 5 },
        );
        const seen = [...got.values].filter((_, row) => got.observed[row] === 1);
        expect(seen).toEqual([...list].sort((a, b) => a - b));
        // The value is the step itself, so straight lines must reproduce it.
        for (let row = 0; row < got.rows; row++)
          expect(got.values[row]).toBeCloseTo(got.timestamps[row]! / (5 * MINUTE), 4);
      }),
    );
  });
});
