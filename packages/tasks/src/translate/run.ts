import { nn } from "tensorlane";
import { commandLine } from "../commandLine.ts";
import { type Fitted, lossesOf, parameterCount } from "../fitting.ts";
import { RunFolder, runFiles, writeFileAtomic } from "../runFolder.ts";
import type {
  EvaluateOptions,
  EvaluateResult,
  ExportOptions,
  TaskUi,
  TrainOptions,
  TrainResult,
} from "../task.ts";
import { exportTranslator } from "./exporting.ts";
import { translate } from "./index.ts";
import { loadPairs, type PairSet } from "./pairs.ts";
import { buildReport } from "./report.ts";
import { loadRunState, saveSpec } from "./runState.ts";
import {
  baselineRows,
  groupTable,
  resultTable,
  type ScoredRow,
  type Scores,
  scoresByGroup,
  scoresOf,
} from "./scores.ts";
import { trainNetwork } from "./training.ts";
import {
  longest,
  type ModelName,
  type Recipe,
  recipes,
  type Spec,
  Tokens,
  Translator,
} from "./translator.ts";
import { writer } from "./writing.ts";

interface TranslateExtra {
  readonly hidden?: number;
  readonly teacherForcing?: number;
}

/** The recipe of a model, with what was asked for in its place. */
function recipeFor({ models, epochs, batch, lr, quick, extra }: TrainOptions): Recipe {
  const usual = recipes[models[0] as ModelName];
  const { hidden, teacherForcing } = extra as TranslateExtra;
  return {
    ...usual,
    hidden: hidden ?? usual.hidden,
    teacherForcing: teacherForcing ?? usual.teacherForcing,
    epochs: epochs ?? (quick ? 6 : usual.epochs),
    batch: batch ?? usual.batch,
    lr: lr ?? usual.lr,
  };
}

function specFor(model: ModelName, set: PairSet, { embedding, hidden }: Recipe): Spec {
  const all = [...set.train, ...set.validation, ...set.test];
  return {
    ...{ model, unit: set.unit, embedding, hidden },
    sourceLength: longest(
      all.map(({ source }) => source),
      "character",
    ),
    targetLength: longest(
      all.map(({ target }) => target),
      set.unit,
    ),
  };
}

const describe = (set: PairSet): string =>
  `${set.title} (${set.train.length} pairs, ${set.validation.length} for validation, ${set.test.length} for the test)`;

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const told = await RunFolder.finished("translate", options);
  if (told) return told;
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const set = await loadPairs(options.data, options.quick);
  ui.notice(describe(set));
  const recipe = recipeFor(options);
  const tokens = Tokens.of(set);
  const spec = specFor(options.models[0] as ModelName, set, recipe);
  nn.manualSeed(options.seed);
  const network = new Translator(spec, tokens);
  if (options.quick)
    ui.notice("--quick: fewer pairs, a shorter schedule; train without it for the best.");
  return RunFolder.train("translate", options, async ({ folder, start }) => {
    const resume = await folder.plan(recipe.epochs, start, ui);
    await saveSpec(folder, spec, tokens);
    const { seed } = options;
    const trained = await trainNetwork(
      { network, set, recipe, seed, folder: folder.dir, resume },
      ui,
    );
    if (trained.fit.outcome === "interrupted")
      return await folder.interrupted({ losses: lossesOf(trained) });
    return await finish({ folder, options, set, network, recipe, trained }, ui);
  });
}

interface Finished {
  readonly folder: RunFolder;
  readonly options: TrainOptions;
  readonly set: PairSet;
  readonly network: Translator;
  readonly recipe: Recipe;
  readonly trained: Fitted;
}

/** Scores the kept epoch on the test part and writes everything. */
async function finish(run: Finished, ui: TaskUi): Promise<TrainResult> {
  const { folder, options, set, network, recipe, trained } = run;
  const { model } = network.spec;
  const { written, scores, rows, groups } = await scoreTest(network, set);
  const tables = tablesOf(set, rows, groups);
  for (const table of tables) ui.table(table);
  const lost = rows.filter(({ kind, exact }) => kind === "baseline" && exact >= scores.exact);
  const warnings = [
    ...(options.quick ? ["Shortened (`--quick`): longer training does better."] : []),
    ...lost.map(({ name }) => `${model} is not better than the baseline "${name}".`),
  ];
  for (const text of warnings) ui.warn(text);
  const parameters = parameterCount(network);
  const files = await exportTranslator(network);
  for (const part of ["encoder", "decoder"] as const)
    await folder.write(`${part}.onnx`, files[part]);
  const command = commandLine(translate, options);
  await folder.write(
    runFiles.report,
    buildReport({
      ...{ set, network, recipe, trained, written, scores, tables },
      warnings,
      parameters,
      command,
    }),
  );
  const { history, bestEpoch = 0, steps } = trained.fit;
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: set.id,
    train: {
      model,
      losses: lossesOf(trained),
      validation: history.map(({ validation }) => validation?.exact ?? null),
      validationMeasure:
        "share of texts that are right to the last letter; the most, of equal ones the fewest wrong letters, is kept",
      bestEpoch: bestEpoch + 1,
      steps,
      parameters,
      seconds: Number(trained.seconds.toFixed(2)),
    },
    metrics: metricsOf(set, { scores, rows, groups }),
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  await folder.update({
    status: "finished",
    settings: { ...folder.info.settings, epochs: recipe.epochs },
  });
  ui.notice(`report: ${folder.path(runFiles.report)}`);
  ui.notice(`model:  ${folder.path("encoder.onnx")} and decoder.onnx`);
  return result;
}

/** What the network writes for the test part, beside the baselines. */
async function scoreTest(network: Translator, set: PairSet) {
  const written = await (await writer(network, set.test))();
  const texts = written.map(({ text }) => text);
  const scores = scoresOf(set.test, texts);
  const own: ScoredRow = { name: network.spec.model, kind: "model", ...scores };
  const groups = scoresByGroup(set.test, texts);
  return { written, scores, rows: [own, ...baselineRows(set)], groups };
}

type Scored = Omit<Awaited<ReturnType<typeof scoreTest>>, "written">;

function tablesOf(set: PairSet, rows: readonly ScoredRow[], groups: ReadonlyMap<string, Scores>) {
  const grouped = groupTable(set, groups);
  return [resultTable(`${set.title}: the test part`, rows), ...(grouped ? [grouped] : [])];
}

const metricsOf = ({ groupedBy }: PairSet, { scores, rows, groups }: Scored) => ({
  ...scores,
  ...(groupedBy && {
    by: {
      [groupedBy]: Object.fromEntries(
        Array.from(groups, ([group, { pairs, exact }]) => [group, { pairs, exact }]),
      ),
    },
  }),
  baselines: Object.fromEntries(
    rows
      .filter(({ kind }) => kind === "baseline")
      .map(({ name, exact, errorRate }) => [name, { exact, errorRate }]),
  ),
});

export async function evaluate(
  dir: string,
  options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const network = await loadRunState(folder);
  const { data, quick } = folder.info.settings;
  const set = await loadPairs(options.data ?? data, quick);
  const { scores, rows, groups } = await scoreTest(network, set);
  for (const table of tablesOf(set, rows, groups)) ui.table(table);
  return { dir: folder.dir, data: set.id, metrics: metricsOf(set, { scores, rows, groups }) };
}

/** `--out dates.onnx` gives `dates.encoder.onnx` and `dates.decoder.onnx`. */
export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const files = await exportTranslator(await loadRunState(folder));
  const base = options.out?.replace(/\.onnx$/, "");
  const written: { readonly path: string; readonly bytes: number }[] = [];
  for (const part of ["encoder", "decoder"] as const) {
    const path = base === undefined ? folder.path(`${part}.onnx`) : `${base}.${part}.onnx`;
    await writeFileAtomic(path, files[part]);
    ui.notice(`${path}: ${files[part].length} bytes`);
    written.push({ path, bytes: files[part].length });
  }
  return { files: written };
}
