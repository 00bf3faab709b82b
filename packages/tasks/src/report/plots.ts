export type { Figure, KeyEntry } from "./plot/base.ts";
export {
  errorByHorizon,
  type HorizonOptions,
  type HorizonSeries,
  type LossCurve,
  type LossOptions,
  lossCurves,
} from "./plot/curves.ts";
export {
  type BarsOptions,
  bars,
  type HeatMapOptions,
  type HistogramOptions,
  heatMap,
  histogram,
} from "./plot/distribution.ts";
export {
  type ForecastOptions,
  type ForecastSeries,
  forecastPlot,
  predictedOverTrue,
  type ScatterOptions,
  type TimeWindow,
} from "./plot/series.ts";
