import { describe, expect, it } from "vitest";
import { score, scoreByStep } from "./metrics.ts";

// Two windows of two steps and one column: truths 2, 0 and 0, 4; predictions 1, 1 and 0, 8.
const forecast = {
  values: Float32Array.from([9, 2, 0, 4]),
  columns: 1,
  stepsIn: 1,
  stepsOut: 2,
  starts: Int32Array.from([0, 1]),
  predictions: Float32Array.from([1, 1, 0, 8]),
};

describe("scores", () => {
  it("pools windows, steps and columns", () => {
    const s = score(forecast);
    // Errors 1, -1, 0, -4; truths 2, 0, 0, 4 with mean 1.5 and squared deviations 0.25 + 2.25 + 2.25 + 6.25.
    expect(s.count).toBe(4);
    expect(s.rmse).toBeCloseTo(Math.sqrt(18 / 4), 12);
    expect(s.mae).toBeCloseTo(6 / 4, 12);
    expect(s.accuracy).toBeCloseTo(1 - Math.sqrt(18 / 20), 12);
    expect(s.r2).toBeCloseTo(1 - 18 / 11, 12);
    expect(s.explainedVariance).toBeCloseTo(1 - (18 - 16 / 4) / 11, 12);
    expect(s.mape).toBeCloseTo((1 / 2 + 4 / 4) / 2, 12);
  });

  it("takes the first steps, one step, or the non-zero truths alone", () => {
    expect(score(forecast, { to: 1 }).mae).toBe(0.5);
    expect(scoreByStep(forecast).map((s) => s.mae)).toEqual([0.5, 2.5]);
    const nonZero = score(forecast, { nonZeroOnly: true });
    expect([nonZero.count, nonZero.mae]).toEqual([2, 2.5]);
    expect(scoreByStep(forecast, { nonZeroOnly: true }).map((s) => s.count)).toEqual([1, 1]);
  });

  it("allows targets beyond the end where they are not scored, and says what does not fit", () => {
    const late = { ...forecast, starts: Int32Array.from([1, 2]) };
    expect(score(late, { to: 1 }).count).toBe(2);
    expect(() => score(late)).toThrow(/window at row 2 has no truth for step 2/);
    expect(() => score({ ...forecast, stepsOut: 3 })).toThrow(/4 predictions for 2 windows x 3/);
    expect(() => score(forecast, { from: 1, to: 1 })).toThrow(/\[1, 1\) are not inside/);
  });
});
