import { nn } from "tensorlane";
import { FineTuning, type Origin, readOrigin } from "../classify/fineTuning.ts";
import { channelMoments } from "../classify/images/moments.ts";
import { ImagePool } from "../classify/images/pool.ts";
import { commandLine } from "../commandLine.ts";
import { UserError } from "../errors.ts";
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
import { type CaptionSet, loadCaptions } from "./captions.ts";
import { evaluateCaptions, type Judged } from "./evaluation.ts";
import { exportCaptioner } from "./exporting.ts";
import { caption } from "./index.ts";
import { buildCaptioner, type Captioner, type ModelName } from "./network.ts";
import { BEAM, type Recipe, recipeFor } from "./recipe.ts";
import { buildReport } from "./report.ts";
import { loadRunState, type RunState, saveDetails } from "./runState.ts";
import { metricsOf, resultTable, winShare } from "./scores.ts";
import { trainCaptioner } from "./training.ts";
import { CaptionWords, wordsOf } from "./words.ts";

/** The task's own options. */
interface CaptionExtra {
  readonly size?: number;
  readonly hidden?: number;
  readonly embedding?: number;
  readonly dropout?: number;
  readonly minCount?: number;
  readonly from?: string;
  readonly freeze?: boolean;
}

/** Side of the pictures, and how often a word must be met to be learnt, unless told otherwise. */
const [SIZE, MIN_COUNT] = [32, 5];

/** The file of the decoder beside that of the encoder. */
const decoderFile = (encoder: string): string => encoder.replace(/(\.onnx)?$/, ".decoder.onnx");

async function loadSet(
  source: string,
  options: { readonly size: number; readonly seed: number; readonly pool: ImagePool },
  ui: TaskUi,
): Promise<CaptionSet> {
  const set = await loadCaptions(source, { ...options, signal: ui.signal });
  for (const note of set.notes) ui.notice(note);
  ui.notice(
    `${set.title}: ${set.train.length} pictures for training, ${set.validation.length} for validation, ` +
      `${set.test.length} for the test (${set.split})`,
  );
  return set;
}

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const told = await RunFolder.finished("caption", options);
  if (told) return told;
  const pool = new ImagePool();
  try {
    return await trainWith(pool, options, ui);
  } finally {
    pool.close();
  }
}

/** All that is fixed before the first step. */
interface Job {
  readonly options: TrainOptions;
  readonly pool: ImagePool;
  readonly set: CaptionSet;
  readonly state: RunState;
  readonly recipe: Recipe;
  readonly fineTuning: FineTuning | undefined;
}

async function prepare(pool: ImagePool, options: TrainOptions, ui: TaskUi): Promise<Job> {
  const extra = options.extra as CaptionExtra;
  const { seed } = options;
  if (extra.freeze && extra.from === undefined) {
    throw new UserError("--freeze keeps the encoder's weights: name those to start with, --from.");
  }
  const size = extra.size ?? SIZE;
  const set = await loadSet(options.data, { size, seed, pool }, ui);
  const origin = extra.from === undefined ? undefined : await readOrigin(extra.from);
  const spoken = Array.from(set.train, (i) => set.pictures[i].captions.map(wordsOf)).flat();
  const words = CaptionWords.of(spoken, extra.minCount ?? MIN_COUNT);
  const recipe = recipeFor(options, extra, set.train.length);
  const spec = {
    ...{ model: options.models[0] as ModelName, words: words.size, dropout: recipe.dropout },
    ...{ embedding: recipe.embedding, hidden: recipe.hidden },
  };
  nn.manualSeed(seed);
  const network = buildCaptioner(spec);
  if (origin) adoptEncoder(network, origin, ui);
  const sources = set.pictures.map(({ picture }) => ({ picture }));
  const { mean, std } =
    origin?.scaling ?? (await channelMoments({ sources, train: set.train, channels: 3 }, pool));
  const preprocessing = { size, cover: 1, border: "edge" as const, mean, std };
  return {
    ...{ options, pool, set, recipe },
    state: { spec, network, words, preprocessing, maxLength: recipe.maxLength },
    fineTuning: origin && new FineTuning(network, [], extra.freeze ? ["encoder"] : []),
  };
}

/** Takes a classifier's weights for the encoder. */
function adoptEncoder(network: Captioner, origin: Origin, ui: TaskUi): void {
  const { missing, wrongShape, loaded } = network.encoder.loadStateDict(origin.arrays, {
    strict: false,
  });
  const list = [...missing.map((n) => `${n} is missing`), ...wrongShape.map((n) => `${n} differs`)];
  if (list.length > 0) {
    throw new UserError(
      `--from ${origin.path} does not fit the encoder, a resnet20 for colour pictures: ` +
        `${list.slice(0, 3).join(", ")}${list.length > 3 ? ` and ${list.length - 3} more` : ""}.`,
    );
  }
  ui.notice(`${origin.path}: ${loaded.length} arrays taken over by the encoder.`);
}

async function trainWith(pool: ImagePool, options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const job = await prepare(pool, options, ui);
  const { set, state, recipe, fineTuning } = job;
  const { network, words, preprocessing, spec, maxLength } = state;
  if (options.quick)
    ui.notice("--quick: a shortened schedule; train without it for the best figures.");
  return RunFolder.train("caption", options, async ({ folder, start }) => {
    const resume = await folder.plan(recipe.epochs, start, ui);
    await saveDetails(folder, { spec, preprocessing, maxLength }, words);
    const fitted = await trainCaptioner(
      {
        ...{ network, set, words, preprocessing, recipe, fineTuning, pool, resume },
        ...{ seed: options.seed, folder: folder.dir },
      },
      ui,
    );
    if (fitted.fit.outcome === "interrupted")
      return await folder.interrupted({ losses: lossesOf(fitted) });
    return await finish(job, fitted, folder, ui);
  });
}

/** Looks at the test part, once, and writes everything. */
async function finish(
  job: Job,
  fitted: Fitted,
  folder: RunFolder,
  ui: TaskUi,
): Promise<TrainResult> {
  const { options, pool, set, state, recipe } = job;
  const { spec, network } = state;
  const judged = await evaluateCaptions({
    ...{ set, state, pool },
    beam: BEAM,
    seed: options.seed,
  });
  const { rows, said, nearest } = judged;
  const table = resultTable(set, rows, set.test.length);
  ui.table(table);
  const warnings = [
    ...(options.quick ? ["Shortened schedule (`--quick`): longer training does better."] : []),
    ...doubts(judged),
  ];
  for (const text of warnings) ui.warn(text);
  const { encoder, decoder } = await exportCaptioner(state);
  await folder.write(runFiles.model, encoder);
  await folder.write(decoderFile(runFiles.model), decoder);
  const parameters = parameterCount(network);
  const command = commandLine(caption, options);
  const subtitle = `BLEU-4 ${(100 * rows[0].bleu[3]).toFixed(1)} % on ${set.test.length} test pictures`;
  await folder.write(
    runFiles.report,
    buildReport({
      ...{
        set,
        spec,
        recipe,
        fitted,
        said,
        nearest,
        table,
        subtitle,
        warnings,
        parameters,
        command,
      },
    }),
  );
  const { history, bestEpoch = 0, steps } = fitted.fit;
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: set.id,
    train: {
      model: spec.model,
      losses: lossesOf(fitted),
      validation: history.map(({ validation }) => validation?.nats ?? null),
      validationMeasure: "cross entropy of a word, in nats; the least is kept",
      bestEpoch: bestEpoch + 1,
      ...{ steps, parameters, seconds: Number(fitted.seconds.toFixed(2)) },
      ...{ pictures: set.train.length, words: spec.words - 3 },
    },
    metrics: metricsOfAll(judged),
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  const settings = { ...folder.info.settings, epochs: recipe.epochs };
  await folder.update({ status: "finished", settings });
  ui.notice(`report: ${folder.path(runFiles.report)}`);
  return result;
}

/** What speaks against the model, in words: baselines that it does not surely beat. */
const doubts = ({ rows: [model, ...others] }: Judged): string[] =>
  others.flatMap((other) => {
    const share = winShare(model, other, 4);
    if (share >= 0.975) return [];
    return [
      `${model.name} does not surely beat the baseline "${other.name}" in BLEU-4: it is ahead in ` +
        `${(100 * share).toFixed(0)} % of the bootstrap's draws.`,
    ];
  });

const metricsOfAll = ({ rows: [model, ...others], nats }: Judged) => ({
  ...metricsOf(model),
  nats,
  baselines: Object.fromEntries(
    others.map((other) => [other.name, { ...metricsOf(other), beaten: winShare(model, other, 4) }]),
  ),
});

export async function evaluate(
  dir: string,
  options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const state = await loadRunState(folder);
  const { seed, data } = folder.info.settings;
  const pool = new ImagePool();
  try {
    const { size } = state.preprocessing;
    const set = await loadSet(options.data ?? data, { size, seed, pool }, ui);
    const beam = (options.extra.beam as number | undefined) ?? BEAM;
    const judged = await evaluateCaptions({ set, state, pool, beam, seed });
    ui.table(resultTable(set, judged.rows, set.test.length));
    return { dir: folder.dir, data: set.id, metrics: metricsOfAll(judged) };
  } finally {
    pool.close();
  }
}

/** Writes the encoder's file, and the decoder's beside it. */
export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const { encoder, decoder } = await exportCaptioner(await loadRunState(folder));
  const path = options.out ?? folder.path(runFiles.model);
  const beside = decoderFile(path);
  await writeFileAtomic(path, encoder);
  await writeFileAtomic(beside, decoder);
  ui.notice(`${path}: ${encoder.length} bytes; ${beside}: ${decoder.length} bytes`);
  return { path, bytes: encoder.length, decoder: beside, decoderBytes: decoder.length };
}
