import { type Batch, compile, data, ops, optim, type Tensor } from "tensorlane";
import type { FineTuning } from "../classify/fineTuning.ts";
import type { Preprocessing } from "../classify/images/augment.ts";
import type { ImagePool } from "../classify/images/pool.ts";
import { type Fitted, fitModel } from "../fitting.ts";
import { tokenLoss } from "../language/index.ts";
import type { TaskUi } from "../task.ts";
import type { CaptionSet } from "./captions.ts";
import { CaptionDataset, IGNORED } from "./dataset.ts";
import type { Captioner } from "./network.ts";
import type { Recipe } from "./recipe.ts";
import type { CaptionWords } from "./words.ts";

export interface TrainingRun {
  readonly network: Captioner;
  readonly set: CaptionSet;
  readonly words: CaptionWords;
  readonly preprocessing: Preprocessing;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly fineTuning: FineTuning | undefined;
  readonly pool: ImagePool;
  /** Where checkpoints go. */
  readonly folder: string;
  readonly resume: boolean;
}

/** Updates between two checkpoints within an epoch. */
const SAVE_EVERY = 100;

/** Captions of a picture that are learnt from. */
const CAPTIONS = 5;

/** Weight of the rule that every place gets its share of attention. */
const COVERAGE = 0.02;

type Fields = Readonly<Record<string, Tensor>>;

/**
 * Mean cross entropy of a caption's words and its end; while training with (Xu et al. 2015, equation 14, taken
 * relative to even attention) the mean of (P / T Σ_t α_ti - 1)² over the places i.
 */
function captionLoss(network: Captioner, { image, tokens, targets }: Fields) {
  const [n, k, steps] = targets.shape as readonly number[];
  const next = ops.reshape(targets, [n * k, steps]);
  const { logits, weights } = network.forward(image, tokens);
  const nats = tokenLoss(logits, next);
  if (!weights) return { loss: nats, metrics: { nats } };
  const counted = ops.cast(ops.notEqual(next, IGNORED), "float32");
  const along = ops.unsqueeze(ops.transpose(counted, 0, 1), 2);
  const total = ops.sum(ops.mul(weights, along), { dim: 0 });
  const lengths = ops.add(ops.sum(counted, { dim: 1, keepdim: true }), 1e-6);
  const places = weights.shape.at(-1) as number;
  const relative = ops.sub(ops.div(ops.mul(total, places), lengths), 1);
  const coverage = ops.mean(ops.mul(relative, relative));
  return { loss: ops.add(nats, ops.mul(coverage, COVERAGE)), metrics: { nats } };
}

/** Measures the mean nats of a token over the captions of a part, by the weights that the network then has. */
export async function compileNats(
  network: Captioner,
  dataset: CaptionDataset,
): Promise<() => Promise<number>> {
  const size = Math.min(16, dataset.length);
  network.eval();
  const run = await compile(dataset.fields, size, ({ image, tokens, targets }) => {
    const { logits } = network.forward(image, tokens);
    const [n, k, steps] = targets.shape as readonly number[];
    return { sum: tokenLoss(logits, ops.reshape(targets, [n * k, steps]), "sum") };
  });
  const batch: Batch = data.allocateBatch(dataset.fields, size);
  const targets = batch.targets.data as Int32Array;
  return async () => {
    let [sum, count] = [0, 0];
    for (let from = 0; from < dataset.length; from += size) {
      const rows = Array.from(
        { length: Math.min(size, dataset.length - from) },
        (_, i) => from + i,
      );
      targets.fill(IGNORED);
      await dataset.fill(batch, rows);
      count += targets.reduce((n, id) => n + Number(id !== IGNORED), 0);
      sum += Number((await run(batch)).sum.data[0]);
    }
    return sum / count;
  };
}

/** The captions of a part of a set. */
export function captionsOf(
  run: Pick<TrainingRun, "set" | "words" | "preprocessing" | "pool"> & { maxLength: number },
  indices: Int32Array,
  seed?: number,
): CaptionDataset {
  const { set, ...rest } = run;
  return new CaptionDataset({ ...rest, pictures: set.pictures, indices, captions: CAPTIONS, seed });
}

/** Trains on the training part; the epoch with the least validation loss is kept. */
export async function trainCaptioner(run: TrainingRun, ui: TaskUi): Promise<Fitted> {
  const { network, set, recipe, seed, fineTuning, folder, resume } = run;
  const { epochs, lr, batch, weightDecay, maxLength } = recipe;
  const loader = new data.DataLoader(captionsOf({ ...run, maxLength }, set.train, seed), {
    batchSize: Math.min(batch, set.train.length),
    ...{ shuffle: true, seed, dropLast: true },
  });
  const measure = await compileNats(network, captionsOf({ ...run, maxLength }, set.validation));
  return fitModel(
    {
      ...{ label: network.spec.model, model: network, loader, epochs, seed, folder, resume },
      loss: (net, fields) => {
        fineTuning?.holdStill(net);
        return captionLoss(net, fields);
      },
      optimizer: new optim.AdamW({ lr, weightDecay }),
      ...{ clipNorm: 5, monitor: "nats", saveEverySteps: SAVE_EVERY },
      validation: async () => ({ nats: await measure() }),
      describe: ({ nats }) => `${nats.toFixed(4)} nats a word`,
    },
    ui,
  );
}
