import { resolve } from "node:path";
import { nn } from "tensorlane";
import { commandLine } from "../commandLine.ts";
import { UserError } from "../errors.ts";
import { lossesOf, parameterCount } from "../fitting.ts";
import { RunFolder, runFiles, writeFileAtomic } from "../runFolder.ts";
import type {
  EvaluateOptions,
  EvaluateResult,
  ExportOptions,
  TaskUi,
  TrainOptions,
  TrainResult,
} from "../task.ts";
import { exportNetwork } from "./exporting.ts";
import { sentiment } from "./index.ts";
import { judge } from "./judging.ts";
import { buildNetwork, type ModelName, type Recipe, recipes } from "./networks.ts";
import { buildReport } from "./report.ts";
import { loadRunState, type RunDetails, saveDetails } from "./runState.ts";
import {
  baselineRows,
  modelRow,
  publishedRows,
  resultTable,
  type ScoredRow,
  type Scores,
  scoresOf,
} from "./scores.ts";
import { trainNetwork } from "./training.ts";
import { loadTreebank, type Treebank } from "./treebank.ts";
import { readVectors, Vocabulary } from "./vocabulary.ts";

/** The task's own options. */
interface SentimentExtra {
  readonly hidden?: number;
  readonly embedding?: number;
  readonly vectors?: string;
  readonly phrases?: boolean;
}

async function loadBank(source: string, ui: TaskUi): Promise<Treebank> {
  const bank = await loadTreebank(source);
  for (const note of bank.notes) ui.notice(note);
  const { train, dev, test } = bank;
  ui.notice(`${bank.title} (${train.length}, ${dev.length} and ${test.length} read)`);
  return bank;
}

/** The recipe of a model, with what was asked for in its place. */
function recipeFor(options: TrainOptions): Recipe {
  const { epochs, batch, lr, quick } = options;
  const usual = recipes[options.models[0] as ModelName];
  return {
    ...usual,
    epochs: epochs ?? (quick ? 2 : usual.epochs),
    batch: batch ?? usual.batch,
    lr: lr ?? usual.lr,
  };
}

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const extra = options.extra as SentimentExtra;
  const told = await RunFolder.finished("sentiment", options);
  if (told) return told;
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const bank = await loadBank(options.data, ui);
  const recipe = recipeFor(options);
  const vocabulary = Vocabulary.of(bank.train);
  const vectors = extra.vectors ? await readVectors(resolve(extra.vectors), vocabulary) : undefined;
  if (vectors && extra.embedding !== undefined && extra.embedding !== vectors.size) {
    throw new UserError(
      `--embedding ${extra.embedding}, but the vectors of ${extra.vectors} have ${vectors.size} numbers: leave one out.`,
    );
  }
  const spec = {
    model: options.models[0] as ModelName,
    words: vocabulary.size,
    embedding: vectors?.size ?? extra.embedding ?? recipe.embedding,
    hidden: extra.hidden ?? recipe.hidden,
  };
  nn.manualSeed(options.seed);
  const network = buildNetwork(spec);
  if (vectors) {
    network.setVectors(vectors);
    ui.notice(
      `${vectors.vectors.size} of ${vocabulary.words.length} words start with a vector of ${extra.vectors}.`,
    );
  }
  if (options.quick)
    ui.notice("--quick: a shortened schedule; train without it for the best figures.");
  return RunFolder.train("sentiment", options, async ({ folder, start }) => {
    let resume = start === "resumed";
    const planned = (folder.info.details as unknown as Partial<RunDetails>).epochs;
    if (resume && planned !== undefined && planned !== recipe.epochs) {
      ui.notice(
        `The run was planned for ${planned} epochs, now for ${recipe.epochs}: the sizes of its batches depend on ` +
          "that, so it starts anew.",
      );
      await folder.restart();
      resume = false;
    }
    await saveDetails(folder, { spec, epochs: recipe.epochs }, vocabulary);
    const trained = await trainNetwork(
      {
        network,
        bank,
        vocabulary,
        recipe,
        settings: options,
        phrases: extra.phrases ?? true,
        folder: folder.dir,
        resume,
      },
      ui,
    );
    if (trained.fit.outcome === "interrupted")
      return await folder.interrupted({ losses: lossesOf(trained) });
    return await finish({ folder, options, bank, vocabulary, network, recipe, trained }, ui);
  });
}

interface Finished {
  readonly folder: RunFolder;
  readonly options: TrainOptions;
  readonly bank: Treebank;
  readonly vocabulary: Vocabulary;
  readonly network: ReturnType<typeof buildNetwork>;
  readonly recipe: Recipe;
  readonly trained: Awaited<ReturnType<typeof trainNetwork>>;
}

/** Scores the kept epoch on the test part and writes everything. */
async function finish(run: Finished, ui: TaskUi): Promise<TrainResult> {
  const { folder, options, bank, vocabulary, network, recipe, trained } = run;
  const { spec } = network;
  const judged = await (await judge(network, bank.test, vocabulary.token))();
  const scores = scoresOf(bank.test, judged);
  const rows = rowsFor(spec.model, bank, scores);
  const table = resultTable(rows, scores);
  ui.table(table);
  const lost = rows.filter(
    ({ kind, fine }) => kind === "baseline" && fine >= 100 * scores.accuracy,
  );
  const warnings = [
    ...(options.quick ? ["Shortened schedule (`--quick`): longer training does better."] : []),
    ...lost.map(({ name }) => `${spec.model} is not better than the baseline "${name}".`),
  ];
  for (const text of warnings) ui.warn(text);
  const parameters = parameterCount(network);
  await folder.write(runFiles.model, await exportNetwork(network, vocabulary));
  const command = commandLine(sentiment, options);
  await folder.write(
    runFiles.report,
    buildReport({
      ...{ bank, spec, recipe, trained, judged, scores, table, warnings, parameters, command },
    }),
  );
  const { history, bestEpoch = 0, steps } = trained.fit;
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: bank.id,
    train: {
      model: spec.model,
      losses: lossesOf(trained),
      dev: history.map(({ validation }) => validation?.accuracy ?? null),
      validationMeasure:
        "dev: share of sentences judged rightly, of five classes; the most is kept",
      bestEpoch: bestEpoch + 1,
      steps,
      parameters,
      seconds: Number(trained.seconds.toFixed(2)),
    },
    metrics: { ...metricsOf(scores), baselines: baselinesOf(rows) },
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  await folder.update({
    status: "finished",
    settings: { ...folder.info.settings, epochs: recipe.epochs },
  });
  ui.notice(`report: ${folder.path(runFiles.report)}`);
  ui.notice(`model:  ${folder.path(runFiles.model)}`);
  return result;
}

/** The published figures belong to the published test part only. */
const rowsFor = (model: string, bank: Treebank, scores: Scores): ScoredRow[] => [
  modelRow(model, scores),
  ...baselineRows(bank, bank.test),
  ...(bank.id === "sst" ? publishedRows : []),
];

const metricsOf = ({ accuracy, binary, loss, nodes, confusion, sentences }: Scores) => ({
  sentences,
  accuracy,
  binary: binary ?? null,
  loss,
  nodes: nodes ?? null,
  confusion,
});

const baselinesOf = (rows: readonly ScoredRow[]) =>
  Object.fromEntries(
    rows
      .filter(({ kind }) => kind === "baseline")
      .map(({ name, fine, binary }) => [
        name,
        {
          accuracy: fine / 100,
          binary: typeof binary === "number" ? binary / 100 : null,
        },
      ]),
  );

export async function evaluate(
  dir: string,
  options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const { network, vocabulary } = await loadRunState(folder);
  const bank = await loadBank(options.data ?? folder.info.settings.data, ui);
  const judged = await (await judge(network, bank.test, vocabulary.token))();
  const scores = scoresOf(bank.test, judged);
  const rows = rowsFor(network.spec.model, bank, scores);
  ui.table(resultTable(rows, scores));
  return {
    dir: folder.dir,
    data: bank.id,
    metrics: { ...metricsOf(scores), baselines: baselinesOf(rows) },
  };
}

export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const { network, vocabulary } = await loadRunState(folder);
  const bytes = await exportNetwork(network, vocabulary);
  const path = options.out ?? folder.path(runFiles.model);
  await writeFileAtomic(path, bytes);
  ui.notice(`${path}: ${bytes.length} bytes`);
  return { path, bytes: bytes.length };
}
