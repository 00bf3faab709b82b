/** Forecasts of windows, and the values they are held against. */
export interface Forecast {
  /** (rows, columns), row-major. */
  readonly values: Float32Array;
  readonly columns: number;
  readonly stepsIn: number;
  readonly stepsOut: number;
  /** First input row of each window. */
  readonly starts: Int32Array;
  /** (windows, stepsOut, columns). */
  readonly predictions: Float32Array;
  /** (rows, columns): 0 where a value was filled in, which scores leave out; absent: all observed. */
  readonly observed?: Uint8Array | undefined;
}

export interface Scores {
  readonly rmse: number;
  readonly mae: number;
  /** T-GCN's: 1 - ||Y - P|| / ||Y||. */
  readonly accuracy: number;
  /** 1 - sum (y - p)^2 / sum (y - mean y)^2, over everything scored together. */
  readonly r2: number;
  /** 1 - var(y - p) / var(y): R2 without the bias. */
  readonly explainedVariance: number;
  /** Share (not per cent) over the truths that are not zero; NaN where all are. */
  readonly mape: number;
  /** Values scored. */
  readonly count: number;
}

export interface ScoreOptions {
  /** Output steps [from, to) that are scored together; default all. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Leave out zero truths from every score. */
  readonly nonZeroOnly?: boolean | undefined;
}

/**
 * Scores pooled over windows, output steps and columns.
 *
 * @example score(forecast, { to: 3 }).rmse // the first three steps, as T-GCN's "15 min"
 */
export function score(forecast: Forecast, options: ScoreOptions = {}): Scores {
  const { values, columns, stepsIn, stepsOut, starts, predictions, observed } = forecast;
  const { from = 0, to = stepsOut, nonZeroOnly = false } = options;
  check(forecast, from, to);
  let count = 0;
  let nonZero = 0;
  let absolute = 0;
  let relative = 0;
  let errors = 0;
  let squares = 0;
  let truths = 0;
  let truthSquares = 0;
  for (let w = 0; w < starts.length; w++)
    for (let k = from; k < to; k++) {
      const truth = (starts[w] + stepsIn + k) * columns;
      const guess = (w * stepsOut + k) * columns;
      for (let c = 0; c < columns; c++) {
        const y = values[truth + c];
        if ((nonZeroOnly && y === 0) || observed?.[truth + c] === 0) continue;
        const error = y - predictions[guess + c];
        count++;
        errors += error;
        absolute += Math.abs(error);
        squares += error * error;
        truths += y;
        truthSquares += y * y;
        if (y !== 0) {
          nonZero++;
          relative += Math.abs(error / y);
        }
      }
    }
  const spread = truthSquares - truths ** 2 / count;
  return {
    rmse: Math.sqrt(squares / count),
    mae: absolute / count,
    accuracy: 1 - Math.sqrt(squares / truthSquares),
    r2: 1 - squares / spread,
    explainedVariance: 1 - (squares - errors ** 2 / count) / spread,
    mape: relative / nonZero,
    count,
  };
}

/** Scores of every output step by itself. */
export function scoreByStep(
  forecast: Forecast,
  options: Pick<ScoreOptions, "nonZeroOnly"> = {},
): Scores[] {
  return Array.from({ length: forecast.stepsOut }, (_, k) =>
    score(forecast, { ...options, from: k, to: k + 1 }),
  );
}

function check(forecast: Forecast, from: number, to: number): void {
  const { values, columns, stepsIn, stepsOut, starts, predictions } = forecast;
  const wanted = starts.length * stepsOut * columns;
  if (predictions.length !== wanted)
    throw new RangeError(
      `${predictions.length} predictions for ${starts.length} windows x ${stepsOut} steps x ${columns} columns = ${wanted}`,
    );
  if (!(from >= 0 && from < to && to <= stepsOut))
    throw new RangeError(`output steps [${from}, ${to}) are not inside [0, ${stepsOut})`);
  const rows = values.length / columns;
  for (const start of starts)
    if (start < 0 || start + stepsIn + to > rows)
      throw new RangeError(`the window at row ${start} has no truth for step ${to} (${rows} rows)`);
}
