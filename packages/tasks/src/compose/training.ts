import { type data, type FitResult, nn, optim, type Tensor, Trainer } from "tensorlane";
import { FolderStorage } from "tensorlane/node";
import { CarriedModel, compileScore, LanguageModel, windowLoader } from "../language/index.ts";
import type { TaskUi } from "../task.ts";
import type { TuneCorpus } from "./abc/corpus.ts";
import type { Recipe } from "./recipe.ts";
import { CarriedRollModel, RollModel } from "./roll/model.ts";
import type { RollCorpus } from "./roll/rolls.ts";
import { compileRollScore } from "./roll/scoring.ts";
import { rollLoader } from "./roll/windows.ts";

/** A trained model and how it got there. */
export interface Trained<M> {
  readonly model: M;
  readonly fit: FitResult;
  readonly parameters: number;
}

export interface TrainingRun {
  readonly recipe: Recipe;
  readonly seed: number;
  /** Where checkpoints go. */
  readonly folder: string;
  readonly resume: boolean;
}

/** Updates between two saves: what a killed training loses at most. */
const SAVE_EVERY = 200;

/** Trains on the training tunes; the validation tunes choose the epoch. Undefined where interrupted. */
export async function trainTunes(
  run: TrainingRun,
  { vocabulary, train, validation }: TuneCorpus,
  ui: TaskUi,
): Promise<Trained<LanguageModel> | undefined> {
  const { rows, steps } = run.recipe;
  nn.manualSeed(run.seed);
  const model = new LanguageModel({ ...run.recipe.model, tokens: vocabulary.size });
  const score = await compileScore(model);
  const held = vocabulary.encode(validation);
  return fit(run, ui, {
    model,
    net: new CarriedModel(model, rows),
    loader: windowLoader({ ids: vocabulary.encode(train), rows, steps, seed: run.seed }),
    loss: (net, { tokens, targets, keep }) => net.forward(tokens!, targets!, keep!),
    validate: () => score(held, 1, held.length),
  });
}

/** Trains on the training rolls; the validation rolls choose the epoch. Undefined where interrupted. */
export async function trainRolls(
  run: TrainingRun,
  { train, validation }: RollCorpus,
  ui: TaskUi,
): Promise<Trained<RollModel> | undefined> {
  const { rows, steps } = run.recipe;
  nn.manualSeed(run.seed);
  const model = new RollModel(run.recipe.model);
  const score = await compileRollScore(model);
  return fit(run, ui, {
    model,
    net: new CarriedRollModel(model, rows),
    loader: rollLoader({ rolls: train, rows, steps, seed: run.seed }),
    loss: (net, { keys, targets, counts, keep }) => net.forward(keys!, targets!, counts!, keep!),
    validate: async () => (await score(validation)).perStep,
  });
}

interface Job<M extends nn.Module, N extends nn.Module> {
  readonly model: M;
  /** The model with its carried state. */
  readonly net: N;
  readonly loader: data.DataLoader;
  readonly loss: (net: N, batch: Readonly<Record<string, Tensor>>) => Tensor;
  readonly validate: () => Promise<number>;
}

async function fit<M extends nn.Module, N extends nn.Module>(
  { recipe, seed, folder, resume }: TrainingRun,
  ui: TaskUi,
  { model, net, loader, loss, validate }: Job<M, N>,
): Promise<Trained<M> | undefined> {
  const { epochs } = recipe;
  const total = epochs * loader.length;
  const bar = ui.progress(recipe.model.kind, total);
  const trainer: Trainer<N> = new Trainer(net, {
    loss,
    ...optimization(recipe, total),
    clipNorm: 1,
    seed,
    storage: new FolderStorage(folder),
    saveEverySteps: SAVE_EVERY,
    callbacks: [
      {
        onStep: ({ step, loss: last, epoch }) =>
          bar.update(step, {
            epoch: `${epoch + 1}/${epochs}`,
            loss: last.toFixed(3),
            validation: trainer.history.at(-1)?.validation?.loss?.toFixed(3),
          }),
      },
    ],
  });
  if (resume && (await trainer.resume())) {
    ui.notice(`Continues after step ${trainer.steps} of ${total}.`);
  }
  try {
    const validation = async () => ({ loss: await validate() });
    const result = await trainer.fit(loader, { epochs, validation, signal: ui.signal });
    if (result.outcome === "interrupted") {
      bar.stop(`interrupted after step ${trainer.steps} of ${total}; continue with --resume`);
      return undefined;
    }
    await trainer.loadBest();
    const best = result.history.find(({ epoch }) => epoch === result.bestEpoch);
    const reached = best?.validation?.loss?.toFixed(4);
    bar.stop(`best epoch ${(result.bestEpoch ?? 0) + 1} of ${epochs}, validation ${reached}`);
    const parameters = model.parameters().reduce((sum, p) => sum + p.data.length, 0);
    return { model, fit: result, parameters };
  } catch (failure) {
    bar.stop("failed");
    throw failure;
  } finally {
    trainer.release();
  }
}

/** Optimiser and schedule of a recipe. */
function optimization({ optimizer: name, lr }: Recipe, total: number) {
  if (name === "rmsprop") return { optimizer: new optim.RMSprop({ lr, alpha: 0.9 }) };
  const optimizer = new optim.AdamW({ lr, weightDecay: 0.01, betas: [0.9, 0.99] });
  const schedule = new optim.OneCycleLR(optimizer, {
    maxLr: lr,
    pctStart: 0.1,
    divFactor: 10,
    totalSteps: total + 1,
  });
  return { optimizer, schedule };
}
