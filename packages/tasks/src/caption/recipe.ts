import type { TrainSettings } from "../task.ts";
import type { ModelName } from "./network.ts";

/** A captioner's sizes, and how it is trained. */
export interface Recipe {
  readonly embedding: number;
  readonly hidden: number;
  readonly dropout: number;
  readonly epochs: number;
  /** Pictures of a step, each with all its captions. */
  readonly batch: number;
  readonly lr: number;
  readonly weightDecay: number;
  /** Words of a caption at most. */
  readonly maxLength: number;
}

const common = {
  ...{ embedding: 128, hidden: 256, dropout: 0.5 },
  ...{ epochs: 40, batch: 16, lr: 0.002, weightDecay: 0.05, maxLength: 20 },
};

const recipes: Readonly<Record<ModelName, Recipe>> = { "show-tell": common, "show-attend": common };

/** The recipe of a model, with what was asked for in its place. */
export function recipeFor(
  { models: [model], epochs, batch, lr, quick }: Omit<TrainSettings, "extra">,
  given: Partial<Pick<Recipe, "hidden" | "embedding" | "dropout">>,
  pictures: number,
): Recipe {
  const usual = recipes[model as ModelName];
  return {
    ...usual,
    hidden: given.hidden ?? usual.hidden,
    embedding: given.embedding ?? usual.embedding,
    dropout: given.dropout ?? usual.dropout,
    epochs: epochs ?? (quick ? 3 : usual.epochs),
    // At least two steps an epoch, so that a handful of pictures trains too.
    batch: batch ?? Math.max(1, Math.min(usual.batch, Math.floor(pictures / 2))),
    lr: lr ?? usual.lr,
  };
}

/** Hypotheses that a search for a caption follows, unless told otherwise. */
export const BEAM = 3;
