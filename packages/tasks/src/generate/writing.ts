import { data } from "tensorlane";
import {
  type GenerateOptions,
  generate,
  type LanguageModel,
  type Sampling,
  StepModel,
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

/** Writes on from a prompt, token by token; `unk` is never written. The same seed writes the same text. */
export async function* writeText(
  step: StepModel,
  vocabulary: Vocabulary,
  { prompt, seed, ...options }: WriteOptions,
): AsyncGenerator<string> {
  const all: GenerateOptions = {
    ...options,
    prompt: vocabulary.encode(prompt, "the prompt"),
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
