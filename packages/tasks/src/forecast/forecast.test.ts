import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { planTrain } from "../plan.ts";
import { RunFolder } from "../runFolder.ts";
import { quietUi } from "../testing.ts";
import { simulateTraffic } from "./data/index.ts";
import { Features } from "./features.ts";
import { forecastWindows } from "./forecasting.ts";
import { forecast } from "./index.ts";
import { recipes } from "./models.ts";
import { loadRunState } from "./runState.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-forecast-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Two weeks of hourly values with a daily rhythm. */
function csvOf(rows: number, columns = ["north", "south"]): string {
  const lines = [["time", ...columns].join(",")];
  for (let row = 0; row < rows; row++) {
    const time = new Date(Date.UTC(2024, 0, 1, row)).toISOString().slice(0, 19);
    const wave = Math.sin((2 * Math.PI * row) / 24);
    const noise = Math.sin(row * 12.9898) * 2;
    lines.push(
      [time, ...columns.map((_, i) => (100 * (i + 1) + 40 * wave + noise).toFixed(2))].join(","),
    );
  }
  return `${lines.join("\n")}\n`;
}

async function trainOnCsv(name: string, models: readonly string[] = ["gru"], epochs = 6) {
  const data = join(scratch, `${name}.csv`);
  const out = join(scratch, name);
  writeFileSync(data, csvOf(24 * 16));
  const options = await planTrain(forecast, { data, models, epochs, seed: 3, out });
  const { ui, said } = quietUi();
  return { out, data, said, result: await forecast.train(options, ui) };
}

describe("features", () => {
  const series = simulateTraffic({ detectors: 8, days: 4, seed: 1 });
  test("are changes from the last value, in units of the spread", () => {
    const features = Features.fit(series, 800, { stepsOut: 3, graph: false, perColumn: false });
    const set = features.dataset(series, [100], 800);
    const { sequence, target } = set.get([2]) as never as Record<string, { data: Float32Array }>;
    const value = (row: number) => series.values[row * series.columns + 2];
    const last = value(100 + series.protocol.stepsIn - 1);
    const scale = features.scaleOf(2);
    expect(sequence.data[0]).toBeCloseTo((value(100) - last) / scale, 5);
    expect(target.data[2]).toBeCloseTo(
      (value(100 + series.protocol.stepsIn + 2) - last) / scale,
      5,
    );
  });

  test("do not see the test part", () => {
    const changed = { ...series, values: series.values.slice() };
    changed.values.fill(1, 900 * series.columns);
    const of = (s: typeof series) => {
      const features = Features.fit(s, 800, { stepsOut: 3, graph: false, perColumn: false });
      return [features.settings, features.dataset(s, [100], 800).get([0])];
    };
    expect(of(changed)).toEqual(of(series));
  });
});

describe("training on a user's table", () => {
  test("writes a run that forecasts, exports and evaluates", async () => {
    const { out, result } = await trainOnCsv("table");
    expect(result.status).toBe("finished");
    expect(result.train.validationMeasure).toMatch(/is kept/);
    expect(result.train.losses).toHaveLength(6);
    const first = Object.values(result.metrics.horizons as object)[0] as { rmse: number };
    const lastValue = (result.metrics.baselines as never as Record<string, { rmse: number }>)[
      "last value"
    ];
    expect(first.rmse).toBeLessThan(lastValue.rmse);
    for (const file of [
      "best.safetensors",
      "last.safetensors",
      "model.onnx",
      "report.html",
      "results.json",
    ]) {
      expect(readFileSync(join(out, file)).length).toBeGreaterThan(100);
    }
    const { ui, written } = quietUi();
    await forecast.predict(out, [], { extra: {} }, ui);
    const lines = written.join("").trim().split("\n");
    expect(lines[0]).toBe("time,series,forecast,lower,upper");
    const [time, name, value, lower, upper] = lines[1].split(",");
    expect([time, name]).toEqual(["2024-01-17T00:00:00", "north"]);
    expect(Number(lower)).toBeLessThan(Number(value));
    expect(Number(value)).toBeLessThan(Number(upper));
    const again = await forecast.evaluate(out, { extra: {} }, ui);
    expect(again.metrics.rmse).toBeCloseTo(result.metrics.rmse as number, 6);
  });

  test("several models share a run; the better one is kept", async () => {
    const { out, result } = await trainOnCsv("several", ["rnn", "lstm"], 2);
    const models = result.train.models as Record<string, object>;
    expect(Object.keys(models)).toEqual(["rnn", "lstm"]);
    const kept = readFileSync(join(out, "best.safetensors"));
    expect(kept).toEqual(readFileSync(join(out, String(result.train.model), "best.safetensors")));
  });

  test("the exported file gives the same forecasts in onnxruntime", async () => {
    const { out } = await trainOnCsv("exported", ["bilstm"], 2);
    const { model, features } = await loadRunState(await RunFolder.open(out));
    const { loadTraffic } = await import("./data/index.ts");
    const series = await loadTraffic(join(scratch, "exported.csv"));
    const starts = [10, 50, 90];
    const { values } = await forecastWindows(model, features, series, starts, 0);
    const session = await InferenceSession.create(join(out, "model.onnx"));
    const set = features.dataset(series, starts, 0);
    for (const n of [1, 3, 6]) {
      const batch = set.get(Array.from({ length: n }, (_, i) => i)) as never as Record<
        string,
        { data: Float32Array; shape: number[] }
      >;
      const last = Float32Array.from({ length: n }, (_, i) => {
        const row = starts[Math.floor(i / 2)] + features.settings.stepsIn - 1;
        return series.values[row * 2 + (i % 2)];
      });
      const scale = Float32Array.from({ length: n }, (_, i) => features.scaleOf(i % 2));
      const { forecast: result } = await session.run({
        sequence: new OrtTensor("float32", batch.sequence.data, batch.sequence.shape),
        context: new OrtTensor("float32", batch.context.data, batch.context.shape),
        last: new OrtTensor("float32", last, [n, 1]),
        scale: new OrtTensor("float32", scale, [n, 1]),
      });
      const { stepsOut } = features.settings;
      for (let i = 0; i < n; i++) {
        const expected = values[Math.floor(i / 2) * stepsOut * 2 + (i % 2)];
        expect((result.data as Float32Array)[i * stepsOut]).toBeCloseTo(expected, 2);
      }
    }
  });

  test("a finished run is left alone, another table is refused", async () => {
    const { out, data } = await trainOnCsv("finished", ["gru"], 1);
    const before = readFileSync(join(out, "last.safetensors"));
    const options = await planTrain(forecast, {
      data,
      models: ["gru"],
      epochs: 1,
      seed: 3,
      out,
      resume: true,
    });
    const { ui } = quietUi();
    expect((await forecast.train(options, ui)).status).toBe("already finished");
    expect(readFileSync(join(out, "last.safetensors"))).toEqual(before);
    const other = join(scratch, "other.csv");
    writeFileSync(other, csvOf(100, ["east"]));
    await expect(forecast.predict(out, [other], { extra: {} }, ui)).rejects.toThrow(
      /no column "north", "south"/,
    );
  });

  test("a run resumed for more epochs is the run that was planned for them", async () => {
    const { out, data } = await trainOnCsv("longer", ["gru"], 1);
    const base = { data, models: ["gru"], epochs: 3, seed: 3 };
    const { ui, said } = quietUi();
    await forecast.train(await planTrain(forecast, { ...base, out, resume: true }), ui);
    expect(said.join("\n")).toMatch(/planned for 1 epochs, now for 3/);
    const straight = join(scratch, "straight");
    await forecast.train(await planTrain(forecast, { ...base, out: straight }), ui);
    for (const file of ["last.safetensors", "best.safetensors", "model.onnx"]) {
      expect(readFileSync(join(out, file)), file).toEqual(readFileSync(join(straight, file)));
    }
  });

  test("a model that needs a graph says so", async () => {
    await expect(trainOnCsv("graph", ["graph-gru"], 1)).rejects.toThrow(/no(ne| sensor graph)/);
  });
});

test("the task offers the models there are", () => {
  expect(forecast.models).toEqual(Object.keys(recipes));
});

test("forecasts from just the latest rows, whatever the order of the columns", async () => {
  const { out } = await trainOnCsv("latest", ["gru"], 1);
  const table = csvOf(24 * 16)
    .trim()
    .split("\n");
  const rows = [table[0], ...table.slice(-14)];
  const forecastOf = async (lines: readonly string[], name: string) => {
    const path = join(scratch, name);
    writeFileSync(path, lines.join("\n"));
    return (await forecast.predict(out, [path], { extra: {} }, quietUi().ui)).forecast;
  };
  const expected = await forecastOf(rows, "few.csv");
  expect(expected).toHaveLength(2 * 12);
  const turned = rows.map((line) => line.split(",")).map(([t, a, b]) => `${t},${b},text,${a}`);
  expect(await forecastOf(turned, "turned.csv")).toEqual(expected);
  await expect(forecastOf(rows.slice(0, 9), "too-few.csv")).rejects.toThrow(/reads the last 12/);
  await expect(forecastOf(["time,north", ...rows.slice(1)], "less.csv")).rejects.toThrow(
    /no column "south"/,
  );
});

test("names the file of a run that cannot be read", async () => {
  const { out } = await trainOnCsv("damaged", ["gru"], 1);
  const ask = () => forecast.predict(out, [], { extra: {} }, quietUi().ui);
  for (const file of ["interval", "features", "best"]) {
    const whole = readFileSync(join(out, `${file}.safetensors`));
    writeFileSync(join(out, `${file}.safetensors`), "short");
    await expect(ask()).rejects.toThrow(join(out, `${file}.safetensors`));
    writeFileSync(join(out, `${file}.safetensors`), whole);
  }
});

test("data that cannot be read leave no folder behind, and give up no old run", async () => {
  const data = join(scratch, "broken.csv");
  writeFileSync(data, "time,v\n");
  const out = join(scratch, "from-broken");
  const { ui } = quietUi();
  await expect(forecast.train(await planTrain(forecast, { data, out }), ui)).rejects.toThrow(
    /header but no rows/,
  );
  expect(existsSync(out)).toBe(false);
  const old = await trainOnCsv("kept", ["gru"], 1);
  expect(existsSync(join(old.out, ".training"))).toBe(false);
  const again = await planTrain(forecast, { data, out: old.out, overwrite: true });
  await expect(forecast.train(again, ui)).rejects.toThrow(/header but no rows/);
  expect(existsSync(join(old.out, "best.safetensors"))).toBe(true);
  // Nor does a model that does not fit the data.
  const graph = { data: old.data, models: ["graph-gru"], out: old.out, overwrite: true };
  await expect(forecast.train(await planTrain(forecast, graph), ui)).rejects.toThrow(/graph/);
  expect(existsSync(join(old.out, "best.safetensors"))).toBe(true);
});
