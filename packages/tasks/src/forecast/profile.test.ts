import { describe, expect, it } from "vitest";
import { chooseProfile, dailyProfile } from "./profile.ts";

/** Days of two slots from Thursday on, one value a slot. */
function days(...values: [number, number][]) {
  return {
    values: Float32Array.from(values.flat()),
    rows: 2 * values.length,
    columns: 1,
    slot: Int32Array.from({ length: 2 * values.length }, (_, row) => row % 2),
    weekday: Int32Array.from({ length: 2 * values.length }, (_, row) => (3 + (row >> 1)) % 7),
    stepsPerDay: 2,
  };
}

// Thursday, Friday, Saturday, Sunday, Monday, Tuesday.
const week = days([1, 10], [3, 14], [100, 200], [120, 220], [5, 18], [99, 99]);

describe("the daily profile", () => {
  it("leaves a fitted row's own day out and sees no row after the fitted ones", () => {
    const usual = dailyProfile(week, 10, { days: "workdays", smooth: 0 });
    expect([...usual]).toEqual([4, 16, 3, 14, 120, 220, 100, 200, 2, 12, 3, 14]);
  });

  it("takes the other kinds of days where no other day is of its kind", () => {
    const usual = dailyProfile(week, 6, { days: "workdays", smooth: 0 });
    // Saturday is the only weekend day of the first three.
    expect([...usual.subarray(4, 6)]).toEqual([2, 12]);
    // Sunday was not fitted: Saturday is its kind. A weekday seen never takes all days.
    expect([...usual.subarray(6, 8)]).toEqual([100, 200]);
    const byDay = dailyProfile(week, 6, { days: "weekdays", smooth: 0 });
    expect(byDay[8]).toBeCloseTo(104 / 3, 5);
  });

  it("averages neighbouring slots round midnight, and goes on after the last row", () => {
    const usual = dailyProfile(week, 4, { days: "all", smooth: 1, extraRows: 3 });
    // Both neighbours of slot 0 are slot 1: (3 + 14 + 14) / 3 of the other day.
    expect(usual[0]).toBeCloseTo(31 / 3, 5);
    expect(usual.length).toBe(15);
    expect(usual[12]).toBe(usual[4]);
    expect(usual[14]).toBe(usual[6]);
    expect(usual[13]).toBe(usual[5]);
  });

  it("has only itself where there is a single day", () => {
    expect([...dailyProfile(days([4, 6]), 2, { smooth: 0 })]).toEqual([4, 6]);
  });

  it("gives the column's level where no fitted day has the slot", () => {
    expect([...dailyProfile(days([4, 6]), 1, { smooth: 0 })]).toEqual([4, 4]);
  });

  it("chooses the kind of days that describes left-out days best", () => {
    expect(chooseProfile(week, 10).days).toBe("workdays");
    const level = days([1, 9], [2, 8], [1, 9], [2, 8], [1, 9], [2, 8]);
    expect(chooseProfile(level, 12)).toEqual({ days: "all", smooth: 0 });
    expect(chooseProfile(week, 10, { days: "all", smooth: 2 })).toEqual({ days: "all", smooth: 2 });
  });
});
