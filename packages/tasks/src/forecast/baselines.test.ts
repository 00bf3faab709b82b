import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  autoregression,
  autoregressionGraphProfile,
  type Baseline,
  type ForecastProblem,
  historicalAverage,
  lastValue,
  linearForecast,
  movingMean,
  neighbourMean,
  seasonalNaive,
} from "./baselines.ts";
import { loadTraffic } from "./data/load.ts";
import { seriesWindows, type TrafficSeries } from "./data/series.ts";
import { score } from "./metrics.ts";
import { chooseProfile } from "./profile.ts";

/** A small problem: `steps` a day, rows of one column by a function. */
function problem(
  rows: number,
  value: (row: number) => number,
  more: Partial<ForecastProblem> = {},
) {
  const stepsPerDay = 8;
  return {
    values: Float32Array.from({ length: rows }, (_, row) => value(row)),
    rows,
    columns: 1,
    slot: Int32Array.from({ length: rows }, (_, row) => row % stepsPerDay),
    weekday: Int32Array.from({ length: rows }, (_, row) => Math.floor(row / stepsPerDay) % 7),
    stepsPerDay,
    trainRows: Math.floor(0.8 * rows),
    stepsIn: 3,
    stepsOut: 2,
    starts: Int32Array.from([rows - 6, rows - 5]),
    ...more,
  } satisfies ForecastProblem;
}

describe("baselines", () => {
  it("the last value, the moving mean and an earlier period are what they say", () => {
    const p = problem(20, (row) => row);
    expect([...lastValue(p)]).toEqual([16, 16, 17, 17]);
    // (14 + 15 + 16) / 3 = 15, then (15 + 16 + 15) / 3.
    expect(movingMean(p)[0]).toBe(15);
    expect(movingMean(p)[1]).toBeCloseTo(46 / 3, 5);
    expect([...seasonalNaive(p, 8)]).toEqual([9, 10, 10, 11]);
    // One row back is not known yet for the second step: two rows back is.
    expect([...seasonalNaive(p, 1)]).toEqual([16, 16, 17, 17]);
    expect(() => seasonalNaive(p, 0)).toThrow(/positive integer/);
    expect(() => seasonalNaive(p, 40)).toThrow(/no row/);
  });

  it("the historical average sees the training part only", () => {
    // Days of value 1, 2, 1, 2, ... and a test part that is far away.
    const p = problem(80, (row) => (row < 64 ? 1 + (Math.floor(row / 8) % 2) : 1000));
    expect([...historicalAverage(p, { days: "all", smooth: 0 })]).toEqual([1.5, 1.5, 1.5, 1.5]);
  });

  it("least squares recovers an autoregression, to the last output step", () => {
    // Any sequence y[t] = 1.6 y[t-1] - 0.9 y[t-2] + 1 is forecast without error by AR(3).
    const y = [1, 2];
    for (let i = 2; i < 200; i++) y.push(1.6 * y[i - 1] - 0.9 * y[i - 2] + 1);
    const p = problem(200, (row) => y[row]);
    const scores = score({ ...p, predictions: autoregression(p) });
    expect(scores.rmse).toBeLessThan(1e-3 * Math.abs(y[199]) + 1e-3);
  });

  it("uses the profile and the neighbours where they decide", () => {
    const random = mulberry(1);
    const rhythm = Array.from({ length: 8 }, () => 10 * random());
    const daily = problem(400, (row) => rhythm[row % 8] + 0.01 * random());
    const error = (predictions: Float32Array) => score({ ...daily, predictions }).rmse;
    expect(error(linearForecast(daily, { profile: true }))).toBeLessThan(0.03);

    // Column 1 is noise, column 0 repeats it one row later: only the neighbour knows what comes.
    const noise = Float32Array.from({ length: 401 }, () => random());
    const values = new Float32Array(800);
    for (let row = 0; row < 400; row++) {
      values[2 * row] = noise[row];
      values[2 * row + 1] = noise[row + 1];
    }
    const pair = problem(400, () => 0, {
      values,
      columns: 2,
      stepsOut: 1,
      starts: Int32Array.from({ length: 70 }, (_, i) => 320 + i),
      adjacency: Float32Array.from([1, 1, 0, 1]),
    });
    const mean = neighbourMean(pair);
    // Column 1 has no neighbour and keeps its own value.
    expect([mean[0], mean[1]]).toEqual([values[1], values[1]]);
    const both = autoregressionGraphProfile(pair);
    const alone = linearForecast(pair, { profile: true });
    expect(score({ ...pair, predictions: both }).rmse).toBeLessThan(
      0.95 * score({ ...pair, predictions: alone }).rmse,
    );
    expect(() => neighbourMean({ ...pair, adjacency: undefined })).toThrow(/2 x 2/);
  });

  it("fits inside segments, survives constant columns, and refuses windows outside", () => {
    const flat = problem(60, () => 5);
    expect(linearForecast(flat, { profile: true })[3]).toBeCloseTo(5, 4);
    const jump = problem(60, (row) => (row < 24 ? 0 : 7), {
      segments: [
        { start: 0, end: 24 },
        { start: 24, end: 60 },
      ],
    });
    expect(autoregression(jump)[3]).toBeCloseTo(7, 4);
    expect(() => autoregression({ ...flat, starts: Int32Array.from([59]) })).toThrow(/outside/);
    expect(() => autoregression({ ...flat, trainRows: 3 })).toThrow(/without samples/);
    expect(() => autoregression({ ...flat, trainRows: 90 })).toThrow(/training rows/);
  });

  it("forecasts beyond the last row", () => {
    const p = problem(64, (row) => row % 8, { starts: Int32Array.from([61]) });
    expect([...historicalAverage(p, { days: "all", smooth: 0 })]).toEqual([0, 1]);
  });
});

function mulberry(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const mirror = fileURLToPath(new URL("../../../../../shared/data", import.meta.url));
const load = (id: string) => loadTraffic(id, { mirror });
const problemOf = (series: TrafficSeries, stepsOut: number): ForecastProblem => ({
  ...series,
  trainRows: series.protocol.trainRows,
  stepsIn: series.protocol.stepsIn,
  stepsOut,
  starts: seriesWindows(series, "test", stepsOut),
});
const scoreOf = (series: TrafficSeries, stepsOut: number, baseline: Baseline) => {
  const p = problemOf(series, stepsOut);
  return score({ ...p, predictions: baseline(p) }, { nonZeroOnly: series.protocol.nonZeroOnly });
};

const absent = !existsSync(mirror);
const real = absent
  ? "baselines on real data (SKIPPED: no ../shared/data)"
  : "baselines on real data";
describe.skipIf(absent)(real, () => {
  it("Los-loop: the published figures of the last value and the moving mean", async () => {
    const series = await load("los-loop");
    for (const [method, baseline] of [
      ["last value", lastValue],
      ["moving mean", movingMean],
    ] as const)
      for (const row of series.protocol.published.filter((r) => r.method === method)) {
        const got = scoreOf(series, row.horizon, baseline);
        expect(got.rmse).toBeCloseTo(row.rmse!, 3);
        expect(got.mae).toBeCloseTo(row.mae!, 3);
        expect(got.accuracy).toBeCloseTo(row.accuracy!, 3);
      }
  });

  it("Los-loop: the linear rows, 12 steps at once and scored on the first ones", async () => {
    const series = await load("los-loop");
    expect(chooseProfile(series, 1612)).toEqual({ days: "workdays", smooth: 3 });
    const p = { ...problemOf(series, 3), stepsOut: 12 };
    const hour = { ...p, starts: seriesWindows(series, "test", 12) };
    const at = (which: ForecastProblem, predictions: Float32Array, to: number) => {
      const { rmse, mae } = score({ ...which, predictions }, { to });
      return [rmse, mae];
    };
    const near = (got: number[], wanted: number[]) => {
      for (const [i, value] of got.entries()) expect(value).toBeCloseTo(wanted[i], 2);
    };
    near(at(p, autoregression(p), 3), [5.338, 3.065]);
    near(at(hour, autoregression(hour), 12), [7.951, 4.446]);
    near(at(p, autoregressionGraphProfile(p), 3), [4.959, 2.959]);
    near(at(hour, autoregressionGraphProfile(hour), 12), [6.54, 3.806]);
    // One profile for all days, as a forecaster without a calendar would have.
    near(
      at(p, linearForecast(p, { neighbours: true, profile: true, days: "all" }), 3),
      [5.02, 2.978],
    );
    near(at(hour, historicalAverage(hour, { days: "all", smooth: 0 }), 12), [8.97, 5.183]);
  });

  it("PeMS lane flow: the linear rows", async () => {
    const series = await load("pems-flow");
    const ar = scoreOf(series, 1, autoregression);
    expect(ar.rmse).toBeCloseTo(10.26, 2);
    expect(ar.mae).toBeCloseTo(7.534, 2);
    expect(ar.r2).toBeCloseTo(0.9352, 3);
    expect(ar.explainedVariance).toBeGreaterThanOrEqual(ar.r2);
    expect(ar.mape).toBeCloseTo(0.2153, 3);
    expect(scoreOf(series, 1, autoregressionGraphProfile).rmse).toBeCloseTo(8.782, 2);
  });

  it("Hangzhou metro: one week before as published, and the weekly profile", async () => {
    const series = await load("hangzhou-metro");
    const week = scoreOf(series, 4, (p) => seasonalNaive(p, 7 * 108));
    expect(week.rmse).toBeCloseTo(34.747, 2);
    expect(week.mape).toBeCloseTo(0.2242, 3);
    expect(scoreOf(series, 4, historicalAverage).rmse).toBeCloseTo(40.278, 1);
    expect(scoreOf(series, 4, autoregressionGraphProfile).rmse).toBeCloseTo(30.607, 1);
  });
});
