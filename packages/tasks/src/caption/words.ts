import { UNKNOWN, Vocabulary } from "../language/index.ts";

/** Given before the first word, and chosen after the last one; neither is a word that a caption can hold. */
const [START, END] = ["<start>", "<end>"];

/** Words of a caption as scores count them: lower case, without punctuation, as Karpathy & Fei-Fei 2015. */
export const wordsOf = (caption: string): string[] =>
  caption
    .toLowerCase()
    .split(/\s+/)
    .map((word) => word.replaceAll(/[^\p{L}\p{M}\p{N}]/gu, ""))
    .filter((word) => word !== "");

/** The words that a captioner knows, by number, with marks for a caption's beginning and end. */
export class CaptionWords {
  readonly vocabulary: Vocabulary;

  /** @param tokens as `vocabulary.tokens` of another one */
  constructor(tokens: readonly string[]) {
    this.vocabulary = new Vocabulary("word", tokens);
  }

  /** Words that stand in the captions `least` times or more, the most frequent first. */
  static of(captions: Iterable<readonly string[]>, least: number): CaptionWords {
    const counts = new Map<string, number>();
    for (const words of captions) {
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const frequent = [...counts].filter(([, count]) => count >= least);
    const sorted = frequent.sort(([, a], [, b]) => b - a).map(([word]) => word);
    return new CaptionWords([UNKNOWN, START, END, ...sorted]);
  }

  get size(): number {
    return this.vocabulary.size;
  }

  get start(): number {
    return this.vocabulary.idOf(START);
  }

  get end(): number {
    return this.vocabulary.idOf(END);
  }

  /** Tokens that no caption may hold. */
  get banned(): readonly number[] {
    return [this.vocabulary.idOf(UNKNOWN), this.start];
  }

  encode(words: readonly string[]): number[] {
    return words.map((word) => this.vocabulary.idOf(word));
  }

  decode(tokens: readonly number[]): string[] {
    return tokens.map((token) => this.vocabulary.tokens[token]);
  }
}
