import type { TokenIds } from "./vocabulary.ts";

/** How often a context was seen, and with how many different tokens behind it. */
interface Seen {
  count: number;
  types: number;
}

/** Contexts longer than this are no better on texts of this size. */
export const MAX_CONTEXT = 5;

/** The longest context whose tokens, with the next one, fit into one exact number. */
export const longestContext = (vocabulary: number): number =>
  Math.max(1, Math.min(MAX_CONTEXT, Math.floor(53 / Math.log2(vocabulary + 1)) - 1));

/**
 * Counts of n-grams, smoothed by Witten & Bell (1991): a context h seen c(h) times with t(h) different
 * followers gives p(w | h) = (c(h w) + t(h) p(w | h')) / (c(h) + t(h)), h' being h without its first token;
 * the shortest context is the empty one, and below it all tokens are alike.
 */
export class NGram {
  readonly vocabulary: number;
  /** Tokens of the longest context. */
  readonly context: number;
  /** By length of the context: what was seen, under the context's and the n-gram's number. */
  readonly #contexts: readonly Map<number, Seen>[];
  readonly #grams: readonly Map<number, number>[];

  constructor(ids: TokenIds, vocabulary: number, context: number) {
    this.vocabulary = vocabulary;
    this.context = context;
    const lengths = Array.from({ length: context + 1 });
    this.#contexts = lengths.map(() => new Map<number, Seen>());
    this.#grams = lengths.map(() => new Map<number, number>());
    for (let at = 0; at < ids.length; at++) {
      for (let length = 0; length <= Math.min(context, at); length++) {
        this.#note(this.#number(ids, at - length, at), ids[at]!, length);
      }
    }
  }

  /** Mean nats of the tokens [from, to), each given those before it. */
  score(ids: TokenIds, from: number, to: number): number {
    let sum = 0;
    for (let at = from; at < to; at++) sum -= Math.log(this.probability(ids, at));
    return sum / (to - from);
  }

  /** Probability of the token at a place, given those before it. */
  probability(ids: TokenIds, at: number): number {
    let p = 1 / this.vocabulary;
    for (let length = 0; length <= Math.min(this.context, at); length++) {
      const context = this.#number(ids, at - length, at);
      const seen = this.#contexts[length]!.get(context);
      // Where a context was never seen, longer ones were not either.
      if (!seen) return p;
      const count = this.#grams[length]!.get(this.#append(context, ids[at]!)) ?? 0;
      p = (count + seen.types * p) / (seen.count + seen.types);
    }
    return p;
  }

  #note(context: number, token: number, length: number): void {
    const [contexts, grams] = [this.#contexts[length]!, this.#grams[length]!];
    const gram = this.#append(context, token);
    const before = grams.get(gram) ?? 0;
    grams.set(gram, before + 1);
    const seen = contexts.get(context);
    if (!seen) contexts.set(context, { count: 1, types: 1 });
    else {
      seen.count++;
      if (before === 0) seen.types++;
    }
  }

  /** Tokens as the digits of one number. */
  #number(ids: TokenIds, from: number, to: number): number {
    let number = 0;
    for (let at = from; at < to; at++) number = this.#append(number, ids[at]!);
    return number;
  }

  #append = (number: number, token: number): number => number * this.vocabulary + token;
}
