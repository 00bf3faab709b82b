import { data } from "tensorlane";
import {
  type GenerateOptions,
  generate,
  type LanguageModel,
  type Sampling,
  StepModel,
  type TokenIds,
  tokensOf,
  type Vocabulary,
} from "../language/index.ts";

export interface WriteOptions extends Sampling {
  readonly prompt: string;
  /** Tokens to write. */
  readonly length: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Stream of the seed that draws tokens. */
const DRAWS = 0x74657874;

/** A prompt as a model reads it. */
export interface Prompt {
  readonly text: string;
  readonly ids: TokenIds;
  /** Words that are read as `<unk>`. */
  readonly unknown: readonly string[];
}

/**
 * Reads a prompt; throws UserError for characters that the model never saw. Of words, a space at the end belongs
 * to the word that comes, and a first word that is known only with a space before it is taken with it.
 */
export function readPrompt(vocabulary: Vocabulary, given: string): Prompt {
  if (vocabulary.unknown === undefined) {
    return { text: given, ids: vocabulary.encode(given, "the prompt"), unknown: [] };
  }
  const text = given.replace(/ +$/, "") || defaultPrompt(vocabulary);
  const isKnown = (token: string) => vocabulary.idOf(token) !== vocabulary.unknown;
  const read = [text, ` ${text}`].map((one) => tokensOf(one, "word"));
  const [tokens, spaced] = read as [readonly string[], readonly string[]];
  const best = !isKnown(tokens[0]!) && isKnown(spaced[0]!) ? spaced : tokens;
  const unknown = best.filter((token) => !isKnown(token)).map((token) => token.trim());
  return { text, ids: vocabulary.encode(best.join("")), unknown };
}

/** Writes on from a prompt, token by token; `unk` is never written. The same seed writes the same text. */
export async function* writeText(
  step: StepModel,
  vocabulary: Vocabulary,
  { prompt, seed, ...options }: WriteOptions,
): AsyncGenerator<string> {
  const all: GenerateOptions = {
    ...options,
    prompt: readPrompt(vocabulary, prompt).ids,
    uniform: data.randomStream(seed, DRAWS).uniform,
    ...(vocabulary.unknown !== undefined && { banned: vocabulary.unknown }),
  };
  for await (const id of generate(step, all)) yield vocabulary.tokens[id]!;
}

/** A text begins as after a line break, or with the first token where there is none. */
export const defaultPrompt = ({ tokens, unknown }: Vocabulary): string =>
  tokens.includes("\n") ? "\n" : tokens[unknown === undefined ? 0 : 1]!;

/** Several texts of one model, whole. */
export async function samples(
  model: LanguageModel,
  vocabulary: Vocabulary,
  wishes: readonly WriteOptions[],
): Promise<string[]> {
  const step = await StepModel.create(model);
  try {
    const texts: string[] = [];
    for (const wish of wishes) {
      let text = wish.prompt;
      for await (const token of writeText(step, vocabulary, wish)) text += token;
      texts.push(text);
    }
    return texts;
  } finally {
    step.release();
  }
}
