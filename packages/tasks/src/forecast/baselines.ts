import { LeastSquares } from "./leastSquares.ts";
import { type CalendarValues, type DayKinds, dailyProfile } from "./profile.ts";

/**
 * A series, cut, and the windows to forecast: `{ ...series, trainRows, stepsIn, stepsOut, starts }`. Whatever
 * is fitted sees the first `trainRows` rows only.
 */
export interface ForecastProblem extends CalendarValues {
  readonly trainRows: number;
  readonly stepsIn: number;
  readonly stepsOut: number;
  /** First input row of each window; its targets may lie beyond the last row. */
  readonly starts: Int32Array;
  /** (columns, columns) weights; the diagonal is ignored. */
  readonly adjacency?: Float32Array | undefined;
  /** Windows to fit on stay inside one of these [start, end). */
  readonly segments?: readonly { readonly start: number; readonly end: number }[] | undefined;
}

/** Predictions (windows, stepsOut, columns) of a problem. */
export type Baseline = (problem: ForecastProblem) => Float32Array;

/** Every output step is the last input. */
export const lastValue: Baseline = (problem) => {
  const { values, columns, stepsIn } = problem;
  return filled(problem, (start, _, c) => values[(start + stepsIn - 1) * columns + c]);
};

/**
 * The mean of the last `stepsIn` values, where forecasts become inputs of the next step: T-GCN's "HA"
 * (lehaifeng/T-GCN: Baselines/baselines.py).
 */
export const movingMean: Baseline = (problem) => {
  const { values, columns, stepsIn, stepsOut, starts } = problem;
  const out = empty(problem);
  const line = new Float64Array(stepsIn + stepsOut);
  for (let w = 0; w < starts.length; w++)
    for (let c = 0; c < columns; c++) {
      for (let k = 0; k < stepsIn; k++) line[k] = values[(starts[w] + k) * columns + c];
      for (let k = 0; k < stepsOut; k++) {
        let sum = 0;
        for (let j = k; j < k + stepsIn; j++) sum += line[j];
        line[k + stepsIn] = sum / stepsIn;
        out[(w * stepsOut + k) * columns + c] = sum / stepsIn;
      }
    }
  return out;
};

/** The mean of the training part at the same time of day, over the same kind of days. */
export function historicalAverage(
  problem: ForecastProblem,
  options: { readonly days?: DayKinds | undefined; readonly smooth?: number | undefined } = {},
): Float32Array {
  const { columns, stepsIn } = problem;
  const usual = usualOf(problem, options);
  return filled(problem, (start, k, c) => usual[(start + stepsIn + k) * columns + c]);
}

/** The value `period` rows before each target, or two, three, ... periods where one is not known yet. */
export function seasonalNaive(problem: ForecastProblem, period: number): Float32Array {
  const { values, columns, stepsIn } = problem;
  if (!(Number.isInteger(period) && period > 0))
    throw new RangeError(`a period of ${period} rows: it must be a positive integer`);
  return filled(problem, (start, k, c) => {
    const back = period * Math.ceil((k + 1) / period);
    const row = start + stepsIn + k - back;
    if (row < 0) throw new RangeError(`no row ${back} before row ${start + stepsIn + k}`);
    return values[row * columns + c];
  });
}

export interface LinearOptions {
  /** Adds the adjacency-weighted mean of the neighbours, `stepsIn` values. */
  readonly neighbours?: boolean | undefined;
  /** Adds what is usual at the input and the target rows, `stepsIn` + `stepsOut` values. */
  readonly profile?: boolean | undefined;
  /** The profile's; both default to what describes the training part best, day by left-out day. */
  readonly days?: DayKinds | undefined;
  readonly smooth?: number | undefined;
  /** Relative to the features' squared norms; default 1e-7, only enough to be solvable. */
  readonly ridge?: number | undefined;
}

/** AR(stepsIn) by least squares, every output step directly, one set of weights for all columns. */
export const autoregression: Baseline = (problem) => linearForecast(problem);

/**
 * AR(stepsIn) + graph neighbours + daily profile by least squares: the row a network has to beat. Without a
 * graph it is AR + daily profile.
 */
export const autoregressionGraphProfile: Baseline = (problem) =>
  linearForecast(problem, { neighbours: problem.adjacency !== undefined, profile: true });

/** Direct linear forecast of all output steps from the features asked for, shared by all columns. */
export function linearForecast(
  problem: ForecastProblem,
  options: LinearOptions = {},
): Float32Array {
  const { values, columns, stepsIn, stepsOut, starts, trainRows } = problem;
  const features = linearFeatures(problem, options);
  const { size } = features;
  const fit = new LeastSquares(size, stepsOut);
  const x = new Float64Array(size);
  const y = new Float64Array(stepsOut);
  for (const start of trainStarts(problem))
    for (let c = 0; c < columns; c++) {
      const last = features.write(x, start, c);
      for (let k = 0; k < stepsOut; k++) y[k] = values[(start + stepsIn + k) * columns + c] - last;
      fit.add(x, y);
    }
  if (starts.some((start) => start < 0 || start + stepsIn > problem.rows))
    throw new RangeError(`windows start outside the ${problem.rows} rows`);
  if (trainRows > problem.rows)
    throw new RangeError(`${trainRows} training rows of ${problem.rows}`);
  const weights = fit.solve(options.ridge);
  const out = empty(problem);
  for (let w = 0; w < starts.length; w++)
    for (let c = 0; c < columns; c++) {
      y.fill(features.write(x, starts[w], c));
      for (let i = 0; i < size; i++)
        for (let k = 0; k < stepsOut; k++) y[k] += x[i] * weights[i * stepsOut + k];
      for (let k = 0; k < stepsOut; k++) out[(w * stepsOut + k) * columns + c] = y[k];
    }
  return out;
}

/**
 * Features as differences from the last value, of which the target's difference is forecast: the span is that
 * of the plain values, but the equations are far better conditioned.
 */
function linearFeatures(problem: ForecastProblem, options: LinearOptions) {
  const { values, columns, stepsIn, stepsOut } = problem;
  const around = options.neighbours ? neighbourMean(problem) : undefined;
  const usual = options.profile ? usualOf(problem, options) : undefined;
  const size = stepsIn + (around ? stepsIn : 0) + (usual ? stepsIn + stepsOut : 0) + 1;
  /** Fills x for the window at a row; returns the last value. */
  const write = (x: Float64Array, start: number, c: number): number => {
    const last = values[(start + stepsIn - 1) * columns + c];
    let i = 0;
    const put = (source: Float32Array, count: number) => {
      for (let k = 0; k < count; k++) x[i++] = source[(start + k) * columns + c] - last;
    };
    put(values, stepsIn - 1);
    if (around) put(around, stepsIn);
    if (usual) put(usual, stepsIn + stepsOut);
    x[i++] = last;
    x[i] = 1;
    return last;
  };
  return { size, write };
}

/** Mean of the neighbours' values by adjacency weight, (rows, columns); a column without any keeps its own. */
export function neighbourMean(
  problem: Pick<ForecastProblem, "values" | "rows" | "columns" | "adjacency">,
): Float32Array {
  const { values, rows, columns, adjacency } = problem;
  if (adjacency?.length !== columns * columns)
    throw new RangeError(`an adjacency of ${columns} x ${columns} is needed for neighbours`);
  const out = new Float32Array(rows * columns);
  for (let c = 0; c < columns; c++) {
    const near: { at: number; weight: number }[] = [];
    for (let at = 0; at < columns; at++) {
      const weight = adjacency[c * columns + at];
      if (at !== c && weight > 0) near.push({ at, weight });
    }
    if (near.length === 0) near.push({ at: c, weight: 1 });
    const total = near.reduce((sum, { weight }) => sum + weight, 0);
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (const { at, weight } of near) sum += weight * values[row * columns + at];
      out[row * columns + c] = sum / total;
    }
  }
  return out;
}

/** The daily profile, long enough for targets beyond the last row. */
function usualOf(
  problem: ForecastProblem,
  { days, smooth }: Pick<LinearOptions, "days" | "smooth">,
): Float32Array {
  const { trainRows, stepsIn, stepsOut, rows } = problem;
  const most = problem.starts.reduce((a, b) => Math.max(a, b), 0) + stepsIn + stepsOut;
  return dailyProfile(problem, trainRows, { days, smooth, extraRows: Math.max(0, most - rows) });
}

/** All windows inside the training part. */
function* trainStarts(problem: ForecastProblem): Generator<number> {
  const { trainRows, stepsIn, stepsOut, rows } = problem;
  for (const segment of problem.segments ?? [{ start: 0, end: rows }]) {
    const end = Math.min(segment.end, trainRows) - stepsIn - stepsOut;
    for (let start = segment.start; start <= end; start++) yield start;
  }
}

function empty({ starts, stepsOut, columns }: ForecastProblem): Float32Array {
  return new Float32Array(starts.length * stepsOut * columns);
}

function filled(
  problem: ForecastProblem,
  value: (start: number, step: number, column: number) => number,
): Float32Array {
  const { starts, stepsOut, columns } = problem;
  const out = empty(problem);
  let i = 0;
  for (const start of starts)
    for (let k = 0; k < stepsOut; k++)
      for (let c = 0; c < columns; c++) out[i++] = value(start, k, c);
  return out;
}
