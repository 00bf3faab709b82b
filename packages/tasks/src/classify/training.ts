import { data, nn } from "tensorlane";
import { type Fitted, fitModel } from "../fitting.ts";
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

/** Updates between two checkpoints within an epoch. */
const SAVE_EVERY = 500;

/**
 * Trains on the training part, varied anew in every epoch; the epoch with the least validation error is kept. The
 * test part is never looked at.
 */
export async function trainClassifier(run: TrainingRun, ui: TaskUi): Promise<Fitted> {
  const { set, network, preprocessing, schedule, settings, pool, fineTuning } = run;
  const { epochs, batch } = schedule;
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
  return fitModel(
    {
      label: settings.models[0]!,
      model: network,
      ...{ loader, epochs, validation, seed },
      loss: (net, fields) => {
        fineTuning?.holdStill(net);
        return classificationLoss(net, fields, schedule.labelSmoothing);
      },
      optimizer: makeOptimizer(schedule),
      cycle: { pctStart: 0.25 },
      ...(schedule.clipNorm !== undefined && { clipNorm: schedule.clipNorm }),
      monitor: "error",
      describe: ({ error }) => `${(100 * error!).toFixed(2)} %`,
      wording: { value: "validation", best: (text) => `validation error ${text}` },
      ...{ folder: run.folder, resume: run.resume, saveEverySteps: SAVE_EVERY },
    },
    ui,
  );
}

/** Fixes the weights that a network starts with. */
export const seedWeights = (seed: number): void => nn.manualSeed(seed);
