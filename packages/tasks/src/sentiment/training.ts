import { data, nn, optim } from "tensorlane";
import { type Fitted, fitModel } from "../fitting.ts";
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
export async function trainNetwork(run: TrainingRun, ui: TaskUi): Promise<Fitted> {
  const { network, bank, vocabulary, recipe, settings } = run;
  const { epochs, lr, weightDecay } = recipe;
  const judgeDev = await judge(network, bank.dev, vocabulary.token);
  return fitModel(
    {
      label: settings.models[0],
      model: network,
      ...{ loader: loaderOf(run), epochs, seed: settings.seed },
      loss: (net, fields) => {
        if (!isTreeModel(net.spec.model)) return nn.crossEntropy(net.forward(fields), fields.label);
        const pack = withoutPacks(fields);
        return nn.crossEntropy(net.forward(pack), pack.label, { sampleWeight: pack.counted });
      },
      optimizer: new optim.AdamW({ lr, weightDecay, groups: [tensorGroup] }),
      clipNorm: 5,
      validation: async () => {
        const { accuracy, binary, loss } = scoresOf(bank.dev, await judgeDev());
        return { accuracy, binary: binary ?? 0, loss };
      },
      ...{ monitor: "accuracy", mode: "max" },
      describe: ({ accuracy }) => `${(100 * accuracy).toFixed(1)} %`,
      wording: { value: "dev", best: (text) => `${text} of the development sentences right` },
      ...{ folder: run.folder, resume: run.resume, saveEverySteps: SAVE_EVERY },
    },
    ui,
  );
}
