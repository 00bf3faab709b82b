import { data, optim } from "tensorlane";
import { type Fitted, fitModel } from "../fitting.ts";
import type { TaskUi } from "../task.ts";
import { PairDataset } from "./dataset.ts";
import type { PairSet } from "./pairs.ts";
import { scoresOf } from "./scores.ts";
import type { Recipe, Translator } from "./translator.ts";
import { writer } from "./writing.ts";

export interface TrainingRun {
  readonly network: Translator;
  readonly set: PairSet;
  readonly recipe: Recipe;
  readonly seed: number;
  /** Where checkpoints go. */
  readonly folder: string;
  readonly resume: boolean;
}

/** Trains on the training part; the epoch that writes most validation texts rightly is kept. */
export async function trainNetwork(run: TrainingRun, ui: TaskUi): Promise<Fitted> {
  const { network, set, recipe, seed, folder, resume } = run;
  const { epochs, batch, lr, teacherForcing } = recipe;
  const pairs = new PairDataset(set.train, network.tokens, network.spec, {
    epochs,
    last: teacherForcing,
  });
  const loader = new data.DataLoader(pairs, {
    batchSize: Math.min(batch, pairs.length),
    shuffle: true,
    seed,
    dropLast: true,
  });
  const write = await writer(network, set.validation);
  const validation = async () => {
    const texts = (await write()).map(({ text }) => text);
    const { exact, errorRate } = scoresOf(set.validation, texts);
    return { exact, errorRate };
  };
  return fitModel(
    {
      label: network.spec.model,
      model: network,
      loss: (net, fields) => net.lossOf(fields),
      optimizer: new optim.AdamW({ lr, weightDecay: 0.01 }),
      clipNorm: 1,
      loader,
      epochs,
      seed,
      validation,
      monitor: "errorRate",
      describe: ({ exact }) => `${(100 * exact).toFixed(1)} % right`,
      folder,
      resume,
      saveEverySteps: 200,
    },
    ui,
  );
}
