import { UserError } from "../errors.ts";
import type { LanguageModelOptions, RecurrentKind, Unit } from "../language/index.ts";
import type { Extra, TrainSettings } from "../task.ts";

/** The task's own options of `train`. */
export interface GenerateExtra {
  readonly unit?: Unit;
  readonly vocabulary?: number;
  readonly hidden?: number;
  readonly layers?: number;
  readonly embedding?: number;
  readonly tied?: boolean;
  readonly dropout?: number;
  readonly eachStep?: boolean;
  readonly weightDropout?: number;
  readonly steps?: number;
}

export const extraOf = (extra: Extra): GenerateExtra => extra as GenerateExtra;

/** How a model is built and trained. */
export interface Recipe {
  readonly model: LanguageModelOptions;
  /** Streams side by side, and steps of a window. */
  readonly rows: number;
  readonly steps: number;
  readonly epochs: number;
  readonly lr: number;
}

/** Updates of a full training. */
const UPDATES = 8400;

/** A recipe that fits the length of the text; what the user gave has precedence. */
export function recipeFor(
  kind: RecurrentKind,
  vocabulary: number,
  length: number,
  { epochs, batch, lr, quick, extra }: TrainSettings,
): Recipe {
  const given = extraOf(extra);
  if (given.tied && given.embedding === 0) {
    throw new UserError(
      "--tied makes the output weights the embedding's, and --embedding 0 is none: leave one out.",
    );
  }
  if (given.vocabulary !== undefined && given.unit !== "word") {
    throw new UserError("--vocabulary limits words: add --unit word. Characters are all kept.");
  }
  const steps = given.steps ?? Math.max(1, Math.min(64, Math.floor((length - 1) / 4)));
  // At least 32 windows in each stream: a short text needs updates more than it needs exact gradients.
  const rows = batch ?? Math.max(1, Math.min(32, Math.floor((length - 1) / (32 * steps))));
  const windows = Math.max(1, Math.floor((length - 1) / (rows * steps)));
  const full = Math.max(1, Math.min(60, Math.round(UPDATES / windows)));
  const usual = length >= 300_000 ? 512 : length >= 50_000 ? 256 : 128;
  const embedding = given.embedding ?? (given.tied || given.unit === "word" ? 256 : 0);
  return {
    model: {
      kind,
      tokens: vocabulary,
      hidden: given.hidden ?? (quick ? usual / 2 : usual),
      layers: given.layers ?? 1,
      embedding,
      tied: given.tied ?? (embedding > 0 && given.unit === "word"),
      dropout: given.dropout ?? 0.4,
      variational: !given.eachStep,
      weightDropout: given.weightDropout ?? 0.3,
    },
    rows,
    steps,
    epochs: epochs ?? (quick ? Math.ceil(full / 6) : full),
    lr: lr ?? 5e-3,
  };
}
