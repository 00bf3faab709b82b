import { type FitResult, nn, optim, Trainer } from "tensorlane";
import { FolderStorage } from "tensorlane/node";
import { parameterCount } from "../fitting.ts";
import { CarriedModel, compileScore, LanguageModel, windowLoader } from "../language/index.ts";
import type { TaskUi } from "../task.ts";
import type { Text } from "./corpus.ts";
import type { Recipe } from "./recipe.ts";

/** A trained model and how it got there. */
export interface Trained {
  readonly model: LanguageModel;
  readonly fit: FitResult;
  readonly parameters: number;
}

export interface TrainingRun {
  readonly text: Text;
  readonly recipe: Recipe;
  readonly seed: number;
  /** Where checkpoints go. */
  readonly folder: string;
  readonly resume: boolean;
}

/** Updates between two saves: what a killed training loses at most. */
const SAVE_EVERY = 200;

/**
 * Trains on the training part; the validation part chooses the epoch, the test part is never looked at. The fit tells
 * where the signal interrupted it.
 */
export async function trainModel(
  { text, recipe, seed, folder, resume }: TrainingRun,
  ui: TaskUi,
): Promise<Trained> {
  const { ids, split } = text;
  const { rows, steps, epochs, lr } = recipe;
  const part = ids.subarray(split.train.start, split.train.end);
  const loader = windowLoader({ ids: part, rows, steps, seed });
  nn.manualSeed(seed);
  const model = new LanguageModel(recipe.model);
  const carried = new CarriedModel(model, rows);
  const score = await compileScore(model);
  const { start, end } = split.validation;
  const total = epochs * loader.length;
  const bar = ui.progress(recipe.model.kind, total);
  const optimizer = new optim.AdamW({ lr, weightDecay: 0.01, betas: [0.9, 0.99] });
  const trainer: Trainer<CarriedModel> = new Trainer(carried, {
    loss: (net, { tokens, targets, keep }) => net.forward(tokens!, targets!, keep!),
    optimizer,
    schedule: new optim.OneCycleLR(optimizer, {
      maxLr: lr,
      pctStart: 0.1,
      divFactor: 10,
      totalSteps: total + 1,
    }),
    clipNorm: 1,
    seed,
    storage: new FolderStorage(folder),
    saveEverySteps: SAVE_EVERY,
    callbacks: [
      {
        onStep: ({ step, loss, epoch }) =>
          bar.update(step, {
            epoch: `${epoch + 1}/${epochs}`,
            loss: loss.toFixed(3),
            validation: trainer.history.at(-1)?.validation?.loss?.toFixed(3),
          }),
      },
    ],
  });
  if (resume && (await trainer.resume())) {
    ui.notice(`Continues after step ${trainer.steps} of ${total}.`);
  }
  const parameters = parameterCount(model);
  try {
    const fit = await trainer.fit(loader, {
      epochs,
      validation: async () => ({ loss: await score(ids, start, end) }),
      signal: ui.signal,
    });
    if (fit.outcome === "interrupted") {
      bar.stop(`interrupted after step ${trainer.steps} of ${total}; continue with --resume`);
      return { model, fit, parameters };
    }
    await trainer.loadBest();
    const best = fit.history.find(({ epoch }) => epoch === fit.bestEpoch);
    bar.stop(
      `best epoch ${(fit.bestEpoch ?? 0) + 1} of ${epochs}, validation ${best?.validation?.loss?.toFixed(4)}`,
    );
    return { model, fit, parameters };
  } catch (failure) {
    bar.stop("failed");
    throw failure;
  } finally {
    trainer.release();
  }
}
