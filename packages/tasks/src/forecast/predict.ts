import { stringify } from "csv-stringify/sync";
import { UserError } from "../errors.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, PredictOptions, TaskUi } from "../task.ts";
import type { TrafficSeries } from "./data/index.ts";
import { forecastWindows } from "./forecasting.ts";
import { dataOf, loadSeries } from "./run.ts";
import { loadRunState } from "./runState.ts";

/** Forecasts what follows the last rows of a table, with intervals, as CSV. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  options: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  if (inputs.length > 1) {
    throw new UserError(`predict takes one table, received ${inputs.length}: ${inputs.join(", ")}`);
  }
  const folder = await RunFolder.open(dir);
  const { model, features, interval } = await loadRunState(folder);
  const source = inputs[0] ?? dataOf(folder.info);
  const { stepsIn, stepsOut, unit, names } = features.settings;
  const series = await loadSeries(source, ui, { columns: names, stepsIn, latestOnly: true });
  features.check(series);
  const { columns, rows } = series;
  // On the training data the profile belongs to its own rows; another table is all new.
  const { values } = await forecastWindows(model, features, series, [rows - stepsIn], 0);
  const lines: (string | number)[][] = [["time", "series", "forecast", "lower", "upper"]];
  for (let step = 0; step < stepsOut; step++) {
    for (let column = 0; column < columns; column++) {
      const at = step * columns + column;
      const value = values[at];
      const numbers = [value, value + interval.lower[at], value + interval.upper[at]];
      lines.push([
        timeOf(series, step),
        series.names[column],
        ...numbers.map((n) => +n.toFixed(4)),
      ]);
    }
  }
  const csv = stringify(lines);
  if (options.out) {
    await writeFileAtomic(options.out, csv);
    ui.notice(`${options.out}: ${stepsOut} steps of ${columns} series`);
  } else ui.write(csv);
  return {
    dir: folder.dir,
    data: series.id,
    unit,
    level: interval.level,
    steps: stepsOut,
    ...(options.out ? { path: options.out } : { forecast: lines.slice(1) }),
  };
}

/** Local time of a step ahead, or its number where the table has no times. */
function timeOf({ timestamps, rows, intervalMinutes }: TrafficSeries, step: number): string {
  if (!timestamps) return `+${step + 1}`;
  const time = timestamps[rows - 1] + (step + 1) * intervalMinutes * 60_000;
  return new Date(time).toISOString().slice(0, 19);
}
