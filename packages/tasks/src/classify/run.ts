import { existsSync } from "node:fs";
import { models } from "tensorlane";
import { commandLine } from "../commandLine.ts";
import { UserError } from "../errors.ts";
import { type Fitted, lossesOf, parameterCount } from "../fitting.ts";
import { RunFolder, readRunInfo, runFiles, writeFileAtomic } from "../runFolder.ts";
import type {
  EvaluateOptions,
  EvaluateResult,
  ExportOptions,
  Extra,
  TaskUi,
  TrainOptions,
  TrainResult,
} from "../task.ts";
import { imageIds, loadImages, SIMULATED } from "./data/load.ts";
import { chosenClasses, selectClasses, thinOut } from "./data/select.ts";
import type { ImageSet } from "./data/set.ts";
import { metricsOf, predictImages, resultTable, scorePredictions } from "./evaluation.ts";
import { exportClassifier } from "./exporting.ts";
import {
  adopt,
  type FineTuning,
  fineTuningFacts,
  imagenetScaling,
  type Origin,
  readOrigin,
} from "./fineTuning.ts";
import { channelMoments } from "./images/moments.ts";
import { ImagePool } from "./images/pool.ts";
import { classify } from "./index.ts";
import { buildNetwork, type Classifier } from "./network.ts";
import { preprocessingFor, type Schedule, scheduleFor, storedSide } from "./recipes.ts";
import { buildReport } from "./report.ts";
import { loadRunState, type RunDetails, saveDetails } from "./runState.ts";
import { seedWeights, trainClassifier } from "./training.ts";

/** The task's own options. */
export interface ClassifyExtra {
  readonly variant?: string;
  /** Side of the network's input. */
  readonly size?: number;
  readonly classes?: string;
  readonly perClass?: number;
  readonly from?: string;
  readonly freeze?: readonly string[];
}

const extraOf = (extra: Extra): ClassifyExtra => extra as ClassifyExtra;

interface Choice {
  readonly data: string;
  readonly seed: number;
  readonly size: number;
  readonly extra: ClassifyExtra;
  readonly pool: ImagePool;
}

/** Loads a set, with the classes asked for, and says all that must be known about it. */
export async function loadSet(choice: Choice, ui: TaskUi): Promise<ImageSet> {
  const { data, seed, size, pool, extra } = choice;
  if (!existsSync(data) && !imageIds.includes(data)) {
    throw new UserError(
      `${data}: no such folder. Give a folder of images or the id of a data set.`,
    );
  }
  let set = await loadImages(data, { side: storedSide(size), seed, pool, ui, signal: ui.signal });
  if (set.simulated) {
    ui.warn(`SIMULATED DATA: ${set.title}. No figure below says anything about real images.`);
  }
  if (extra.classes !== undefined)
    set = selectClasses(set, chosenClasses(extra.classes, set.classes));
  if (extra.perClass !== undefined) set = thinOut(set, extra.perClass, seed);
  for (const note of set.notes) ui.notice(note);
  ui.notice(
    `${set.title}: ${set.classes.length} classes; ${set.train.length} images for training, ` +
      `${set.validation.length} for validation (${set.split}), ${set.test.length} for the test`,
  );
  if (set.skipped.length > 0) {
    const shown = set.skipped.slice(0, 5).map(({ path, reason }) => `  ${path}: ${reason}`);
    const more = set.skipped.length - shown.length;
    ui.warn(
      `${set.skipped.length} files could not be read and are left out:\n${shown.join("\n")}` +
        (more > 0 ? `\n  and ${more} more (all are listed in ${runFiles.results})` : ""),
    );
  }
  return set;
}

/** Runs with the threads that decode images, and ends them. */
async function withPool<T>(run: (pool: ImagePool) => Promise<T>): Promise<T> {
  const pool = new ImagePool();
  try {
    return await run(pool);
  } finally {
    pool.close();
  }
}

export async function train(options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  const told = await RunFolder.finished("classify", options);
  if (told) return told;
  return withPool((pool) => trainWith(pool, options, ui));
}

/** All that is fixed before the first step. */
interface Job {
  readonly options: TrainOptions;
  readonly pool: ImagePool;
  readonly set: ImageSet;
  readonly model: string;
  readonly network: Classifier;
  readonly details: RunDetails;
  readonly schedule: Schedule;
  readonly tuned: { readonly origin: Origin; readonly fineTuning: FineTuning } | undefined;
}

async function prepare(pool: ImagePool, options: TrainOptions, ui: TaskUi): Promise<Job> {
  const extra = extraOf(options.extra);
  const { seed } = options;
  const model = options.models[0]!;
  const size = extra.size ?? models.architecture(model).input[1];
  const before = options.resume ? await readRunInfo(options.out) : undefined;
  const data = before?.details.simulated ? SIMULATED : options.data;
  const set = await loadSet({ data, seed, size, extra, pool }, ui);
  if (extra.freeze && extra.from === undefined) {
    throw new UserError(
      "--freeze keeps weights as they are: name those to start with, --from FILE.",
    );
  }
  const origin = extra.from === undefined ? undefined : await readOrigin(extra.from);
  const sizes = { numClasses: set.classes.length, inChannels: set.channels };
  const spec = { model, variant: extra.variant, ...sizes };
  seedWeights(seed);
  const adopted = origin && adopt(spec, origin, extra.freeze ?? [], ui);
  const published = origin && size === 224 && set.channels === 3 ? imagenetScaling : undefined;
  const { mean, std } = origin?.scaling ?? published ?? (await channelMoments(set, pool));
  return {
    ...{ options, pool, set, model },
    network: adopted?.network ?? buildNetwork(spec),
    details: {
      spec,
      classes: set.classes,
      preprocessing: { ...preprocessingFor(set, size), mean, std },
      simulated: set.simulated,
    },
    schedule: scheduleFor(set.id, model, set.train.length, options),
    tuned: adopted && origin && { origin, fineTuning: adopted.fineTuning },
  };
}

async function trainWith(pool: ImagePool, options: TrainOptions, ui: TaskUi): Promise<TrainResult> {
  // First the data, then the folder: what cannot be read leaves nothing behind and gives up no old run.
  const job = await prepare(pool, options, ui);
  const { set, network, schedule, details, tuned, model } = job;
  if (options.quick)
    ui.notice("--quick: a shortened schedule; train without it for the best figures.");
  return RunFolder.train("classify", options, async ({ folder, start }) => {
    const resume = await folder.plan(schedule.epochs, start, ui);
    await saveDetails(folder, details);
    const { preprocessing } = details;
    const trained = await trainClassifier(
      {
        ...{ set, network, preprocessing, schedule, pool, resume, settings: options },
        fineTuning: tuned?.fineTuning,
        folder: folder.dir,
      },
      ui,
    );
    // What was spent before an interruption counts.
    const seconds = Number(resume ? (folder.info.details.seconds ?? 0) : 0) + trained.seconds;
    if (trained.fit.outcome === "interrupted") {
      await folder.update({ details: { seconds } });
      return await folder.interrupted({ model, losses: lossesOf(trained) });
    }
    return await finish(job, { ...trained, seconds }, folder, ui);
  });
}

/** Looks at the test part, once, and writes everything. */
async function finish(
  job: Job,
  trained: Fitted,
  folder: RunFolder,
  ui: TaskUi,
): Promise<TrainResult> {
  const { options, pool, set, model, network, details, schedule, tuned } = job;
  const { preprocessing } = details;
  const predictions = await predictImages({
    ...{ network, set, preprocessing, pool },
    indices: set.test,
    classes: set.classes.length,
  });
  const scores = scorePredictions(predictions, set.labels, set.classes);
  const table = resultTable(set, model, scores);
  ui.table(table);
  const warnings = [
    ...(set.simulated ? [`Simulated data (${set.title}), not real images.`] : []),
    ...(options.quick ? ["Shortened schedule (`--quick`): longer training does better."] : []),
    ...(set.skipped.length > 0 ? [`${set.skipped.length} files could not be read.`] : []),
  ];
  await folder.write(runFiles.model, await exportClassifier({ ...details, network }));
  const parameters = parameterCount(network);
  const command = commandLine(classify, options);
  const parts = { set, model, trained, schedule, predictions, scores, table, warnings, parameters };
  await folder.write(runFiles.report, buildReport({ ...parts, command }));
  const { history, bestEpoch = 0, steps } = trained.fit;
  const result: TrainResult = {
    dir: folder.dir,
    status: "finished",
    data: set.id,
    simulated: set.simulated,
    train: {
      model,
      losses: lossesOf(trained),
      validation: history.map(({ validation }) => 100 * validation!.error!),
      validationMeasure: "images told wrongly, in per cent; the least is kept",
      bestEpoch: bestEpoch + 1,
      ...{ steps, parameters, seconds: Number(trained.seconds.toFixed(2)) },
      images: set.train.length,
      ...(tuned && fineTuningFacts(tuned.origin, tuned.fineTuning)),
    },
    metrics: metricsOf(scores),
    skipped: set.skipped.map(({ path, reason }) => ({ path, reason })),
  };
  await folder.writeJson(runFiles.results, { ...result, dir: "." });
  const settings = { ...folder.info.settings, epochs: schedule.epochs };
  await folder.update({ status: "finished", settings });
  return result;
}

/** The test part of what a run was trained on, or of another set with the same classes. */
async function testSet(
  folder: RunFolder,
  details: RunDetails,
  data: string | undefined,
  pool: ImagePool,
  ui: TaskUi,
): Promise<ImageSet> {
  const { settings } = folder.info;
  const { classes, preprocessing, spec } = details;
  const own = details.simulated ? SIMULATED : settings.data;
  const { size } = preprocessing;
  const choice = { data: data ?? own, seed: settings.seed, size, pool };
  const extra = data === undefined ? extraOf(settings.extra) : {};
  const set = await loadSet({ ...choice, extra }, ui);
  const fits =
    set.channels === spec.inChannels &&
    set.classes.length === classes.length &&
    set.classes.every((name, i) => name === classes[i]);
  if (!fits) {
    const list = (names: readonly string[]) =>
      names.slice(0, 4).join(", ") + (names.length > 4 ? ", …" : "");
    throw new UserError(
      `The network tells ${classes.length} classes (${list(classes)}) apart in pictures of ${spec.inChannels} ` +
        `channels; ${set.title} has ${set.classes.length} (${list(set.classes)}) of ${set.channels}.`,
    );
  }
  return set;
}

export async function evaluate(
  dir: string,
  options: EvaluateOptions,
  ui: TaskUi,
): Promise<EvaluateResult> {
  const folder = await RunFolder.open(dir);
  const { network, ...details } = await loadRunState(folder);
  return withPool(async (pool) => {
    const set = await testSet(folder, details, options.data, pool, ui);
    const predictions = await predictImages({
      ...{ network, set, pool, preprocessing: details.preprocessing },
      indices: set.test,
      classes: set.classes.length,
    });
    const scores = scorePredictions(predictions, set.labels, set.classes);
    ui.table(resultTable(set, details.spec.model, scores));
    return { dir: folder.dir, data: set.id, metrics: metricsOf(scores) };
  });
}

export async function exportModel(dir: string, options: ExportOptions, ui: TaskUi) {
  const folder = await RunFolder.open(dir);
  const bytes = await exportClassifier(await loadRunState(folder));
  const path = options.out ?? folder.path(runFiles.model);
  await writeFileAtomic(path, bytes);
  ui.notice(`${path}: ${bytes.length} bytes`);
  return { path, bytes: bytes.length };
}
