import { data, optim } from "tensorlane";
import { type Fitted, fitModel } from "../fitting.ts";
import type { TaskUi } from "../task.ts";
import { PairDataset } from "./dataset.ts";
import type { PairSet } from "./pairs.ts";
import { type Scores, scoresOf } from "./scores.ts";
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

/**
 * What the epoch is chosen by, least first: texts that are wrong; where as many are, a share below one of wrong letters
 * decides, so that epochs are told apart also where no text is right yet.
 */
export const wrongness = ({ pairs, exact, errorRate }: Scores): number =>
  Math.round((1 - exact) * pairs) + errorRate / (1 + errorRate);

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
    const scores = scoresOf(set.validation, texts);
    return { exact: scores.exact, wrongness: wrongness(scores) };
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
      monitor: "wrongness",
      describe: ({ exact }) => `${(100 * exact).toFixed(1)} % right`,
      folder,
      resume,
      saveEverySteps: 200,
    },
    ui,
  );
}
