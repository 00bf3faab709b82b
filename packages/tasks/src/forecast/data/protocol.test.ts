import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadTraffic, trafficIds } from "./load.ts";
import { seriesWindows, type TrafficSeries } from "./series.ts";

const mirror = fileURLToPath(new URL("../../../../../../shared/data", import.meta.url));
const load = (id: string) => loadTraffic(id, { mirror });

/** Scores of a method that gives the truth of an earlier row, over all test windows and output steps. */
function scores(
  series: TrafficSeries,
  stepsOut: number,
  earlier: (start: number, k: number) => number,
) {
  const { columns, values, protocol } = series;
  let n = 0;
  let absolute = 0;
  let squares = 0;
  let relative = 0;
  let truth = 0;
  for (const start of seriesWindows(series, "test", stepsOut)) {
    for (let k = 0; k < stepsOut; k++) {
      const row = start + protocol.stepsIn + k;
      const from = earlier(start + protocol.stepsIn, k);
      for (let c = 0; c < columns; c++) {
        const y = values[row * columns + c]!;
        if (protocol.nonZeroOnly && y === 0) continue;
        const error = y - values[from * columns + c]!;
        n++;
        absolute += Math.abs(error);
        squares += error * error;
        relative += Math.abs(error / y);
        truth += y * y;
      }
    }
  }
  return {
    rmse: Math.sqrt(squares / n),
    mae: absolute / n,
    mape: relative / n,
    accuracy: 1 - Math.sqrt(squares / truth),
  };
}
const lastValue = (first: number) => first - 1;

function compare(
  series: TrafficSeries,
  method: string,
  earlier: (first: number, k: number) => number,
) {
  const rows = series.protocol.published.filter((row) => row.method === method);
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) {
    const got = scores(series, row.horizon, earlier);
    const at = `${series.id} ${method} ${row.horizon}`;
    // The notes give three or four decimals.
    expect(got.rmse, at).toBeCloseTo(row.rmse!, 2);
    if (row.mae !== undefined) expect(got.mae, at).toBeCloseTo(row.mae, 2);
    if (row.accuracy !== undefined) expect(got.accuracy, at).toBeCloseTo(row.accuracy, 3);
    if (row.mape !== undefined && series.protocol.nonZeroOnly)
      expect(got.mape, at).toBeCloseTo(row.mape, 3);
  }
}

describe.skipIf(!existsSync(mirror))("protocols (skipped where ../shared/data is absent)", () => {
  it("Los-loop gives the published windows and last-value scores of T-GCN's protocol", async () => {
    const series = await load("los-loop");
    expect(series).toMatchObject({ rows: 2016, columns: 207, simulated: false, notes: [] });
    expect(series.protocol.trainRows).toBe(1612);
    const counts = series.protocol.horizons.map((h) => seriesWindows(series, "test", h).length);
    expect(counts).toEqual([389, 386, 383, 380]);
    // Without a validation part the training windows would be 1612 - 12 - 3.
    expect(seriesWindows(series, "train", 3).length).toBe(1612 - 288 - 15);
    const most = series.values.subarray(0, 1612 * 207).reduce((a, b) => Math.max(a, b));
    expect(most).toBe(70);
    expect(series.names[0]).toBe("773869");
    // 1 March 2012 was a Thursday.
    expect([series.weekday[0], series.slot[300]]).toEqual([3, 12]);
    let edges = 0;
    for (let i = 0; i < 207; i++) {
      expect(series.adjacency![i * 208]).toBe(1);
      for (let j = 0; j < 207; j++) if (series.adjacency![i * 207 + j]! > 0) edges++;
    }
    expect(edges).toBe(2833);
    compare(series, "last value", lastValue);
  });

  it("PeMS lane flow gives 4308 test windows and the last-value scores", async () => {
    const series = await load("pems-flow");
    expect(seriesWindows(series, "test", 1).length).toBe(4308);
    expect(series.protocol.trainRows).toBe(7776);
    expect(Math.max(...series.values.subarray(0, 7776))).toBe(197);
    expect(series.start).toBe("2016-01-04T00:00");
    expect(new Set(series.weekday)).toEqual(new Set([0, 1, 2, 3, 4]));
    compare(series, "last value", lastValue);
  });

  it("Hangzhou metro forecasts the last week in blocks", async () => {
    const series = await load("hangzhou-metro");
    expect(seriesWindows(series, "test", 6).length).toBe(126);
    compare(series, "last value", lastValue);
    compare(series, "same slot one week before", (first, k) => first + k - 7 * 108);
  });

  it("New York taxi forecasts the last 168 hours in blocks", async () => {
    const series = await load("nyc-taxi");
    expect(series).toMatchObject({ rows: 1464, columns: 900 });
    compare(series, "last value", lastValue);
    compare(series, "same hour one week before", (first, k) => first + k - 168);
  });

  it("Interstate volume is cleaned and says how", async () => {
    const series = await load("metro-interstate");
    const text = series.notes.join("\n");
    expect(text).toMatch(/7629 rows repeat a time/);
    expect(text).toMatch(/0 K in 10 rows, rain above 305 mm in 1/);
    const [, filled] = /(\d+) missing rows in gaps/.exec(text)!;
    const [, cut] = /\((\d+) rows in all\) left out/.exec(text)!;
    expect(Number(filled) + Number(cut)).toBe(11976);
    expect(Math.max(...series.values)).toBe(7280);
    expect(series.covariates!.names).toContain("holiday");
    expect(series.values.every(Number.isFinite)).toBe(true);
    expect(series.covariates!.values.every(Number.isFinite)).toBe(true);
  });

  it("NAB series have their anomaly windows, on rows inside those times", async () => {
    const ids = trafficIds().filter((id) => id.startsWith("nab-"));
    expect(ids.length).toBe(7);
    let windows = 0;
    for (const id of ids) {
      const series = await load(id);
      expect(series.values.every(Number.isFinite), id).toBe(true);
      expect(seriesWindows(series, "test", 6).length, id).toBeGreaterThan(100);
      for (const { start, end, from, to } of series.anomalies!) {
        windows++;
        expect(end, id).toBeGreaterThan(start);
        expect(series.timestamps![start]! >= from && series.timestamps![end - 1]! <= to, id).toBe(
          true,
        );
      }
    }
    expect(windows).toBe(14);
  });
});
