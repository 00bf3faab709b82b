import { Dim, data, nn, onnx, ops, optim } from "tensorlane";
import { commandLine } from "../commandLine.ts";
import { type Fitted, fitModel, lossesOf, parameterCount } from "../fitting.ts";
import { Vocabulary } from "../language/index.ts";
import { heatMap, lossCurves, Report } from "../report/index.ts";
import { RunFolder, runFiles, writeFileAtomic } from "../runFolder.ts";
import type { Table } from "../table.ts";
import type {
  EvaluateOptions,
  EvaluateResult,
  ExportOptions,
  TaskUi,
  TrainOptions,
  TrainResult,
} from "../task.ts";
import { judge, NameDataset } from "./dataset.ts";
import { names } from "./index.ts";
import { type ModelName, NameNetwork } from "./network.ts";
import { loadRunState, saveDetails } from "./runState.ts";
import { baselineRows, resultTable, type ScoredRow, type Scores, scoresOf } from "./scores.ts";
import { loadSurnames, type SurnameSet } from "./surnames.ts";

/** How the networks are trained. */
const recipe = { epochs: 8, batch: 64, lr: 0.004, embedding: 32, hidden: 96 };

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const told = await RunFolder.finished("names", options);
  if (told) return told;
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const set = await loadSurnames();
  for (const note of set.notes) ui.notice(note);
  const all = [...set.train, ...set.validation, ...set.test].map(({ name }) => name);
  const vocabulary = Vocabulary.of("character", all.join(""));
  const { embedding, hidden } = recipe;
  const epochs = options.epochs ?? (options.quick ? 2 : recipe.epochs);
  const spec = {
    model: options.models[0] as ModelName,
    characters: vocabulary.size,
    languages: set.languages.length,
    ...{ embedding, hidden },
    length: Math.max(...all.map((name) => [...name].length)),
  };
  nn.manualSeed(options.seed);
  const network = new NameNetwork(spec);
  if (options.quick) ui.notice("--quick: a shortened schedule; train without it for the best.");
  return RunFolder.train("names", options, async ({ folder, start }) => {
    const resume = await folder.plan(epochs, start, ui);
    await saveDetails(folder, { spec, characters: vocabulary.tokens, languages: set.languages });
    const training = { network, set, vocabulary, epochs, options, folder: folder.dir, resume };
    const trained = await trainNetwork(training, ui);
    if (trained.fit.outcome === "interrupted")
      return await folder.interrupted({ losses: lossesOf(trained) });
    return await finish({ folder, options, set, vocabulary, network, trained }, ui);
  });
}

interface Training {
  readonly network: NameNetwork;
  readonly set: SurnameSet;
  readonly vocabulary: Vocabulary;
  readonly epochs: number;
  readonly options: TrainOptions;
  readonly folder: string;
  readonly resume: boolean;
}

/** Trains on the training part; the epoch that tells most validation names rightly is kept. */
async function trainNetwork(training: Training, ui: TaskUi): Promise<Fitted> {
  const { network, set, vocabulary, epochs, options, folder, resume } = training;
  const { seed, batch = recipe.batch, lr = recipe.lr } = options;
  const names = new NameDataset(set.train, vocabulary, network.spec.length);
  const loader = new data.DataLoader(names, {
    batchSize: Math.min(batch, names.length),
    shuffle: true,
    seed,
    dropLast: true,
  });
  const judgeNames = await judge(network, set.validation, vocabulary);
  const validation = async () => {
    const { accuracy, balanced } = scoresOf(
      set.validation,
      await judgeNames(),
      set.languages.length,
    );
    return { error: 1 - accuracy, balanced };
  };
  return fitModel(
    {
      label: network.spec.model,
      model: network,
      loss: (net, fields) => nn.crossEntropy(net.forward(fields), fields.label),
      optimizer: new optim.AdamW({ lr, weightDecay: 0.01 }),
      clipNorm: 1,
      monitor: "error",
      describe: ({ error }) => `${(100 * (1 - error)).toFixed(1)} % right`,
      saveEverySteps: 200,
      ...{ loader, epochs, seed, validation, folder, resume },
    },
    ui,
  );
}

interface Finished extends Pick<Training, "network" | "set" | "vocabulary" | "options"> {
  readonly folder: RunFolder;
  readonly trained: Fitted;
}

async function finish(run: Finished, ui: TaskUi): Promise<TrainResult> {
  const { folder, options, set, vocabulary, network, trained } = run;
  const { scores, rows } = await scoreTest(network, set, vocabulary);
  const table = resultTable(`Surnames told rightly (${scores.names})`, rows);
  ui.table(table);
  const lost = rows.filter(
    ({ kind, accuracy }) => kind === "baseline" && accuracy >= scores.accuracy,
  );
  const warnings = [
    ...(options.quick ? ["Shortened (`--quick`): longer training does better."] : []),
    ...lost.map(({ name }) => `${network.spec.model} is not better than the baseline "${name}".`),
  ];
  for (const text of warnings) ui.warn(text);
  await folder.write(runFiles.model, await exportNetwork(network, vocabulary, set.languages));
  await folder.write(runFiles.report, buildReport(run, scores, table, warnings));
  const { history, bestEpoch = 0, steps } = trained.fit;
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: set.id,
    train: {
      model: network.spec.model,
      losses: lossesOf(trained),
      validation: history.map(({ validation }) => validation?.error ?? null),
      validationMeasure: "share of names told wrongly; the least is kept",
      parameters: parameterCount(network),
      bestEpoch: bestEpoch + 1,
      steps,
      seconds: Number(trained.seconds.toFixed(2)),
    },
    metrics: metricsOf(scores, rows),
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  const settings = { ...folder.info.settings, epochs: history.length };
  await folder.update({ status: "finished", settings });
  ui.notice(`report: ${folder.path(runFiles.report)}`);
  ui.notice(`model:  ${folder.path(runFiles.model)}`);
  return result;
}

async function scoreTest(network: NameNetwork, set: SurnameSet, vocabulary: Vocabulary) {
  const judged = await (await judge(network, set.test, vocabulary))();
  const scores = scoresOf(set.test, judged, set.languages.length);
  const own: ScoredRow = { name: network.spec.model, kind: "model", ...scores };
  return { scores, rows: [own, ...baselineRows(set)] };
}

const metricsOf = (scores: Scores, rows: readonly ScoredRow[]) => ({
  ...scores,
  baselines: Object.fromEntries(
    rows
      .filter(({ kind }) => kind === "baseline")
      .map(({ name, accuracy, balanced }) => [name, { accuracy, balanced }]),
  ),
});

function buildReport(
  { set, network, trained, options }: Finished,
  scores: Scores,
  table: Table,
  warnings: readonly string[],
): string {
  const { model } = network.spec;
  const report = new Report({
    title: `Names: ${set.title}`,
    subtitle: `${model}: ${(100 * scores.accuracy).toFixed(1)} % of ${scores.names} test names told rightly, ${(100 * scores.balanced).toFixed(1)} % with each language counted alike`,
    notices: warnings.map((text) => ({ kind: "warning" as const, text })),
    footer: commandLine(names, options),
  });
  report.section("Results").table(table);
  report.text(set.notes.map((note) => `- ${note}`).join("\n"));
  report.plot(
    heatMap({
      values: scores.confusion.flatMap((row) => {
        const all = row.reduce((a, b) => a + b);
        return row.map((count) => (all > 0 ? (100 * count) / all : Number.NaN));
      }),
      rows: set.languages.length,
      columns: set.languages.length,
      label: "names of the language",
      unit: "%",
      rowLabel: "true language",
      columnLabel: "judged as",
      rowNames: set.languages,
      columnNames: set.languages,
    }),
    "Which language (row) was taken for which (column), in per cent of the row.",
  );
  report.section("Training");
  const { history, bestEpoch = 0 } = trained.fit;
  report.plot(
    lossCurves({
      curves: [
        {
          name: model,
          train: history.map(({ loss }) => loss),
          validation: history.map(({ validation }) => validation!.error),
          best: bestEpoch + 1,
        },
      ],
      label: "cross entropy; part of the validation names told wrongly",
      log: false,
    }),
    "The epoch with the fewest wrong validation names is kept; the test part takes no part in the choice.",
  );
  return report.html();
}

export async function evaluate(
  dir: string,
  _options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const { network, vocabulary } = await loadRunState(folder);
  const set = await loadSurnames();
  const { scores, rows } = await scoreTest(network, set, vocabulary);
  ui.table(resultTable(`Surnames told rightly (${scores.names})`, rows));
  return { dir: folder.dir, data: set.id, metrics: metricsOf(scores, rows) };
}

/** `tokens` (batch, time) and `length` (batch), int32 -> `probabilities` (batch, languages). */
const exportNetwork = (
  network: NameNetwork,
  vocabulary: Vocabulary,
  languages: readonly string[],
): Promise<Uint8Array> => {
  const batch = new Dim("batch");
  return onnx.exportModel(network.eval(), {
    name: "names",
    inputs: {
      tokens: { shape: [batch, new Dim("time")], dtype: "int32" },
      length: { shape: [batch], dtype: "int32" },
    },
    forward: (fields) => ({ probabilities: ops.softmax(network.forward(fields), -1) }),
    metadata: {
      "tensorlane.classes": JSON.stringify(languages),
      "tensorlane.vocabulary": JSON.stringify(vocabulary.tokens),
    },
  });
};

export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const { network, vocabulary, languages } = await loadRunState(folder);
  const bytes = await exportNetwork(network, vocabulary, languages);
  const path = options.out ?? folder.path(runFiles.model);
  await writeFileAtomic(path, bytes);
  ui.notice(`${path}: ${bytes.length} bytes`);
  return { path, bytes: bytes.length };
}
