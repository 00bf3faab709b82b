import type { Row, Table } from "../table.ts";
import type { Json } from "../task.ts";
import {
  autoregression,
  autoregressionGraphProfile,
  type Baseline,
  historicalAverage,
  lastValue,
} from "./baselines.ts";
import { type PublishedRow, seriesWindows, type TrafficSeries } from "./data/index.ts";
import type { Features } from "./features.ts";
import { forecastWindows } from "./forecasting.ts";
import { type Scores, score } from "./metrics.ts";
import type { Forecaster } from "./models.ts";

/** Scores that a row of results has at one horizon; published rows lack some. */
export type RowScores = Partial<Pick<Scores, "rmse" | "mae" | "accuracy" | "r2" | "mape">>;

export interface ScoredRow {
  readonly name: string;
  readonly kind: "model" | "baseline" | "published";
  readonly source?: string;
  /** By horizon in steps. */
  readonly scores: ReadonlyMap<number, RowScores>;
}

const linearName = (series: TrafficSeries): string =>
  `AR(${series.protocol.stepsIn})${series.adjacency ? " + neighbours" : ""} + daily profile`;

/** The honest comparison: what costs nothing, and what linear algebra does. */
export function baselinesFor(series: TrafficSeries): Record<string, Baseline> {
  return {
    "last value": lastValue,
    "historical average": historicalAverage,
    [`AR(${series.protocol.stepsIn})`]: autoregression,
    [linearName(series)]: autoregressionGraphProfile,
  };
}

/** The windows of the test part at a horizon, and what scores them. */
export function testProblem(series: TrafficSeries, stepsOut: number) {
  const { trainRows, stepsIn } = series.protocol;
  return {
    ...series,
    trainRows,
    stepsIn,
    stepsOut,
    starts: seriesWindows(series, "test", stepsOut),
  };
}

export function scoreBaselines(series: TrafficSeries): ScoredRow[] {
  const { horizons, nonZeroOnly } = series.protocol;
  return Object.entries(baselinesFor(series)).map(([name, forecast]) => {
    const scores = new Map<number, RowScores>();
    for (const horizon of horizons) {
      const problem = testProblem(series, horizon);
      scores.set(horizon, score({ ...problem, predictions: forecast(problem) }, { nonZeroOnly }));
    }
    return { name, kind: "baseline" as const, scores };
  });
}

/** A model's scores on the test part; the profile may use all rows before it. */
export async function scoreModel(
  name: string,
  model: Forecaster,
  features: Features,
  series: TrafficSeries,
): Promise<ScoredRow> {
  const { horizons, nonZeroOnly, trainRows } = series.protocol;
  const { stepsOut } = features.settings;
  const scores = new Map<number, RowScores>();
  for (const horizon of horizons) {
    const problem = testProblem(series, horizon);
    const { values } = await forecastWindows(model, features, series, problem.starts, trainRows);
    const forecast = { ...problem, stepsOut, predictions: values };
    scores.set(horizon, score(forecast, { to: horizon, nonZeroOnly }));
  }
  return { name, kind: "model", scores };
}

/** Published figures for the same protocol. */
export function publishedRows({ protocol }: TrafficSeries): ScoredRow[] {
  const byMethod = new Map<string, PublishedRow[]>();
  for (const row of protocol.published) {
    // Rows that the data's notes computed are computed here as well.
    if (row.source.startsWith("computed")) continue;
    byMethod.set(row.method, [...(byMethod.get(row.method) ?? []), row]);
  }
  return [...byMethod].map(([method, rows]) => ({
    name: method,
    kind: "published" as const,
    source: [...new Set(rows.map((row) => row.source))].join("; "),
    scores: new Map(rows.map(({ horizon, ...scores }) => [horizon, scores])),
  }));
}

/** `15 min`, `2 h`: a horizon in words. */
export function horizonLabel(series: TrafficSeries, steps: number): string {
  const minutes = steps * series.intervalMinutes;
  return minutes >= 120 && minutes % 60 === 0 ? `${minutes / 60} h` : `${+minutes.toFixed(2)} min`;
}

interface Metric {
  readonly key: keyof RowScores;
  readonly label: string;
  readonly best: "min" | "max";
  readonly digits: number;
}
const errors: readonly Metric[] = [
  { key: "rmse", label: "RMSE", best: "min", digits: 3 },
  { key: "mae", label: "MAE", best: "min", digits: 3 },
];
const shares: readonly Metric[] = [
  { key: "accuracy", label: "accuracy", best: "max", digits: 4 },
  { key: "r2", label: "R²", best: "max", digits: 4 },
];
const relative: Metric = { key: "mape", label: "MAPE (share)", best: "min", digits: 4 };

/** The tables of results: errors, and shares explained; one table where there is one horizon. */
export function resultTables(series: TrafficSeries, rows: readonly ScoredRow[]): Table[] {
  const { horizons, nonZeroOnly } = series.protocol;
  const second = nonZeroOnly ? [...shares, relative] : shares;
  const groups = horizons.length === 1 ? [[...errors, ...second]] : [errors, second];
  return groups.map((metrics, i) => tableOf(series, rows, metrics, i === groups.length - 1));
}

function tableOf(
  series: TrafficSeries,
  rows: readonly ScoredRow[],
  metrics: readonly Metric[],
  withNotes: boolean,
): Table {
  const { horizons, windows, name } = series.protocol;
  const columns = metrics.flatMap(({ key, label, best, digits }) =>
    horizons.map((horizon) => ({
      key: `${key}/${horizon}`,
      label: `${label} ${horizonLabel(series, horizon)}`,
      best,
      digits,
    })),
  );
  const sources = rows.flatMap((row) => (row.source ? [`${row.name}: ${row.source}`] : []));
  const scored =
    windows === "blocks" ? "in blocks of the horizon" : "over all steps up to the horizon";
  return {
    caption: `${series.title}: ${metrics.map(({ label }) => label).join(", ")} on the test part`,
    columns: [{ key: "method", label: "method" }, ...columns],
    rows: rows.map(
      ({ name: method, kind, scores }): Row => ({
        kind,
        cells: {
          method,
          ...Object.fromEntries(
            metrics.flatMap(({ key }) =>
              horizons.map((horizon) => [`${key}/${horizon}`, scores.get(horizon)?.[key]]),
            ),
          ),
        },
      }),
    ),
    ...(withNotes && {
      notes: [
        `Protocol ${name}; scores ${series.unit && `in ${series.unit}, `}pooled ${scored}.`,
        ...sources,
      ],
    }),
  };
}

/** The results as JSON: scores by horizon, the first horizon's also at the top. */
export function metricsOf(series: TrafficSeries, row: ScoredRow): { [key: string]: Json } {
  const entries = [...row.scores].map(([steps, { rmse, mae, accuracy, r2, mape }]) => {
    const scores = Object.entries({ rmse, mae, accuracy, r2, mape }).filter(([, v]) =>
      Number.isFinite(v),
    );
    return [horizonLabel(series, steps), { steps, ...Object.fromEntries(scores) }] as const;
  });
  const { steps: _, ...first } = entries[0][1] as { [key: string]: number };
  return { ...first, horizons: Object.fromEntries(entries) };
}

/** Says where a model does not beat the linear row. */
export function verdict(
  series: TrafficSeries,
  row: ScoredRow,
  baselines: readonly ScoredRow[],
): string | undefined {
  const linear = baselines.find(({ name }) => name === linearName(series));
  const lost = series.protocol.horizons.filter(
    (horizon) =>
      (row.scores.get(horizon)?.rmse ?? 0) >= (linear?.scores.get(horizon)?.rmse ?? Infinity),
  );
  if (lost.length === 0) return undefined;
  const where = lost.map((horizon) => horizonLabel(series, horizon)).join(", ");
  return `${row.name} does not beat the linear row "${linear?.name}" at ${where}.`;
}
