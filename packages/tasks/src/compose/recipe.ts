import type { LanguageModelOptions, RecurrentKind } from "../language/index.ts";
import type { TrainSettings } from "../task.ts";

/** The task's own options of `train`. */
export interface ComposeExtra {
  readonly hidden?: number;
  readonly layers?: number;
  readonly dropout?: number;
  readonly steps?: number;
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
  /** AdamW with one rise and fall of the learning rate, or the published setting: RMSProp, a constant rate. */
  readonly optimizer: "adamw" | "rmsprop";
}

/** Units of the published models of rolls: about 23 to 28 thousand parameters each. */
const publishedUnits: Readonly<Record<RecurrentKind, number>> = { rnn: 100, gru: 46, lstm: 38 };

const usual = {
  abc: { hidden: 384, epochs: 40, dropout: 0.5, weightDropout: 0.3, rows: 16, steps: 64, lr: 4e-3 },
  roll: {
    hidden: 256,
    epochs: 40,
    dropout: 0.5,
    weightDropout: 0.3,
    rows: 16,
    steps: 64,
    lr: 4e-3,
  },
};

/** The recipe for a kind of music; what the user gave has precedence. */
export function recipeFor(form: Form, kind: RecurrentKind, settings: TrainSettings): Recipe {
  const { epochs, batch, lr, quick, extra } = settings;
  const given = extra as ComposeExtra;
  const published = given.published ?? false;
  const base = published
    ? {
        ...usual.roll,
        hidden: publishedUnits[kind],
        epochs: 100,
        dropout: 0,
        weightDropout: 0,
        lr: 1e-3,
      }
    : usual[form];
  return {
    model: {
      kind,
      hidden: given.hidden ?? (quick ? Math.ceil(base.hidden / 2) : base.hidden),
      layers: given.layers ?? 1,
      embedding: 0,
      tied: false,
      dropout: given.dropout ?? base.dropout,
      variational: true,
      weightDropout: given.dropout === 0 ? 0 : base.weightDropout,
    },
    rows: batch ?? (published ? 4 : base.rows),
    steps: given.steps ?? base.steps,
    epochs: epochs ?? (quick ? Math.ceil(base.epochs / 10) : base.epochs),
    lr: lr ?? base.lr,
    optimizer: published ? "rmsprop" : "adamw",
  };
}
