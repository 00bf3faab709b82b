import { nn, type Tensor } from "tensorlane";
import { tokenLoss, tokensOf, type Unit, Vocabulary } from "../language/index.ts";
import type { Pair, PairSet } from "./pairs.ts";

export type ModelName = "seq2seq" | "attention";

/** How a network is trained. */
export interface Recipe {
  readonly embedding: number;
  readonly hidden: number;
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
  /** Share of the steps that are given the right token in the last epoch; all of them in the first. */
  readonly teacherForcing: number;
}

const common = { embedding: 32, epochs: 6, batch: 64, lr: 0.004, teacherForcing: 0.7 };

/** Without attention one state has to hold the whole source: it is larger. */
export const recipes: Readonly<Record<ModelName, Recipe>> = {
  seq2seq: { ...common, hidden: 128 },
  attention: { ...common, hidden: 64 },
};

/** What fixes a network, and the lengths that it was trained on; kept in `run.json`. */
export interface Spec {
  readonly model: ModelName;
  readonly unit: Unit;
  readonly embedding: number;
  readonly hidden: number;
  /** Tokens of the longest source and target. */
  readonly sourceLength: number;
  readonly targetLength: number;
}

/** The tokens of both sides; two more ids on the target's side begin and end a text. */
export class Tokens {
  readonly source: Vocabulary;
  readonly target: Vocabulary;

  constructor(source: Vocabulary, target: Vocabulary) {
    this.source = source;
    this.target = target;
  }

  /** Of all parts: a letter that only the test part has is a letter that the network reads badly, no error. */
  static of({ train, validation, test, unit }: PairSet): Tokens {
    const pairs = [...train, ...validation, ...test];
    return new Tokens(
      vocabularyOf("character", pairs, ({ source }) => source),
      vocabularyOf(unit, pairs, ({ target }) => target),
    );
  }

  get start(): number {
    return this.target.size;
  }

  get end(): number {
    return this.target.size + 1;
  }

  /** The text of ids up to the first end token. */
  textOf(ids: ArrayLike<number>): string {
    const all = Array.from(ids);
    const end = all.indexOf(this.end);
    // A start token in the midst of a text would be a mistake, not a letter.
    return this.target.decode((end < 0 ? all : all.slice(0, end)).filter((id) => id < this.start));
  }
}

function vocabularyOf(
  unit: Unit,
  pairs: readonly Pair[],
  side: (pair: Pair) => string,
): Vocabulary {
  const counts = new Map<string, number>();
  for (const pair of pairs) {
    for (const token of tokensOf(side(pair), unit)) counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  return Vocabulary.fromCounts(unit, counts, Number.POSITIVE_INFINITY);
}

/** Tokens of the longest text. */
export const longest = (texts: readonly string[], unit: Unit): number =>
  texts.reduce((most, text) => Math.max(most, tokensOf(text, unit).length), 1);

/** An encoder-decoder, with or without attention, with what its tokens mean. */
export class Translator extends nn.EncoderDecoder {
  readonly spec: Spec;
  readonly tokens: Tokens;

  constructor(spec: Spec, tokens: Tokens) {
    super({
      sourceTokens: tokens.source.size,
      targetTokens: tokens.target.size + 2,
      embeddingDim: spec.embedding,
      hiddenSize: spec.hidden,
      ...(spec.model === "attention" && { attention: "additive" as const }),
    });
    this.spec = spec;
    this.tokens = tokens;
  }

  /** Mean cross entropy of the right tokens; what stands behind the end counts nothing. */
  lossOf({ source, length, given, wanted, ratio }: Readonly<Record<string, Tensor>>): Tensor {
    const { logits } = this.forward(source, length, { tokens: given, ratio });
    return tokenLoss(logits, wanted);
  }
}
