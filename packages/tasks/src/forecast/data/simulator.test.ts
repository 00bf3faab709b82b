import { describe, expect, it } from "vitest";
import { loadTraffic } from "./load.ts";
import { simulateTraffic } from "./simulator.ts";

const week = simulateTraffic({ detectors: 24, days: 7, seed: 5 });
const mean = (rows: (row: number) => boolean, columns: (column: number) => boolean) => {
  let sum = 0;
  let n = 0;
  for (let row = 0; row < week.rows; row++)
    for (let c = 0; c < week.columns; c++)
      if (rows(row) && columns(c)) {
        sum += week.values[row * week.columns + c]!;
        n++;
      }
  return sum / n;
};

describe("simulateTraffic", () => {
  it("says that it is simulated wherever it can", () => {
    expect(week.simulated).toBe(true);
    expect(week.title).toMatch(/^SIMULATED/);
    expect(week.notes[0]).toMatch(/^SIMULATED/);
    expect(week.protocol.published).toEqual([]);
  });

  it("has the shape it promises", () => {
    expect(week).toMatchObject({ rows: 2016, columns: 24, intervalMinutes: 5, unit: "mph" });
    expect(week.names.length).toBe(24);
    expect(week.values.every((v) => v >= 1 && v <= 80)).toBe(true);
    expect(week.slot[289]).toBe(1);
    expect([week.weekday[0], week.weekday[2015]]).toEqual([0, 6]);
    for (let i = 0; i < 24; i++) {
      expect(week.adjacency![i * 25]).toBe(1);
      for (let j = 0; j < 24; j++)
        expect(week.adjacency![i * 24 + j]).toBe(week.adjacency![j * 24 + i]);
    }
  });

  it("is the same for the same seed and another for another", () => {
    const again = simulateTraffic({ detectors: 24, days: 7, seed: 5 });
    expect(again.values.every((value, i) => value === week.values[i])).toBe(true);
    const other = simulateTraffic({ detectors: 24, days: 7, seed: 6 });
    expect(other.values.every((value, i) => value === week.values[i])).toBe(false);
  });

  it("has rush hours on working days, free nights and light weekends", () => {
    const workday = (row: number) => row < 5 * 288;
    const hours = (from: number, to: number) => (row: number) =>
      row % 288 >= from * 12 && row % 288 < to * 12;
    const a = (c: number) => c < 12;
    const b = (c: number) => c >= 12;
    const rushA = mean((r) => workday(r) && hours(7, 9)(r), a);
    const rushB = mean((r) => workday(r) && hours(16.5, 18.5)(r), b);
    const night = mean(hours(1, 4), () => true);
    const weekend = mean((r) => !workday(r) && hours(7, 9)(r), a);
    expect(night).toBeGreaterThan(60);
    expect(rushA).toBeLessThan(night - 8);
    expect(rushB).toBeLessThan(night - 8);
    expect(weekend).toBeGreaterThan(rushA + 8);
  });

  it("marks missing readings and fills them", () => {
    const holes = simulateTraffic({ detectors: 8, days: 1, seed: 1, missing: 0.2 });
    const absent = holes.observed!.filter((o) => o === 0).length / holes.values.length;
    expect(absent).toBeGreaterThan(0.05);
    expect(absent).toBeLessThan(0.4);
    expect(holes.values.every(Number.isFinite)).toBe(true);
  });

  it("refuses too few detectors, and loads by its id", async () => {
    expect(() => simulateTraffic({ detectors: 3 })).toThrow(/at least 8 detectors/);
    const series = await loadTraffic("simulated", { simulator: { detectors: 8, days: 1 } });
    expect(series).toMatchObject({ id: "simulated", columns: 8, rows: 288 });
  });
});
