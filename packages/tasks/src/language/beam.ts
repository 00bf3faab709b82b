/** What a beam search walks: one token for each hypothesis -> logits of the next ones. */
export interface Stepper {
  readonly rows: number;
  readonly vocabulary: number;
  /** Logits (rows, V), row by row. */
  next(tokens: ArrayLike<number>): Promise<Float32Array>;
  /** Lets row i go on from where row `parents[i]` is. */
  reorder(parents: readonly number[]): void;
}

export interface BeamOptions {
  /** Given to every row first. */
  readonly start: number;
  /** Ends a hypothesis; it is not part of it. */
  readonly end: number;
  /** Tokens at most, `end` not counted. */
  readonly maxLength: number;
  /**
   * Scores are log-probabilities divided by (tokens with `end`) to this power: 0 prefers short texts, 1 the
   * best mean (Wu et al. 2016, simplified). 1 by default.
   */
  readonly lengthPenalty?: number;
}

/** A sentence that the search found. */
export interface Hypothesis {
  readonly tokens: readonly number[];
  /** Natural logarithm of its probability, `end` included where it was reached. */
  readonly logProbability: number;
  /** What it is ranked by. */
  readonly score: number;
  /** Whether it ended by itself, not by `maxLength`. */
  readonly ended: boolean;
}

interface Live {
  readonly tokens: readonly number[];
  readonly logProbability: number;
  readonly row: number;
}

/**
 * The likeliest sentences by beam search, best first: at each step the `rows` likeliest continuations go
 * on, and those that end are put aside. One row is greedy decoding.
 *
 * @example const [best] = await beamSearch(step, { start: 1, end: 2, maxLength: 20 });
 */
export async function beamSearch(step: Stepper, options: BeamOptions): Promise<Hypothesis[]> {
  const { start, end, maxLength, lengthPenalty = 1 } = options;
  const { rows, vocabulary } = step;
  const done: Hypothesis[] = [];
  const finish = ({ tokens, logProbability }: Live, ended: boolean) => {
    const score = logProbability / (tokens.length + Number(ended)) ** lengthPenalty;
    done.push({ tokens, logProbability, score, ended });
  };
  let live: readonly Live[] = [{ tokens: [], logProbability: 0, row: 0 }];
  let logits = await step.next(new Array<number>(rows).fill(start));
  for (;;) {
    const candidates = live.flatMap((one) => {
      const row = logits.subarray(one.row * vocabulary, (one.row + 1) * vocabulary);
      return likeliest(row, rows + 1).map(([token, log]) => ({
        token,
        tokens: token === end ? one.tokens : [...one.tokens, token],
        logProbability: one.logProbability + log,
        row: one.row,
      }));
    });
    candidates.sort((a, b) => b.logProbability - a.logProbability);
    const next: (typeof candidates)[number][] = [];
    for (const [rank, candidate] of candidates.entries()) {
      if (next.length === rows) break;
      if (candidate.token !== end) next.push(candidate);
      else if (rank < rows) finish(candidate, true);
    }
    if (done.length >= rows || next.length === 0) break;
    if (next[0]!.tokens.length >= maxLength) {
      for (const one of next) finish(one, false);
      break;
    }
    // Rows without a hypothesis follow the best one, unread.
    const all = Array.from({ length: rows }, (_, row) => next[row] ?? next[0]!);
    step.reorder(all.map(({ row }) => row));
    logits = await step.next(all.map(({ token }) => token));
    live = next.map((one, row) => ({ ...one, row }));
  }
  return done.sort((a, b) => b.score - a.score);
}

/** The n likeliest tokens of a row of logits with their log-probabilities. */
function likeliest(logits: Float32Array, n: number): (readonly [number, number])[] {
  let highest = Number.NEGATIVE_INFINITY;
  for (const value of logits) highest = Math.max(highest, value);
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - highest);
  const shift = highest + Math.log(sum);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
  return order.slice(0, n).map((token) => [token, logits[token]! - shift] as const);
}
