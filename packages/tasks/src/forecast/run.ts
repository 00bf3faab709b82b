import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { commandLine } from "../commandLine.ts";
import { UserError } from "../errors.ts";
import { RunFolder, type RunInfo, readRunInfo, runFiles, writeFileAtomic } from "../runFolder.ts";
import type {
  EvaluateOptions,
  EvaluateResult,
  ExportOptions,
  Json,
  TaskUi,
  TrainOptions,
  TrainResult,
} from "../task.ts";
import {
  type CsvOptions,
  describeInterval,
  loadTraffic,
  type TrafficSeries,
} from "./data/index.ts";
import {
  metricsOf,
  publishedRows,
  resultTables,
  type ScoredRow,
  scoreBaselines,
  scoreModel,
  verdict,
} from "./evaluation.ts";
import { exportForecaster, intervalOf } from "./forecasting.ts";
import { forecast } from "./index.ts";
import { type ModelName, usesGraph } from "./models.ts";
import { buildReport } from "./report.ts";
import { loadRunState, saveRunState } from "./runState.ts";
import { lossesOf, scheduleOf, type Trained, trainForecaster } from "./training.ts";

/** Loads a series and says all that must be known about it. */
export async function loadSeries(
  data: string,
  ui: TaskUi,
  csv?: CsvOptions,
): Promise<TrafficSeries> {
  if (!existsSync(data) && /[/\\]|\.(csv|tsv|txt)(\.gz)?$/i.test(data)) {
    throw new UserError(
      `${data}: no such file. Give the path of a CSV file or the id of a data set.`,
    );
  }
  const series = await loadTraffic(data, { csv });
  if (series.simulated) {
    ui.warn(`SIMULATED DATA: ${series.title}. No figure below says anything about real traffic.`);
  }
  for (const note of series.notes) ui.notice(note);
  ui.notice(
    `${series.title}: ${series.rows} rows, ${series.columns} ${series.columns === 1 ? "column" : "columns"}, ` +
      `every ${describeInterval(series.intervalMinutes)}`,
  );
  return series;
}

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const names = options.models as readonly ModelName[];
  const told = await RunFolder.finished("forecast", options);
  if (told) return told;
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const before = options.resume ? await readRunInfo(options.out) : undefined;
  const series = await loadSeries(before ? dataOf(before) : options.data, ui);
  const graphs = names.filter(usesGraph);
  if (graphs.length > 0 && !series.adjacency) {
    throw new UserError(
      `${graphs.join(", ")} reads a sensor graph, and ${series.id} has none; choose another model, e.g. gru.`,
    );
  }
  if (options.quick)
    ui.notice("--quick: a shortened schedule; train without it for the best figures.");
  return RunFolder.train("forecast", options, async ({ folder, start }) => {
    const { epochs } = scheduleOf(series, options);
    const resume = await folder.plan(epochs, start, ui);
    await folder.update({ details: { simulated: series.simulated } });
    return await trainAll({ folder, options, series, resume }, ui);
  });
}

/** What a run was trained on: a simulation that stood in stays, also once the real data are within reach. */
export const dataOf = ({ details, settings }: RunInfo): string =>
  details.simulated ? "simulated" : settings.data;

interface Job {
  readonly folder: RunFolder;
  readonly options: TrainOptions;
  readonly series: TrafficSeries;
  readonly resume: boolean;
}

async function trainAll(
  { folder, options, series, resume }: Job,
  ui: TaskUi,
): Promise<TrainResult> {
  const names = options.models as readonly ModelName[];
  const trained: Trained[] = [];
  for (const name of names) {
    const own = names.length === 1 ? folder.dir : join(folder.dir, name);
    const result = await trainForecaster(
      { name, series, settings: options, folder: own, resume },
      ui,
    );
    if (result.fit.outcome === "interrupted")
      return folder.interrupted({ model: name, losses: lossesOf(result) });
    trained.push(result);
  }
  return finish(folder, options, series, trained, ui);
}

/** Scores, keeps the best, writes everything. */
async function finish(
  folder: RunFolder,
  options: TrainOptions,
  series: TrafficSeries,
  trained: readonly Trained[],
  ui: TaskUi,
): Promise<TrainResult> {
  const baselines = scoreBaselines(series);
  const models: ScoredRow[] = [];
  for (const { name, model, features } of trained) {
    models.push(await scoreModel(name, model, features, series));
  }
  const rows = [...models, ...baselines, ...publishedRows(series)];
  const tables = resultTables(series, rows);
  for (const table of tables) ui.table(table);
  const warnings = [
    ...(series.simulated ? [`Simulated data (${series.title}), not measured traffic.`] : []),
    ...(options.quick ? ["Shortened schedule (`--quick`): longer training does better."] : []),
    ...models.flatMap((row) => verdict(series, row, baselines) ?? []),
  ];
  for (const row of models) {
    const lost = verdict(series, row, baselines);
    if (lost) ui.warn(lost);
  }

  // The model to keep is chosen like the epoch: by the validation error.
  const best = trained.reduce((a, b) => (validationOf(b) < validationOf(a) ? b : a));
  const { features, selection } = best;
  // The errors to expect are those on rows that the weights were not trained on.
  const interval = await intervalOf(selection.model, selection.features, series);
  if (trained.length > 1) {
    for (const file of [runFiles.best, runFiles.last]) {
      await copyFile(join(folder.dir, best.name, file), folder.path(file));
    }
    ui.notice(`kept: ${best.name}, whose validation error is least`);
  }
  await saveRunState(folder, { name: best.name, features, interval });
  await folder.write(runFiles.model, await exportForecaster(best.model, features));
  const command = commandLine(forecast, options);
  const winner = { name: best.name, model: best.model, features };
  await folder.write(
    runFiles.report,
    await buildReport({ series, trained, winner, interval, rows, tables, warnings, command }),
  );
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: series.id,
    simulated: series.simulated,
    train: {
      model: best.name,
      losses: lossesOf(best),
      validationMeasure:
        "mean squared error, in squares of a column's spread; the least is kept (models.NAME.validation)",
      models: Object.fromEntries(trained.map((one) => [one.name, summaryOf(one)])),
    },
    metrics: {
      ...metricsOf(series, models[trained.indexOf(best)]),
      models: Object.fromEntries(models.map((row) => [row.name, metricsOf(series, row)])),
      baselines: Object.fromEntries(baselines.map((row) => [row.name, metricsOf(series, row)])),
    },
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  await folder.update({
    status: "finished",
    settings: { ...folder.info.settings, epochs: best.schedule.epochs },
  });
  ui.notice(`report: ${folder.path(runFiles.report)}`);
  ui.notice(`model:  ${folder.path(runFiles.model)}`);
  return result;
}

const validationOf = ({ selection: { fit } }: Trained): number =>
  fit.history.find(({ epoch }) => epoch === fit.bestEpoch)?.validation?.loss ?? Infinity;

const summaryOf = (one: Trained): { [key: string]: Json } => ({
  losses: lossesOf(one),
  validation: one.selection.fit.history.map(({ validation }) => validation?.loss ?? null),
  bestEpoch: (one.selection.fit.bestEpoch ?? 0) + 1,
  refitted: one.refitted,
  steps: one.fit.steps,
  parameters: one.parameters,
  seconds: Number(one.seconds.toFixed(2)),
});

/** Horizons of a table of the user's own that a model reaches. */
function horizonsWithin({ stepsIn, stepsOut }: { stepsIn: number; stepsOut: number }): CsvOptions {
  const reached = [3, 6, 9, 12].filter((horizon) => horizon <= stepsOut);
  return { stepsIn, horizons: reached.length > 0 ? reached : [stepsOut] };
}

export async function evaluate(
  dir: string,
  options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const { name, model, features } = await loadRunState(folder);
  const series = await loadSeries(options.data ?? dataOf(folder.info), ui, {
    columns: features.settings.names,
    ...horizonsWithin(features.settings),
  });
  features.check(series);
  const longest = Math.max(...series.protocol.horizons);
  if (longest > features.settings.stepsOut) {
    throw new UserError(
      `The model forecasts ${features.settings.stepsOut} steps; ${series.title} is scored up to ${longest}.`,
    );
  }
  const baselines = scoreBaselines(series);
  const row = await scoreModel(name, model, features, series);
  const tables = resultTables(series, [row, ...baselines, ...publishedRows(series)]);
  for (const table of tables) ui.table(table);
  const lost = verdict(series, row, baselines);
  if (lost) ui.warn(lost);
  return {
    dir: folder.dir,
    data: series.id,
    metrics: {
      ...metricsOf(series, row),
      baselines: Object.fromEntries(baselines.map((one) => [one.name, metricsOf(series, one)])),
    },
  };
}

export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const { model, features } = await loadRunState(folder);
  const bytes = await exportForecaster(model, features);
  const path = options.out ?? folder.path(runFiles.model);
  await writeFileAtomic(path, bytes);
  ui.notice(`${path}: ${bytes.length} bytes`);
  return { path, bytes: bytes.length };
}
