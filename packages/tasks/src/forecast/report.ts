import { type EpochRecord, TensorlaneError } from "tensorlane";
import {
  errorByHorizon,
  forecastPlot,
  heatMap,
  lossCurves,
  predictedOverTrue,
  Report,
} from "../report/index.ts";
import type { Table } from "../table.ts";
import { describeInterval, type TrafficSeries } from "./data/index.ts";
import { horizonLabel, type ScoredRow, testProblem } from "./evaluation.ts";
import type { Features } from "./features.ts";
import { forecastWindows, type Interval } from "./forecasting.ts";
import type { Forecaster } from "./models.ts";
import type { Trained } from "./training.ts";

export interface ReportInput {
  readonly series: TrafficSeries;
  readonly trained: readonly Trained[];
  readonly winner: {
    readonly name: string;
    readonly model: Forecaster;
    readonly features: Features;
  };
  readonly interval: Interval;
  readonly rows: readonly ScoredRow[];
  readonly tables: readonly Table[];
  readonly warnings: readonly string[];
  readonly command: string;
}

/** The HTML report of a training run. */
export async function buildReport(input: ReportInput): Promise<string> {
  const { series, trained, rows, tables, warnings, command, winner } = input;
  const report = new Report({
    title: `Forecast: ${series.title}`,
    subtitle: `${trained.map(({ name }) => name).join(", ")} against baselines and published results`,
    notices: warnings.map((text) => ({ kind: "warning" as const, text })),
    footer: command,
  });
  report.section("Results");
  for (const table of tables) report.table(table);
  if (series.protocol.horizons.length > 1) {
    report.plot(
      errorByHorizon({
        horizons: series.protocol.horizons.map((steps) => steps * series.intervalMinutes),
        horizonUnit: "min",
        metric: "RMSE",
        unit: series.unit,
        series: rows.map(({ name, kind, scores }) => ({
          name,
          kind,
          values: series.protocol.horizons.map((steps) => scores.get(steps)?.rmse ?? null),
        })),
      }),
      "Root mean squared error over all steps up to the horizon.",
    );
  }
  report.section("Forecast against truth");
  await addForecasts(report, input);
  report.section("Training");
  report.plot(
    lossCurves({
      curves: trained.map(({ name, selection: { fit } }) => ({
        name,
        train: fit.history.map(({ loss }) => loss),
        validation: fit.history.map(validationLoss),
        best: (fit.bestEpoch ?? 0) + 1,
      })),
      label: "mean squared error",
      unit: "squared spreads",
      log: true,
    }),
    `The epoch with the least validation error is kept; the test part takes no part in the choice.${
      trained[0].refitted
        ? " The weights were then trained anew on training and validation part together, for as many epochs."
        : ""
    }`,
  );
  report.section("Data and settings").facts({
    data: series.id,
    sensors: series.columns,
    rows: series.rows,
    interval: describeInterval(series.intervalMinutes),
    "training rows": series.protocol.trainRows - series.protocol.validationRows,
    "validation rows": series.protocol.validationRows,
    "test windows": testProblem(series, series.protocol.horizons[0]).starts.length,
    kept: winner.name,
  });
  for (const { name, schedule, parameters, seconds, selection } of trained) {
    report.facts({
      model: name,
      parameters,
      epochs: selection.fit.history.length,
      "best epoch": (selection.fit.bestEpoch ?? 0) + 1,
      batch: schedule.batch,
      "steps an epoch": schedule.batchesPerEpoch,
      "learning rate": schedule.lr,
      seconds: seconds.toFixed(1),
    });
  }
  report.text(series.notes.map((note) => `- ${note}`).join("\n"));
  return report.html();
}

const validationLoss = ({ validation }: EpochRecord): number => {
  if (!validation) throw new TensorlaneError("the forecaster is always validated");
  return validation.loss;
};

/** Plots of three sensors over two days of the test part, and the error by sensor and time. */
async function addForecasts(report: Report, input: ReportInput): Promise<void> {
  const { series, winner, interval } = input;
  const { columns, stepsPerDay, protocol } = series;
  const { stepsIn, trainRows } = protocol;
  const { stepsOut } = winner.features.settings;
  const last = series.rows - stepsOut;
  const starts = Int32Array.from(
    { length: Math.max(1, last - trainRows - stepsIn + 1) },
    (_, i) => trainRows + i,
  );
  const { values } = await forecastWindows(
    winner.model,
    winner.features,
    series,
    starts,
    trainRows,
  );
  const step = stepsOut - 1;
  const at = (window: number, column: number) => (window * stepsOut + step) * columns + column;
  const truthAt = (window: number, column: number) =>
    series.values[(starts[window] + stepsIn + step) * columns + column];
  const shown = Math.min(starts.length, Math.max(48, 2 * stepsPerDay));
  const from = starts.length - shown;
  const windows = Array.from({ length: shown }, (_, i) => from + i);
  const timeOf = (row: number) =>
    new Date(series.timestamps?.[row] ?? row * series.intervalMinutes * 60_000);
  const label = horizonLabel(series, stepsOut);
  for (const column of typicalColumns(series)) {
    const predicted = windows.map((window) => values[at(window, column)]);
    const bound = (side: "lower" | "upper") =>
      predicted.map((value) => value + interval[side][step * columns + column]);
    report.plot(
      forecastPlot({
        label: `${series.names[column]}`,
        unit: series.unit,
        times: windows.map((window) => timeOf(starts[window] + stepsIn + step)),
        truth: windows.map((window) => truthAt(window, column)),
        forecasts: [
          {
            name: `${winner.name}, ${label} ahead`,
            values: predicted,
            lower: bound("lower"),
            upper: bound("upper"),
            level: interval.level,
          },
        ],
        windows: (series.anomalies ?? []).map(({ from: a, to: b }) => ({
          from: new Date(a),
          to: new Date(b),
          label: "labelled anomaly",
        })),
      }),
      `Sensor ${series.names[column]}: each point was forecast ${label} before its time.`,
    );
  }
  const sample = windows.flatMap((window) =>
    window % 7 === 0
      ? Array.from({ length: columns }, (_, column) => [window, column] as const)
      : [],
  );
  report.plot(
    predictedOverTrue({
      truth: sample.map(([window, column]) => truthAt(window, column)),
      predicted: sample.map(([window, column]) => values[at(window, column)]),
      label: `${label} ahead`,
      unit: series.unit,
    }),
  );
  if (columns < 2) return;
  const step4 = Math.ceil(shown / 288);
  const kept = windows.filter((_, i) => i % step4 === 0);
  report.plot(
    heatMap({
      values: Array.from({ length: columns * kept.length }, (_, i) => {
        const window = kept[i % kept.length];
        const column = Math.floor(i / kept.length);
        return Math.abs(truthAt(window, column) - values[at(window, column)]);
      }),
      rows: columns,
      columns: kept.length,
      label: "absolute error",
      unit: series.unit,
      rowLabel: "sensor",
      columnLabel: "time",
      columnRange: [
        timeOf(starts[kept[0]] + stepsIn + step),
        timeOf(starts[kept.at(-1)!] + stepsIn + step),
      ],
    }),
    `Absolute error ${label} ahead, by sensor and time.`,
  );
}

/** Sensors of small, middle and large spread in the test part. */
function typicalColumns({ values, columns, rows, protocol }: TrafficSeries): number[] {
  const spread = Array.from({ length: columns }, (_, column) => {
    let sum = 0;
    let squares = 0;
    for (let row = protocol.trainRows; row < rows; row++) {
      const value = values[row * columns + column];
      sum += value;
      squares += value * value;
    }
    const n = rows - protocol.trainRows;
    return { column, spread: squares / n - (sum / n) ** 2 };
  }).sort((a, b) => b.spread - a.spread);
  const picks = [0.05, 0.35, 0.65].map((q) => spread[Math.floor(q * (columns - 1))].column);
  return [...new Set(picks)];
}
