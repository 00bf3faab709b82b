import { UserError } from "../errors.ts";
import {
  type LanguageModelOptions,
  type RecurrentKind,
  streamsFor,
  windowsIn,
} from "../language/index.ts";
import type { TrainSettings } from "../task.ts";

/** The task's own options of `train`. */
export interface ComposeExtra {
  readonly hidden?: number;
  readonly layers?: number;
  readonly dropout?: number;
  readonly steps?: number;
  readonly memory?: number;
  readonly published?: boolean;
}

/** Text of tunes, or piano rolls. */
export type Form = "abc" | "roll";

export const ROLLS = "nottingham-roll";

export const formOf = (data: string): Form => (data === ROLLS ? "roll" : "abc");

/** How a model is built and trained. */
export interface Recipe {
  readonly model: Omit<LanguageModelOptions, "tokens">;
  /** Pieces side by side, and steps of a window. */
  readonly rows: number;
  readonly steps: number;
  readonly epochs: number;
  readonly lr: number;
  /** AdamW with one rise and fall of the learning rate, or as published: RMSProp with momentum, a constant rate. */
  readonly optimizer: "adamw" | "rmsprop";
  /** Rolls: whether the output begins with how often each key sounds. */
  readonly startFromFrequencies: boolean;
  /** Rolls: steps of a piece that the model may recall. */
  readonly memory: number;
}

/** Units of the published models of rolls: about 23 to 28 thousand parameters each. */
const publishedUnits: Readonly<Record<RecurrentKind, number>> = { rnn: 100, gru: 46, lstm: 38 };

type Base = Omit<Recipe, "model"> &
  Pick<LanguageModelOptions, "hidden" | "dropout" | "weightDropout">;

const abc: Base = {
  ...{ hidden: 384, dropout: 0.5, weightDropout: 0.3 },
  ...{ epochs: 40, rows: 16, steps: 64, lr: 4e-3 },
  optimizer: "adamw",
  startFromFrequencies: false,
  memory: 0,
};

const roll: Base = {
  ...abc,
  ...{ hidden: 256, dropout: 0.3, epochs: 20 },
  startFromFrequencies: true,
  memory: 256,
};

/** One whole piece at a time: few are longer than the window, whose state is carried on then. */
const published = (kind: RecurrentKind): Base => ({
  ...{ hidden: publishedUnits[kind], dropout: 0, weightDropout: 0 },
  ...{ epochs: 100, rows: 1, steps: 256, lr: 1e-3 },
  optimizer: "rmsprop",
  startFromFrequencies: false,
  memory: 0,
});

/** The recipe for a kind of music; what the user gave has precedence. */
export function recipeFor(form: Form, kind: RecurrentKind, settings: TrainSettings): Recipe {
  const { epochs, batch, lr, quick, extra } = settings;
  const given = extra as ComposeExtra;
  const alone = (["memory", "published"] as const).find((name) => given[name] !== undefined);
  if (form === "abc" && alone) {
    throw new UserError(
      `--${alone} is for piano rolls, such as --data ${ROLLS}; tunes in ABC have none.`,
    );
  }
  const { hidden, dropout, weightDropout, ...base } = given.published
    ? published(kind)
    : { abc, roll }[form];
  return {
    ...base,
    model: {
      kind,
      hidden: given.hidden ?? (quick ? Math.ceil(hidden / 2) : hidden),
      layers: given.layers ?? 1,
      embedding: 0,
      tied: false,
      dropout: given.dropout ?? dropout,
      variational: true,
      weightDropout: given.dropout === 0 ? 0 : weightDropout,
    },
    memory: given.memory ?? base.memory,
    rows: batch ?? base.rows,
    steps: given.steps ?? base.steps,
    epochs: epochs ?? (quick ? Math.ceil(base.epochs / 10) : base.epochs),
    lr: lr ?? base.lr,
  };
}

/**
 * The recipe for so many tokens of tunes: streams that fit a small book. Throws UserError where those that were asked
 * for do not.
 */
export function forTokens(recipe: Recipe, settings: TrainSettings, tokens: number): Recipe {
  const { steps } = settings.extra as ComposeExtra;
  const streams = streamsFor(tokens, recipe, { rows: settings.batch, steps });
  windowsIn(tokens, streams);
  return { ...recipe, ...streams };
}
