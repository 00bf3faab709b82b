import { linearForecast } from "./baselines.ts";
import { seriesWindows, type TrafficSeries } from "./data/index.ts";
import { score } from "./metrics.ts";
import { chooseProfile, type DayKinds } from "./profile.ts";

/** As many columns as the choice needs to be sure of. */
const MOST_COLUMNS = 16;

export interface ProfileChoice {
  readonly days: DayKinds;
  readonly smooth: number;
}

/**
 * Which days share a profile, judged by use: the kind with which a linear forecast, fitted on the training
 * part, does best on the validation part. (A profile that describes days best is not always the one that
 * forecasts best: five days of each weekday leave more noise than twenty-five working days.)
 */
export function chooseProfileByUse(series: TrafficSeries, rows: number): ProfileChoice {
  const part = someColumns(series);
  const { protocol } = series;
  const stepsOut = Math.max(...protocol.horizons);
  const problem = {
    ...part,
    trainRows: rows,
    stepsIn: protocol.stepsIn,
    stepsOut,
    starts: seriesWindows(series, "validation", stepsOut),
  };
  let best: ProfileChoice = { days: "all", smooth: 1 };
  let least = Number.POSITIVE_INFINITY;
  for (const kind of ["all", "workdays", "weekdays"] as const) {
    const choice = chooseProfile(part, rows, { days: kind });
    const predictions = linearForecast(problem, { profile: true, ...choice });
    const { rmse } = score({ ...problem, predictions });
    if (rmse < least) {
      least = rmse;
      best = choice;
    }
  }
  return best;
}

/** The series with columns taken evenly, where it has many. */
function someColumns(series: TrafficSeries): TrafficSeries {
  const { columns, rows, values, names } = series;
  if (columns <= MOST_COLUMNS) return { ...series, adjacency: undefined };
  const taken = Array.from({ length: MOST_COLUMNS }, (_, i) =>
    Math.floor((i * columns) / MOST_COLUMNS),
  );
  const pick = <T extends Float32Array | Uint8Array>(source: T, target: T): T => {
    for (let row = 0; row < rows; row++) {
      for (const [i, column] of taken.entries()) {
        target[row * MOST_COLUMNS + i] = source[row * columns + column];
      }
    }
    return target;
  };
  return {
    ...series,
    columns: MOST_COLUMNS,
    names: taken.map((column) => names[column]),
    values: pick(values, new Float32Array(rows * MOST_COLUMNS)),
    observed: series.observed && pick(series.observed, new Uint8Array(rows * MOST_COLUMNS)),
    adjacency: undefined,
  };
}
