import { compile, Dim, data, onnx, type Tensor } from "tensorlane";
import { seriesWindows, type TrafficSeries } from "./data/index.ts";
import { channelsOf, contextOf, type Features } from "./features.ts";
import type { Forecaster } from "./models.ts";
import { fittedRows } from "./training.ts";

/** Forecasts of windows: (windows, stepsOut, columns), in the series' unit. */
export interface Forecasts {
  readonly starts: ArrayLike<number>;
  readonly stepsOut: number;
  readonly columns: number;
  readonly values: Float32Array;
}

/**
 * Forecasts every column at every window. `fitted` rows of the series shaped the profile.
 *
 * @param starts first rows of the windows' inputs
 */
export async function forecastWindows(
  model: Forecaster,
  features: Features,
  series: TrafficSeries,
  starts: ArrayLike<number>,
  fitted: number,
): Promise<Forecasts> {
  const { stepsOut, stepsIn } = features.settings;
  const { columns } = series;
  const values = new Float32Array(starts.length * stepsOut * columns);
  const set = features.dataset(series, starts, fitted);
  const batchSize = Math.min(2048, set.length);
  const loader = new data.DataLoader(set, { batchSize });
  model.eval();
  const run = await compile(set.fields, batchSize, ({ sequence, context }) => ({
    change: model.forward(sequence, context),
  }));
  for await (const { fields, index, count } of loader.epoch(0, { reuse: true })) {
    const change = (await run(fields)).change.data as Float32Array;
    for (let i = 0; i < count; i++) {
      const sample = index * batchSize + i;
      const column = sample % columns;
      const window = Math.floor(sample / columns);
      const last = series.values[(starts[window] + stepsIn - 1) * columns + column];
      for (let step = 0; step < stepsOut; step++) {
        values[(window * stepsOut + step) * columns + column] =
          last + change[i * stepsOut + step] * features.scaleOf(column);
      }
    }
  }
  return { starts, stepsOut, columns, values };
}

/** Bounds of the error by step and column, in the series' unit: (stepsOut, columns) each. */
export interface Interval {
  readonly level: number;
  readonly lower: Float32Array;
  readonly upper: Float32Array;
}

/**
 * Which errors to expect: the quantiles of the errors on the validation part, which the weights were not
 * trained on. A column's own quantiles where it has enough windows, otherwise those of all columns.
 */
export async function intervalOf(
  model: Forecaster,
  features: Features,
  series: TrafficSeries,
  level = 0.9,
): Promise<Interval> {
  const { stepsOut, stepsIn } = features.settings;
  const starts = seriesWindows(series, "validation", stepsOut);
  const { values } = await forecastWindows(model, features, series, starts, fittedRows(series));
  const { columns } = series;
  const lower = new Float32Array(stepsOut * columns);
  const upper = new Float32Array(stepsOut * columns);
  const pooled = starts.length < 100;
  for (let step = 0; step < stepsOut; step++) {
    const errors = Array.from({ length: columns }, (_, column) =>
      Float32Array.from(starts, (start, window) => {
        const truth = series.values[(start + stepsIn + step) * columns + column];
        return (
          (truth - values[(window * stepsOut + step) * columns + column]) / features.scaleOf(column)
        );
      }),
    );
    const all = pooled ? Float32Array.from(errors.flatMap((list) => [...list])).sort() : undefined;
    for (let column = 0; column < columns; column++) {
      const sorted = all ?? errors[column].sort();
      const scale = features.scaleOf(column);
      lower[step * columns + column] = quantile(sorted, (1 - level) / 2) * scale;
      upper[step * columns + column] = quantile(sorted, (1 + level) / 2) * scale;
    }
  }
  return { level, lower, upper };
}

function quantile(sorted: Float32Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/**
 * The model as an ONNX file: sequence (batch, T, channels), context (batch, K), last value (batch, 1) and,
 * where columns have scales of their own, scale (batch, 1) -> forecast (batch, stepsOut) in the unit.
 */
export function exportForecaster(model: Forecaster, features: Features): Promise<Uint8Array> {
  const { settings } = features;
  const batch = new Dim("batch");
  const own = settings.scale.length > 1;
  return onnx.exportModel(model, {
    name: "forecaster",
    inputs: {
      sequence: { shape: [batch, settings.stepsIn, channelsOf(settings)] },
      context: { shape: [batch, contextOf(settings)] },
      last: { shape: [batch, 1] },
      ...(own && { scale: { shape: [batch, 1] } }),
    },
    forward: ({ sequence, context, last, scale }: Readonly<Record<string, Tensor>>) => ({
      forecast: last.add(model.forward(sequence, context).mul(own ? scale : settings.scale[0])),
    }),
    metadata: {
      "tensorlane.features": JSON.stringify({ ...settings, names: settings.names.slice(0, 1000) }),
    },
  });
}
