import { data, type EpochRecord, type FitResult, nn, optim, Trainer } from "tensorlane";
import { FolderStorage } from "tensorlane/node";
import type { TaskUi, TrainSettings } from "../task.ts";
import type { ImageSet } from "./data/set.ts";
import type { FineTuning } from "./fineTuning.ts";
import type { Preprocessing } from "./images/augment.ts";
import { ImageDataset } from "./images/dataset.ts";
import type { ImagePool } from "./images/pool.ts";
import { type Classifier, classificationLoss } from "./network.ts";
import { augmentationFor, makeOptimizer, type Schedule } from "./recipes.ts";

/** What a training needs. */
export interface TrainingRun {
  readonly set: ImageSet;
  readonly network: Classifier;
  readonly preprocessing: Preprocessing;
  readonly schedule: Schedule;
  readonly settings: TrainSettings;
  readonly fineTuning: FineTuning | undefined;
  readonly pool: ImagePool;
  /** Where checkpoints go. */
  readonly folder: string;
  readonly resume: boolean;
}

/** A trained network, and how it went. */
export interface Trained {
  readonly fit: FitResult;
  /** Time that the training took. */
  readonly seconds: number;
}

/** Updates between two checkpoints within an epoch. */
const SAVE_EVERY = 500;

/**
 * Trains on the training part, varied anew in every epoch; the epoch with the least validation error is kept. The
 * test part is never looked at.
 */
export async function trainClassifier(run: TrainingRun, ui: TaskUi): Promise<Trained> {
  const { set, network, preprocessing, schedule, settings, pool, fineTuning } = run;
  const { epochs, batch, lr } = schedule;
  const { seed } = settings;
  const common = { set, preprocessing, pool };
  const augmentation = augmentationFor(set.id);
  const loader = new data.DataLoader(
    new ImageDataset({ ...common, indices: set.train, augmentation, seed }),
    // Batch norm takes its statistics from whole batches only.
    { batchSize: batch, shuffle: true, seed, dropLast: true },
  );
  const validation = new data.DataLoader(new ImageDataset({ ...common, indices: set.validation }), {
    batchSize: Math.min(256, Math.max(batch, 64), set.validation.length),
  });
  const optimizer = makeOptimizer(schedule);
  const total = epochs * loader.length;
  const bar = ui.progress(settings.models[0]!, total);
  let latest: EpochRecord | undefined;
  const trainer = new Trainer(network, {
    loss: (net, fields) => {
      fineTuning?.holdStill(net);
      return classificationLoss(net, fields, schedule.labelSmoothing);
    },
    optimizer,
    schedule: new optim.OneCycleLR(optimizer, { maxLr: lr, pctStart: 0.25, totalSteps: total + 1 }),
    ...(schedule.clipNorm !== undefined && { clipNorm: schedule.clipNorm }),
    seed,
    monitor: "error",
    storage: new FolderStorage(run.folder),
    saveEverySteps: SAVE_EVERY,
    callbacks: [
      {
        onNotice: (text) => ui.notice(text),
        onStep: ({ step, loss, epoch }) =>
          bar.update(step, {
            epoch: `${epoch + 1}/${epochs}`,
            loss: loss.toFixed(4),
            validation: errorText(latest),
          }),
        onEpoch: (record) => {
          latest = record;
        },
      },
    ],
  });
  const resumed = run.resume && (await trainer.resume());
  latest = trainer.history.at(-1);
  if (resumed) ui.notice(`continues after step ${trainer.steps} of ${total}.`);
  const began = performance.now();
  try {
    const fit = await trainer.fit(loader, { epochs, validation, signal: ui.signal });
    if (fit.outcome === "interrupted") {
      bar.stop(`interrupted after step ${trainer.steps} of ${total}; continue with --resume`);
    } else {
      await trainer.loadBest();
      const best = fit.history.find(({ epoch }) => epoch === fit.bestEpoch);
      bar.stop(
        `best epoch ${(fit.bestEpoch ?? 0) + 1} of ${epochs}, validation error ${errorText(best)}`,
      );
    }
    return { fit, seconds: (performance.now() - began) / 1000 };
  } catch (failure) {
    bar.stop("failed");
    throw failure;
  } finally {
    trainer.release();
  }
}

const errorText = (record: EpochRecord | undefined): string =>
  record?.validation ? `${(100 * record.validation.error!).toFixed(2)} %` : "-";

/** Fixes the weights that a network starts with. */
export const seedWeights = (seed: number): void => nn.manualSeed(seed);

/** Mean training loss of every epoch. */
export const lossesOf = ({ fit }: Trained): number[] => fit.history.map(({ loss }) => loss);
