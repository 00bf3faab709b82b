import { data, type EpochRecord, type FitResult, nn, optim, Trainer } from "tensorlane";
import { FolderStorage } from "tensorlane/node";
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
    epochs: epochs ?? (large ? (quick ? 3 : 4) : quick ? 10 : 40),
    batch: size,
    // A large set is seen in parts, so that the epoch can be chosen finely.
    batchesPerEpoch: Math.min(pass, large && quick ? 48 : 80),
    lr: lr ?? 3e-3,
  };
}

/** A trained model with what belongs to it. */
export interface Trained {
  readonly name: ModelName;
  readonly model: Forecaster;
  /** Fitted on the training part without the validation part. */
  readonly features: Features;
  readonly fit: FitResult;
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

/** Trains one model; the epoch is chosen on the validation part, the test part is never looked at. */
export async function trainForecaster(run: TrainingRun, ui: TaskUi): Promise<Trained> {
  const { name, series, settings, folder, resume } = run;
  const cut = fittedRows(series);
  const features = fitFeatures(series, name);
  const windows = (part: "train" | "validation") =>
    features.dataset(series, seriesWindows(series, part, stepsOutOf(series)), cut);
  const train = windows("train");
  const schedule = scheduleFor(train.length, settings);
  const { batch, batchesPerEpoch, epochs, lr } = schedule;
  const loader = new data.DataLoader(train, {
    batchSize: batch,
    shuffle: true,
    seed: settings.seed,
    dropLast: true,
    batchesPerEpoch,
  });
  const validation = new data.DataLoader(windows("validation"), { batchSize: 2048 });

  nn.manualSeed(settings.seed);
  const model = new Forecaster(name, features.settings);
  const optimizer = new optim.AdamW({ lr, weightDecay: 0.01 });
  const totalSteps = epochs * batchesPerEpoch;
  const bar = ui.progress(name, totalSteps);
  let latest: EpochRecord | undefined;
  const trainer = new Trainer(model, {
    loss: (net, { sequence, context, target, weight }) =>
      nn.mseLoss(net.forward(sequence, context), target, { sampleWeight: weight }),
    optimizer,
    schedule: new optim.OneCycleLR(optimizer, {
      maxLr: lr,
      pctStart: 0.2,
      totalSteps: totalSteps + 1,
    }),
    clipNorm: 1,
    seed: settings.seed,
    storage: new FolderStorage(folder),
    callbacks: [
      {
        onStep: ({ step, loss, epoch }) =>
          bar.update(step, {
            epoch: `${epoch + 1}/${epochs}`,
            loss: loss.toFixed(4),
            validation: latest?.validation ? error(latest, features, series.unit) : "-",
          }),
        onEpoch: (record) => {
          latest = record;
        },
      },
    ],
  });
  const resumed = resume && (await trainer.resume());
  latest = trainer.history.at(-1);
  if (resumed) ui.notice(`${name}: continues after step ${trainer.steps} of ${totalSteps}.`);
  else if (resume) ui.notice(`${name}: no checkpoint in ${folder}, so training starts at step 0.`);
  const began = performance.now();
  try {
    const fit = await trainer.fit(loader, { epochs, validation, signal: ui.signal });
    const seconds = (performance.now() - began) / 1000;
    if (fit.outcome !== "interrupted") await trainer.loadBest();
    const best = fit.history.find(({ epoch }) => epoch === fit.bestEpoch);
    bar.stop(
      best && fit.outcome !== "interrupted"
        ? `best epoch ${best.epoch + 1} of ${epochs}: validation RMSE ${error(best, features, series.unit)}`
        : `interrupted after step ${trainer.steps}; continue with --resume`,
    );
    const parameters = model.parameters().reduce((sum, { data: { length } }) => sum + length, 0);
    return { name, model, features, fit, schedule, parameters, seconds };
  } catch (failure) {
    bar.stop("failed");
    throw failure;
  } finally {
    trainer.release();
  }
}

/** Validation RMSE in the series' unit, or in units of the columns' spread where they have their own. */
function error({ validation }: EpochRecord, features: Features, unit: string): string {
  const rmse = Math.sqrt(validation?.loss ?? Number.NaN);
  return features.settings.scale.length > 1
    ? `${rmse.toFixed(3)} spreads`
    : `${(rmse * features.scaleOf(0)).toFixed(3)} ${unit}`;
}

/** Mean squared training error of every epoch, in units of the spread. */
export const lossesOf = ({ fit }: Trained): number[] => fit.history.map(({ loss }) => loss);
