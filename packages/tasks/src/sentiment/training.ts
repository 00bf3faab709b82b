import { data, type EpochRecord, type FitResult, nn, optim, Trainer } from "tensorlane";
import { FolderStorage } from "tensorlane/node";
import type { TaskUi, TrainSettings } from "../task.ts";
import { judge, withoutPacks } from "./judging.ts";
import { isTreeModel, type Recipe, type SentimentNetwork } from "./networks.ts";
import { scoresOf } from "./scores.ts";
import { SentenceDataset } from "./sentences.ts";
import { rootOnly, type Treebank } from "./treebank.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface TrainingRun {
  readonly network: SentimentNetwork;
  readonly bank: Treebank;
  readonly vocabulary: Vocabulary;
  readonly recipe: Recipe;
  readonly settings: TrainSettings;
  /** Whether the labels of phrases are learnt from. */
  readonly phrases: boolean;
  /** Where checkpoints go. */
  readonly folder: string;
  readonly resume: boolean;
}

/**
 * Each of the tensor network's outputs sums (2d)² products: at the others' rate a few steps saturate it, and it
 * learns words only.
 */
const tensorGroup = { match: (name: string) => name.endsWith(".tensor"), lrScale: 0.02 };

export interface Trained {
  readonly fit: FitResult;
  readonly seconds: number;
}

/** Updates between two checkpoints within an epoch. */
const SAVE_EVERY = 200;

/** Batches of trees (one pack each), or of sequences. */
function loaderOf({ network, bank, vocabulary, recipe, settings, phrases }: TrainingRun) {
  const { seed } = settings;
  const { token } = vocabulary;
  const { batch, epochs } = recipe;
  if (!isTreeModel(network.spec.model)) {
    const sentences = new SentenceDataset({ trees: bank.train, token, ...(phrases && { seed }) });
    return new data.DataLoader(sentences, {
      batchSize: Math.min(batch, bank.train.length),
      shuffle: true,
      seed,
      dropLast: true,
    });
  }
  const trees = phrases ? bank.train : bank.train.map(rootOnly);
  const packs = new data.TreePacks({ trees, token, batchSize: batch, passes: epochs, seed });
  return new data.DataLoader(packs, { batchSize: 1 });
}

/** Trains on the training part; the epoch that judges most development sentences rightly is kept. */
export async function trainNetwork(run: TrainingRun, ui: TaskUi): Promise<Trained> {
  const { network, bank, vocabulary, recipe, settings } = run;
  const { epochs, lr, weightDecay } = recipe;
  const loader = loaderOf(run);
  const total = epochs * loader.length;
  const bar = ui.progress(settings.models[0], total);
  const judgeDev = await judge(network, bank.dev, vocabulary.token);
  // The rise takes a tenth of the training, and at least a step.
  const pctStart = Math.max(0.1, 2 / (total + 1));
  const optimizer = new optim.AdamW({ lr, weightDecay, groups: [tensorGroup] });
  let latest: EpochRecord | undefined;
  const trainer = new Trainer(network, {
    loss: (net, fields) => {
      if (!isTreeModel(net.spec.model)) return nn.crossEntropy(net.forward(fields), fields.label);
      const pack = withoutPacks(fields);
      return nn.crossEntropy(net.forward(pack), pack.label, { sampleWeight: pack.counted });
    },
    optimizer,
    schedule: new optim.OneCycleLR(optimizer, { maxLr: lr, pctStart, totalSteps: total + 1 }),
    clipNorm: 5,
    seed: settings.seed,
    monitor: "accuracy",
    mode: "max",
    storage: new FolderStorage(run.folder),
    saveEverySteps: SAVE_EVERY,
    callbacks: [
      {
        onNotice: (text) => ui.notice(text),
        onStep: ({ step, loss, epoch }) =>
          bar.update(step, {
            epoch: `${epoch + 1}/${epochs}`,
            loss: loss.toFixed(4),
            dev: accuracyText(latest),
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
    const validation = async () => {
      const { accuracy, binary, loss } = scoresOf(bank.dev, await judgeDev());
      return { accuracy, binary: binary ?? 0, loss };
    };
    const fit = await trainer.fit(loader, { epochs, validation, signal: ui.signal });
    if (fit.outcome === "interrupted") {
      bar.stop(`interrupted after step ${trainer.steps} of ${total}; continue with --resume`);
    } else {
      await trainer.loadBest();
      const best = fit.history.find(({ epoch }) => epoch === fit.bestEpoch);
      bar.stop(
        `best epoch ${(fit.bestEpoch ?? 0) + 1} of ${epochs}, ${accuracyText(best)} of the development ` +
          "sentences right",
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

const accuracyText = (record: EpochRecord | undefined): string =>
  record?.validation ? `${(100 * record.validation.accuracy).toFixed(1)} %` : "-";

/** Mean training loss of every epoch. */
export const lossesOf = ({ fit }: Trained): number[] => fit.history.map(({ loss }) => loss);
