import { join } from "node:path";
import {
  BEST,
  data,
  type EpochRecord,
  type FitResult,
  nn,
  optim,
  Trainer,
  weights,
} from "tensorlane";
import { FolderStorage } from "tensorlane/node";
import { parameterCount } from "../fitting.ts";
import type { TaskUi, TrainSettings } from "../task.ts";
import { seriesWindows, type TrafficSeries } from "./data/index.ts";
import { Features } from "./features.ts";
import { Forecaster, type ModelName, usesGraph } from "./models.ts";

/** How long and in which portions a model is trained. */
export interface Schedule {
  readonly epochs: number;
  readonly batch: number;
  readonly batchesPerEpoch: number;
  readonly lr: number;
}

/** A schedule that fits the number of samples; what the user gave has precedence. */
export function scheduleFor(
  samples: number,
  { epochs, batch, lr, quick }: Pick<TrainSettings, "epochs" | "batch" | "lr" | "quick">,
): Schedule {
  const usual = samples >= 100_000 ? 2048 : samples >= 20_000 ? 512 : 128;
  const size = Math.max(1, Math.min(batch ?? usual, samples));
  const pass = Math.floor(samples / size);
  const large = pass > 80;
  return {
    epochs: epochs ?? (large ? 4 : quick ? 10 : 20),
    batch: size,
    // A large set is seen in parts, so that the epoch can be chosen finely.
    batchesPerEpoch: Math.min(pass, 80),
    lr: lr ?? 3e-3,
  };
}

/** Weights, the inputs they were fitted with, and how the training went. */
export interface Fitted {
  readonly model: Forecaster;
  readonly features: Features;
  readonly fit: FitResult;
}

/** The schedule for a series. */
export function scheduleOf(series: TrafficSeries, settings: TrainSettings): Schedule {
  const windows = seriesWindows(series, "train", stepsOutOf(series));
  return scheduleFor(windows.length * series.columns, settings);
}

/** A trained model with what belongs to it. */
export interface Trained extends Fitted {
  readonly name: ModelName;
  /** The training that chose the epoch, on the training part without the validation part. */
  readonly selection: Fitted;
  /** Whether the weights were then trained anew on both parts. */
  readonly refitted: boolean;
  readonly schedule: Schedule;
  readonly parameters: number;
  readonly seconds: number;
}

export interface TrainingRun {
  readonly name: ModelName;
  readonly series: TrafficSeries;
  readonly settings: TrainSettings;
  /** Where checkpoints go. */
  readonly folder: string;
  readonly resume: boolean;
}

/** Steps ahead that a model of this series forecasts: the longest horizon that is scored. */
export const stepsOutOf = (series: TrafficSeries): number => Math.max(...series.protocol.horizons);

/** Rows that the weights are trained on; the validation part follows them. */
export const fittedRows = ({ protocol }: TrafficSeries): number =>
  protocol.trainRows - protocol.validationRows;

/** Columns in different units get a scale each; the published sets are measured in one unit. */
export const hasOwnScales = (series: TrafficSeries): boolean =>
  series.columns > 1 && series.protocol.published.length === 0 && !series.simulated;

export const fitFeatures = (series: TrafficSeries, name: ModelName): Features =>
  Features.fit(series, fittedRows(series), {
    stepsOut: stepsOutOf(series),
    graph: usesGraph(name),
    perColumn: hasOwnScales(series),
  });

/**
 * Trains one model: first without the validation part, which chooses the epoch, then - unless the schedule
 * is shortened - anew on both parts for as many epochs. The test part is never looked at. Its fit tells where
 * the signal interrupted it.
 */
export async function trainForecaster(run: TrainingRun, ui: TaskUi): Promise<Trained> {
  const { name, series, settings, folder } = run;
  const { trainRows } = series.protocol;
  const first = fitFeatures(series, name);
  const schedule = scheduleOf(series, settings);
  const began = performance.now();
  const selection = await fitOnce(
    {
      ...run,
      schedule,
      features: first,
      rows: fittedRows(series),
      epochs: schedule.epochs,
      validate: true,
      folder: settings.quick ? folder : join(folder, "selection"),
      label: settings.quick ? name : `${name}, choosing the epoch`,
    },
    ui,
  );
  let final = { ...selection, features: first.withProfile(series, trainRows) };
  const refits = !settings.quick && selection.fit.outcome !== "interrupted";
  if (refits) {
    final = await fitOnce(
      {
        ...run,
        schedule,
        features: final.features,
        rows: trainRows,
        epochs: (selection.fit.bestEpoch ?? 0) + 1,
        validate: false,
        label: `${name}, on all training rows`,
      },
      ui,
    );
  }
  const parameters = parameterCount(final.model);
  const seconds = (performance.now() - began) / 1000;
  return { ...final, name, selection, refitted: refits, schedule, parameters, seconds };
}

interface Fit extends TrainingRun {
  readonly schedule: Schedule;
  readonly features: Features;
  /** Rows to fit on, from the first. */
  readonly rows: number;
  readonly epochs: number;
  readonly validate: boolean;
  readonly label: string;
}

async function fitOnce(run: Fit, ui: TaskUi): Promise<Fitted> {
  const { name, series, settings, features, rows, epochs, label, schedule } = run;
  const { batch, batchesPerEpoch, lr } = schedule;
  const { seed } = settings;
  const loader = new data.DataLoader(
    features.dataset(series, trainingWindows(series, rows), rows),
    { batchSize: batch, shuffle: true, seed, dropLast: true, batchesPerEpoch },
  );
  const validation = run.validate ? validationLoader(features, series, rows) : undefined;
  nn.manualSeed(seed);
  const model = new Forecaster(name, features.settings);
  const optimizer = new optim.AdamW({ lr, weightDecay: 0.01 });
  const total = epochs * batchesPerEpoch;
  const storage = new FolderStorage(run.folder);
  const bar = ui.progress(label, total);
  let latest: EpochRecord | undefined;
  const trainer = new Trainer(model, {
    loss: (net, { sequence, context, target, weight }) =>
      nn.mseLoss(net.forward(sequence, context), target, { sampleWeight: weight }),
    optimizer,
    schedule: new optim.OneCycleLR(optimizer, { maxLr: lr, pctStart: 0.2, totalSteps: total + 1 }),
    clipNorm: 1,
    seed,
    storage,
    callbacks: [
      {
        onStep: ({ step, loss, epoch }) =>
          bar.update(step, {
            epoch: `${epoch + 1}/${epochs}`,
            loss: loss.toFixed(4),
            ...(run.validate && { validation: error(latest, features, series.unit) }),
          }),
        onEpoch: (record) => {
          latest = record;
        },
      },
    ],
  });
  const resumed = run.resume && (await trainer.resume());
  latest = trainer.history.at(-1);
  if (resumed) ui.notice(`${label}: continues after step ${trainer.steps} of ${total}.`);
  try {
    const fit = await trainer.fit(loader, { epochs, validation, signal: ui.signal });
    if (fit.outcome === "interrupted") {
      bar.stop(`interrupted after step ${trainer.steps} of ${total}; continue with --resume`);
      return { model, features, fit };
    }
    if (run.validate) await trainer.loadBest();
    // Nothing chose among these epochs: the last is the one to keep.
    else await storage.write(BEST, weights.writeSafetensors(model.stateDict()));
    const best = fit.history.find(({ epoch }) => epoch === fit.bestEpoch);
    bar.stop(
      run.validate
        ? `best epoch ${(fit.bestEpoch ?? 0) + 1} of ${epochs}, validation RMSE ${error(best, features, series.unit)}`
        : `${epochs} epochs`,
    );
    return { model, features, fit };
  } catch (failure) {
    bar.stop("failed");
    throw failure;
  } finally {
    trainer.release();
  }
}

/** Windows within the first rows of a series. */
function trainingWindows(series: TrafficSeries, rows: number): Int32Array {
  const validationRows = series.protocol.trainRows - rows;
  const part = { ...series, protocol: { ...series.protocol, validationRows } };
  return seriesWindows(part, "train", stepsOutOf(series));
}

function validationLoader(features: Features, series: TrafficSeries, rows: number) {
  const starts = seriesWindows(series, "validation", stepsOutOf(series));
  return new data.DataLoader(features.dataset(series, starts, rows), { batchSize: 2048 });
}

/** Validation RMSE in the series' unit, or in units of the columns' spread where they have their own. */
function error(record: EpochRecord | undefined, features: Features, unit: string): string {
  if (!record?.validation) return "-";
  const rmse = Math.sqrt(record.validation.loss);
  return features.settings.scale.length > 1
    ? `${rmse.toFixed(3)} spreads`
    : `${(rmse * features.scaleOf(0)).toFixed(3)} ${unit}`;
}

/** Mean squared training error of every epoch, in units of the spread. */
export const lossesOf = ({ selection }: Trained): number[] =>
  selection.fit.history.map(({ loss }) => loss);
