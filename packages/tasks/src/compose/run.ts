import { join } from "node:path";
import { commandLine } from "../commandLine.ts";
import { UserError } from "../errors.ts";
import { lossesOf } from "../fitting.ts";
import type { RecurrentKind } from "../language/index.ts";
import { RunFolder, runFiles, writeFileAtomic } from "../runFolder.ts";
import type {
  EvaluateOptions,
  EvaluateResult,
  ExportOptions,
  TaskUi,
  TrainOptions,
  TrainResult,
} from "../task.ts";
import { loadTunes, type TuneCorpus } from "./abc/corpus.ts";
import { type Evaluation, evaluateRolls, evaluateTunes } from "./evaluation.ts";
import { compose } from "./index.ts";
import { formOf, forTokens, type Recipe, recipeFor } from "./recipe.ts";
import { buildReport } from "./report.ts";
import { loadRolls, type RollCorpus } from "./roll/rolls.ts";
import { countSteps } from "./roll/writing.ts";
import { exportState, loadRunState, type RunState, saveRunState } from "./runState.ts";
import { type Trained, type TrainingRun, trainRolls, trainTunes } from "./training.ts";

/** Music of one form or the other. */
type Music =
  | { readonly form: "abc"; readonly corpus: TuneCorpus }
  | { readonly form: "roll"; readonly corpus: RollCorpus };

async function loadMusic(data: string, ui: TaskUi): Promise<Music> {
  return formOf(data) === "abc"
    ? { form: "abc", corpus: await loadTunes(data, ui) }
    : { form: "roll", corpus: await loadRolls(data, ui) };
}

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const told = await RunFolder.finished("compose", options);
  if (told) return told;
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const usual = recipeFor(formOf(options.data), options.models[0] as RecurrentKind, options);
  const music = await loadMusic(options.data, ui);
  const recipe = fitted(usual, options, music);
  if (options.quick) ui.notice("--quick: a smaller network, a shorter schedule.");
  return RunFolder.train("compose", options, async ({ folder, start }) => {
    const resume = await folder.plan(recipe.epochs, start, ui);
    const run = { recipe, seed: options.seed, folder: join(folder.dir, "training"), resume };
    const began = performance.now() - 1000 * Number(resume && (folder.info.details.seconds ?? 0));
    const found = await trainMusic(run, music, ui);
    const seconds = (performance.now() - began) / 1000;
    await folder.update({ details: { seconds } });
    if (found.trained.fit.outcome === "interrupted")
      return await folder.interrupted({ losses: lossesOf(found.trained) });
    return await finish({ folder, options, recipe, music, seconds, ...found }, ui);
  });
}

/** The recipe for the music's size: no more pieces side by side than there are. */
function fitted(recipe: Recipe, options: TrainOptions, { form, corpus }: Music): Recipe {
  if (form === "roll") return { ...recipe, rows: Math.min(recipe.rows, corpus.train.length) };
  return forTokens(recipe, options, corpus.vocabulary.encode(corpus.train).length);
}

interface Found {
  readonly trained: Trained<RunState["model"]>;
  readonly state: RunState;
}

async function trainMusic(run: TrainingRun, { form, corpus }: Music, ui: TaskUi): Promise<Found> {
  if (form === "roll") {
    const trained = await trainRolls(run, corpus, ui);
    const counts = countSteps(corpus.train);
    return { trained, state: { form, model: trained.model, counts } };
  }
  const trained = await trainTunes(run, corpus, ui);
  const { vocabulary } = corpus;
  return { trained, state: { form, model: trained.model, vocabulary } };
}

/** Measures a model on the test part; tunes are judged by as many samples. */
function evaluateMusic(state: RunState, music: Music, samples: number): Promise<Evaluation> {
  if (state.form === "roll" && music.form === "roll")
    return evaluateRolls(state.model, music.corpus);
  if (state.form === "abc" && music.form === "abc") {
    return evaluateTunes(state, music.corpus, samples);
  }
  throw new Error(`a model of ${state.form} cannot be measured on ${music.form}`);
}

interface Finished extends Found {
  readonly folder: RunFolder;
  readonly options: TrainOptions;
  readonly recipe: Recipe;
  readonly music: Music;
  /** Of training, with what came before an interruption. */
  readonly seconds: number;
}

/** Tunes that are written to be judged. */
const SAMPLES = { full: 200, quick: 20 };

/** Scores and writes everything. */
async function finish(job: Finished, ui: TaskUi): Promise<TrainResult> {
  const { folder, options, recipe, music, trained, state, seconds } = job;
  const { fit, parameters } = trained;
  const { full, quick } = SAMPLES;
  const evaluation = await evaluateMusic(state, music, options.quick ? quick : full);
  for (const table of evaluation.tables) ui.table(table);
  for (const warning of evaluation.warnings) ui.warn(warning);
  const warnings = [
    ...(options.quick ? ["Shortened (`--quick`): longer training does better."] : []),
    ...evaluation.warnings,
  ];
  await saveRunState(folder, state);
  await folder.write(runFiles.model, await exportState(state));
  const command = commandLine(compose, options);
  const { title } = music.corpus;
  const facts = { recipe, fit, parameters, seconds, title, warnings, command };
  await folder.write(runFiles.report, await buildReport({ ...facts, state, evaluation }));
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: music.corpus.source,
    train: {
      model: recipe.model.kind,
      losses: lossesOf(trained),
      validation: fit.history.map(({ validation }) => validation?.loss ?? null),
      validationMeasure:
        state.form === "abc"
          ? "cross entropy of a token, in nats; the least is kept"
          : "negative log-likelihood of a step, in nats; the least is kept",
      bestEpoch: (fit.bestEpoch ?? 0) + 1,
      steps: fit.steps,
      parameters,
      seconds: Number(seconds.toFixed(1)),
    },
    metrics: evaluation.metrics,
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  await folder.update({
    status: "finished",
    settings: { ...folder.info.settings, epochs: recipe.epochs },
  });
  return result;
}

/** The data to evaluate on: those trained on, or others of the same form. */
function sameForm(trained: string, asked = trained): string {
  if (formOf(trained) === formOf(asked)) return asked;
  throw new UserError(
    `the run learnt ${trained}, which cannot be compared with ${asked}: one is text in ABC, the other ` +
      "piano rolls.",
  );
}

export async function evaluate(
  dir: string,
  options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const { data, quick } = folder.info.settings;
  const state = await loadRunState(folder);
  const music = await loadMusic(sameForm(data, options.data), ui);
  const samples = quick ? SAMPLES.quick : SAMPLES.full;
  const { tables, metrics } = await evaluateMusic(state, music, samples);
  for (const table of tables) ui.table(table);
  return { dir: folder.dir, data: music.corpus.source, metrics };
}

export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const bytes = await exportState(await loadRunState(folder));
  const path = options.out ?? folder.path(runFiles.model);
  await writeFileAtomic(path, bytes);
  ui.notice(`${path}: ${bytes.length} bytes`);
  return { path, bytes: bytes.length };
}
