import { expect, test } from "vitest";
import { beamSearch, type Stepper } from "./beam.ts";

const [END, VOCABULARY] = [0, 4];

/** A made-up model: the logits depend on all tokens before, which each row remembers. */
class Table implements Stepper {
  readonly rows: number;
  readonly vocabulary = VOCABULARY;
  #histories: string[];

  constructor(rows: number) {
    this.rows = rows;
    this.#histories = new Array<string>(rows).fill("");
  }

  static logits(history: string): number[] {
    return Array.from({ length: VOCABULARY }, (_, token) => {
      let hash = token + 1;
      for (const sign of history) hash = (hash * 31 + sign.charCodeAt(0)) % 1009;
      return Math.sin(hash) * 2;
    });
  }

  async next(tokens: ArrayLike<number>): Promise<Float32Array> {
    this.#histories = this.#histories.map((history, row) => history + tokens[row]);
    return Float32Array.from(this.#histories.flatMap(Table.logits));
  }

  reorder(parents: readonly number[]): void {
    this.#histories = parents.map((parent) => this.#histories[parent]!);
  }
}

const logSoftmax = (logits: readonly number[]) => {
  const sum = logits.reduce((total, x) => total + Math.exp(x), 0);
  return logits.map((x) => x - Math.log(sum));
};

/** Every sentence of at most `longest` tokens, with its log-probability. */
function everySentence(start: number, longest: number) {
  const all: { tokens: number[]; log: number }[] = [];
  const walk = (history: string, tokens: number[], log: number) => {
    if (tokens.length === longest) return void all.push({ tokens, log });
    for (const [token, p] of logSoftmax(Table.logits(history)).entries()) {
      if (token === END) all.push({ tokens, log: log + p });
      else walk(history + token, [...tokens, token], log + p);
    }
  };
  walk(String(start), [], 0);
  return all;
}

test("a beam as wide as the tree finds the likeliest sentence of all", async () => {
  for (const start of [1, 2, 3]) {
    const found = await beamSearch(new Table(81), {
      ...{ start, end: END, maxLength: 4, lengthPenalty: 0 },
    });
    const best = everySentence(start, 4).sort((a, b) => b.log - a.log)[0]!;
    expect(found[0]!.tokens).toEqual(best.tokens);
    expect(found[0]!.logProbability).toBeCloseTo(best.log, 5);
  }
});

test("one row is greedy decoding", async () => {
  const [only, ...rest] = await beamSearch(new Table(1), { start: 1, end: END, maxLength: 6 });
  expect(rest).toEqual([]);
  let history = "1";
  const tokens: number[] = [];
  while (tokens.length < 6) {
    const logits = Table.logits(history);
    const likeliest = logits.indexOf(Math.max(...logits));
    if (likeliest === END) break;
    tokens.push(likeliest);
    history += likeliest;
  }
  expect(only!.tokens).toEqual(tokens);
});

test("a wider beam is no worse, and the length penalty divides", async () => {
  const best = async (rows: number) => {
    const options = { start: 2, end: END, maxLength: 5, lengthPenalty: 0 };
    return (await beamSearch(new Table(rows), options))[0]!.score;
  };
  expect(await best(40)).toBeGreaterThanOrEqual(await best(1));
  for (const { tokens, logProbability, score, ended } of await beamSearch(new Table(3), {
    ...{ start: 2, end: END, maxLength: 5, lengthPenalty: 0.5 },
  })) {
    expect(score).toBeCloseTo(logProbability / Math.sqrt(tokens.length + (ended ? 1 : 0)), 10);
  }
});
