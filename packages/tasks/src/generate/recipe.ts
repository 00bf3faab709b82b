import { UserError } from "../errors.ts";
import {
  type LanguageModelOptions,
  type RecurrentKind,
  type Softmax,
  streamsFor,
  type Unit,
  windowsIn,
} from "../language/index.ts";
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
  readonly softmax?: Softmax;
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

/** Updates of a full training. Words are learnt by heart sooner. */
const UPDATES = { character: 8400, word: 2100 } as const;

/** Fewer units leave none for rare words. */
const NARROW = 16;

/** Fewer words are no work for a full softmax. */
const FEW = 100;

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
  const { unit = "character", softmax = "full" } = given;
  if (softmax !== "full" && unit !== "word") {
    throw new UserError(
      `--softmax ${softmax} is for many words: add --unit word. Characters are few and take the full one.`,
    );
  }
  if (softmax === "adaptive" && given.tied) {
    throw new UserError(
      "--softmax adaptive has matrices of its own for rare words, which --tied cannot share: leave one out.",
    );
  }
  if (softmax === "adaptive" && given.hidden !== undefined && given.hidden < NARROW) {
    throw new UserError(
      `--softmax adaptive sees rare words through a sixteenth of the units: --hidden takes at least ${NARROW} units, received ${given.hidden}.`,
    );
  }
  if (softmax !== "full" && vocabulary < FEW) {
    throw new UserError(
      `--softmax ${softmax} is for many words, at least ${FEW}; the vocabulary has ${vocabulary}: leave it out.`,
    );
  }
  const most = { rows: 32, steps: 64 };
  const { rows, steps } = streamsFor(length, most, { rows: batch, steps: given.steps });
  const windows = windowsIn(length, { rows, steps });
  const full = Math.max(1, Math.min(60, Math.round(UPDATES[unit] / windows)));
  const usual = length >= 300_000 ? 512 : length >= 50_000 ? 256 : 128;
  const embedding = given.embedding ?? (given.tied || unit === "word" ? 256 : 0);
  return {
    model: {
      kind,
      tokens: vocabulary,
      hidden: given.hidden ?? (quick ? usual / 2 : usual),
      layers: given.layers ?? 1,
      embedding,
      tied: given.tied ?? (embedding > 0 && unit === "word" && softmax !== "adaptive"),
      dropout: given.dropout ?? 0.4,
      variational: !given.eachStep,
      weightDropout: given.weightDropout ?? 0.3,
      ...(softmax !== "full" && { softmax }),
    },
    rows,
    steps,
    epochs: epochs ?? (quick ? Math.ceil(full / 6) : full),
    lr: lr ?? 5e-3,
  };
}
