import { join } from "node:path";
import { commandLine } from "../commandLine.ts";
import { lossesOf } from "../fitting.ts";
import { exportStep } from "../language/index.ts";
import { RunFolder, runFiles, writeFileAtomic } from "../runFolder.ts";
import type {
  EvaluateOptions,
  EvaluateResult,
  ExportOptions,
  TaskUi,
  TrainOptions,
  TrainResult,
} from "../task.ts";
import { DEFAULT_VOCABULARY, loadText, loadWith, type Text } from "./corpus.ts";
import {
  charactersPerWord,
  metricsOf,
  publishedRows,
  resultTable,
  scoreBaselines,
  scoreModel,
  verdict,
} from "./evaluation.ts";
import { generate } from "./index.ts";
import { extraOf, type Recipe, recipeFor } from "./recipe.ts";
import { buildReport } from "./report.ts";
import { loadRunState, type RunState, saveRunState } from "./runState.ts";
import { type Trained, trainModel } from "./training.ts";

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const told = await RunFolder.finished("generate", options);
  if (told) return told;
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const { unit = "character", vocabulary = DEFAULT_VOCABULARY } = extraOf(options.extra);
  const text = await loadText(options.data, unit, vocabulary, ui);
  const kind = options.models[0] as Recipe["model"]["kind"];
  const length = text.split.train.end - text.split.train.start;
  const recipe = recipeFor(kind, text.vocabulary.size, length, options);
  if (options.quick)
    ui.notice("--quick: a smaller network, a shorter schedule; train without it for the best.");
  return RunFolder.train("generate", options, async ({ folder, start }) => {
    const resume = await folder.plan(recipe.epochs, start, ui);
    const storage = join(folder.dir, "training");
    const run = { text, recipe, seed: options.seed, folder: storage, resume };
    const began = performance.now() - 1000 * Number(resume && (folder.info.details.seconds ?? 0));
    const trained = await trainModel(run, ui);
    const seconds = (performance.now() - began) / 1000;
    await folder.update({ details: { seconds } });
    if (trained.fit.outcome === "interrupted")
      return await folder.interrupted({ losses: lossesOf(trained) });
    return await finish({ folder, options, text, recipe, trained, seconds }, ui);
  });
}

interface Finished {
  readonly folder: RunFolder;
  readonly options: TrainOptions;
  readonly text: Text;
  readonly recipe: Recipe;
  readonly trained: Trained;
  /** Of training, with what came before an interruption. */
  readonly seconds: number;
}

/** Scores and writes everything. */
async function finish(job: Finished, ui: TaskUi): Promise<TrainResult> {
  const { folder, options, text, recipe, trained, seconds } = job;
  const { model, fit } = trained;
  const { vocabulary, split, source } = text;
  const row = await scoreModel(recipe.model.kind, model, text, split.test);
  const baselines = scoreBaselines(text);
  const caption = `${source.title}: the test part`;
  const rows = [row, ...baselines, ...publishedRows(text)];
  const characters = charactersPerWord(text, split.test);
  const table = resultTable(caption, vocabulary.unit, rows, characters);
  ui.table(table);
  const lost = verdict(row, baselines);
  if (lost) ui.warn(lost);
  const warnings = [
    ...(options.quick ? ["Shortened (`--quick`): longer training does better."] : []),
    ...(lost ? [lost] : []),
  ];
  await saveRunState(folder, { model, vocabulary });
  await folder.write(runFiles.model, await exportModelOf({ model, vocabulary }));
  const command = commandLine(generate, options);
  const report = await buildReport({ text, recipe, trained, seconds, table, warnings, command });
  await folder.write(runFiles.report, report);
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: source.id,
    train: {
      model: recipe.model.kind,
      losses: lossesOf(trained),
      validation: fit.history.map(({ validation }) => validation?.loss ?? null),
      validationMeasure: `cross entropy of a ${vocabulary.unit}, in nats; the least is kept`,
      bestEpoch: (fit.bestEpoch ?? 0) + 1,
      steps: fit.steps,
      parameters: trained.parameters,
      seconds: Number(seconds.toFixed(1)),
    },
    metrics: {
      ...metricsOf(row, characters),
      unit: vocabulary.unit,
      baselines: Object.fromEntries(baselines.map((one) => [one.name, metricsOf(one, characters)])),
    },
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  await folder.update({
    status: "finished",
    settings: { ...folder.info.settings, epochs: recipe.epochs },
  });
  return result;
}

export async function evaluate(
  dir: string,
  options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const { model, vocabulary } = await loadRunState(folder);
  const { data, models } = folder.info.settings;
  const text = await loadWith(vocabulary, options.data ?? data, ui);
  // Of another text the model has seen nothing, so that all of it is a test.
  const other = options.data !== undefined && options.data !== data;
  const part = other ? { start: 0, end: text.ids.length } : text.split.test;
  const row = await scoreModel(models[0]!, model, text, part);
  const baselines = other ? [] : scoreBaselines(text);
  const caption = `${text.source.title}: ${other ? "the whole text" : "the test part"}`;
  const rows = [row, ...baselines, ...(other ? [] : publishedRows(text))];
  const { unit } = vocabulary;
  const characters = charactersPerWord(text, part);
  ui.table(resultTable(caption, unit, rows, characters));
  return {
    dir: folder.dir,
    data: text.source.id,
    metrics: {
      ...metricsOf(row, characters),
      unit: vocabulary.unit,
      baselines: Object.fromEntries(baselines.map((one) => [one.name, metricsOf(one, characters)])),
    },
  };
}

/** The step-by-step model, with all that a program needs to write with it. */
const exportModelOf = ({ model, vocabulary }: RunState): Promise<Uint8Array> =>
  exportStep(
    model,
    {},
    {
      "tensorlane.unit": vocabulary.unit,
      "tensorlane.vocabulary": JSON.stringify(vocabulary.tokens),
    },
  );

export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const bytes = await exportModelOf(await loadRunState(folder));
  const path = options.out ?? folder.path(runFiles.model);
  await writeFileAtomic(path, bytes);
  ui.notice(`${path}: ${bytes.length} bytes`);
  return { path, bytes: bytes.length };
}
