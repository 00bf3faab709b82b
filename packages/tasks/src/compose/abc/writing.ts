import { data } from "tensorlane";
import { unknownName } from "../../errors.ts";
import type { LanguageModel } from "../../language/index.ts";
import { pick, probabilities, type Sampling, StepModel } from "../../language/index.ts";
import type { TuneTokens } from "./corpus.ts";
import { entriesOf, TuneGrammar } from "./grammar.ts";
import { END } from "./tokens.ts";
import type { Tune } from "./tune.ts";

export interface TuneWish extends Sampling {
  readonly count: number;
  readonly seed: number;
  /** As in `M:`; the model chooses one otherwise. */
  readonly metre?: string;
  /** As in `K:`. */
  readonly key?: string;
  readonly title?: string;
  /** Draw from all tokens, also from those that make no ABC or bars too long. */
  readonly free?: boolean;
  readonly signal?: AbortSignal;
}

/** A tune that a model wrote. */
export interface WrittenTune extends Tune {
  /** Whether the model ended it by itself. */
  readonly ended: boolean;
}

/** Tunes written side by side, and tokens of a tune at most. */
const [ROWS, LONGEST] = [25, 1200];

/** Stream of the seed that draws tokens. */
export const DRAWS = 0x74756e65;

/** Throws UserError where a key or metre was never seen. */
export function checkHead(vocabulary: TuneTokens, { key, metre }: Partial<TuneWish>): void {
  const [keys, metres] = [vocabulary.heads("K"), vocabulary.heads("M")];
  if (key !== undefined && !keys.includes(key)) throw unknownName("key", key, keys);
  if (metre !== undefined && !metres.includes(metre)) throw unknownName("metre", metre, metres);
}

/**
 * Tunes that a model writes, each from its own random numbers. Unless `free`, only tokens are drawn that a
 * `TuneGrammar` allows at their place.
 */
export async function writeTunes(
  model: LanguageModel,
  vocabulary: TuneTokens,
  wish: TuneWish,
): Promise<WrittenTune[]> {
  checkHead(vocabulary, wish);
  const rows = Math.min(ROWS, wish.count);
  const step = await StepModel.create(model, rows);
  try {
    const tunes: WrittenTune[] = [];
    while (tunes.length < wish.count && !wish.signal?.aborted) {
      const left = Math.min(rows, wish.count - tunes.length);
      tunes.push(...(await writeSome(step, vocabulary, wish, tunes.length, left)));
    }
    return tunes;
  } finally {
    step.release();
  }
}

async function writeSome(
  step: StepModel,
  vocabulary: TuneTokens,
  wish: TuneWish,
  first: number,
  count: number,
): Promise<WrittenTune[]> {
  const entries = entriesOf(vocabulary.tokens);
  const end = vocabulary.idOf(END)!;
  const tunes = Array.from({ length: count }, (_, i) => ({
    tokens: [] as string[],
    ended: false,
    grammar: new TuneGrammar(entries),
    uniform: data.randomStream(wish.seed, DRAWS, first + i).uniform,
  }));
  step.reset();
  const ids = new Int32Array(step.rows).fill(end);
  for (let at = 0; at < LONGEST && !wish.signal?.aborted; at++) {
    const logits = await step.next(ids);
    for (const [row, tune] of tunes.entries()) {
      if (tune.ended) continue;
      const scores = logits.subarray(row * step.vocabulary, (row + 1) * step.vocabulary);
      const asked = askedFor(wish, tune.tokens);
      const id = asked ? vocabulary.idOf(asked)! : draw(scores, tune, wish);
      tune.ended = id === end && at > 0;
      if (!tune.ended) tune.tokens.push(vocabulary.tokens[id]!);
      if (!wish.free && !tune.ended) tune.grammar.push(id);
      ids[row] = id;
    }
    if (tunes.every(({ ended }) => ended)) break;
  }
  return tunes.map(({ tokens, ended }, i) => ({
    title: wish.title ?? `Tune ${first + i + 1}`,
    tokens,
    ended,
  }));
}

/** What the wish says must come next, if anything: first the metre, then the key. */
function askedFor({ metre, key }: TuneWish, { length }: readonly string[]): string | undefined {
  if (length === 0 && metre !== undefined) return `M:${metre}`;
  return length === 1 && key !== undefined ? `K:${key}` : undefined;
}

function draw(
  scores: Float32Array,
  { grammar, uniform }: { readonly grammar: TuneGrammar; readonly uniform: () => number },
  wish: TuneWish,
): number {
  if (wish.free) return pick(probabilities(scores, wish), uniform());
  const allowed = scores.map((score, id) =>
    grammar.allows(id) ? score : Number.NEGATIVE_INFINITY,
  );
  // Where a bar's rest fits no known note, the rule gives way; `countBars` will tell.
  const possible = allowed.some((score) => score > Number.NEGATIVE_INFINITY);
  return pick(probabilities(possible ? allowed : scores, wish), uniform());
}
