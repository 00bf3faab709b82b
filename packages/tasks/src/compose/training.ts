import { type data, type FitResult, nn, optim, type Tensor } from "tensorlane";
import { type Fitting, fitModel, parameterCount } from "../fitting.ts";
import { CarriedModel, compileScore, LanguageModel, windowLoader } from "../language/index.ts";
import type { TaskUi } from "../task.ts";
import type { TuneCorpus } from "./abc/corpus.ts";
import type { Recipe } from "./recipe.ts";
import { CarriedRollModel, RollModel, startFromFrequencies } from "./roll/model.ts";
import { KEYS, type RollCorpus } from "./roll/rolls.ts";
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

/** Trains on the training tunes; the validation tunes choose the epoch. The fit tells where it was interrupted. */
export async function trainTunes(
  run: TrainingRun,
  { vocabulary, train, validation }: TuneCorpus,
  ui: TaskUi,
): Promise<Trained<LanguageModel>> {
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

/** Trains on the training rolls; the validation rolls choose the epoch. The fit tells where it was interrupted. */
export async function trainRolls(
  run: TrainingRun,
  { train, validation }: RollCorpus,
  ui: TaskUi,
): Promise<Trained<RollModel>> {
  const { rows, steps, memory } = run.recipe;
  nn.manualSeed(run.seed);
  const model = new RollModel({ ...run.recipe.model, memory });
  if (run.recipe.startFromFrequencies) startFromFrequencies(model, train);
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
): Promise<Trained<M>> {
  const fitted = await fitModel(
    {
      label: recipe.model.kind,
      model: net,
      loss,
      ...optimizations[recipe.optimizer](recipe.lr),
      loader,
      epochs: recipe.epochs,
      seed,
      validation: async () => ({ loss: await validate() }),
      describe: ({ loss: nats }) => nats!.toFixed(4),
      folder,
      resume,
      saveEverySteps: SAVE_EVERY,
    },
    ui,
  );
  const parameters = parameterCount(model);
  return { model, fit: fitted.fit, parameters };
}

/** How the weights are changed, by the recipe's name for it. */
const optimizations = {
  adamw: (lr: number) => ({
    optimizer: new optim.AdamW({ lr, weightDecay: 0.01, betas: [0.9, 0.99] }),
    cycle: { divFactor: 10 },
    clipNorm: 1,
  }),
  // The published gradients are those of the mean over the keys, clipped at 1; ours are of the sum.
  rmsprop: (lr: number) => ({
    optimizer: new optim.RMSprop({ lr, momentum: 0.9 }),
    cycle: { divFactor: 1, finalDivFactor: 1 },
    clipNorm: KEYS,
  }),
} satisfies Record<Recipe["optimizer"], (lr: number) => Partial<Fitting<nn.Module>>>;
