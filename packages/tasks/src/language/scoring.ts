import { compile, type Value } from "tensorlane";
import { type LanguageModel, tokenLoss } from "./model.ts";
import type { TokenIds } from "./vocabulary.ts";
import { windowFields } from "./windows.ts";

/** Stretches scored side by side, and the fewest tokens that are worth one. */
const MAX_ROWS = 16;
const LEAST = 512;
/** Steps of a run. */
const STEPS = 128;
/** Tokens that a stretch reads, unscored, before its first one: what a state forgets. */
const WARM_UP = 256;

/** Targets that do not count. */
const IGNORED = -100;

/** Measures a part of a text; the model's weights are read anew at every call. */
export type Score = (ids: TokenIds, from: number, to: number) => Promise<number>;

/**
 * Compiles the measure of a language model: mean nats of the tokens [from, to), each predicted from those
 * before it. State is carried along; the part is cut into at most 16 stretches, and each reads the 256
 * tokens before it first, so that a cut costs nothing that can be seen. A part that begins within the first
 * 256 tokens of the text starts from zero states.
 */
export async function compileScore(model: LanguageModel): Promise<Score> {
  const byRows = new Map<number, Promise<Awaited<ReturnType<typeof compileRows>>>>();
  return async (ids, begin, to) => {
    // The very first token of a text has nothing before it and is not predicted.
    const from = Math.max(begin, 1);
    const rows = Math.max(1, Math.min(MAX_ROWS, Math.floor((to - from) / LEAST)));
    if (!byRows.has(rows)) byRows.set(rows, compileRows(model, rows));
    const run = await byRows.get(rows)!;
    const length = Math.ceil((to - from) / rows);
    let state: Record<string, Value> = zeros(model, rows);
    let sum = 0;
    for (let offset = -WARM_UP; offset < length; offset += STEPS) {
      // What was read as "before the text" was not text.
      if (offset === 0 && from <= WARM_UP) startAnew(state);
      const window = cut(ids, { from, to, rows, length, offset });
      const { loss, ...next } = await run({ ...window, ...state });
      sum += Number(loss!.data[0]);
      // The next run overwrites what this one gave.
      state = Object.fromEntries(
        Object.entries(next).map(([name, value]) => [name, { ...value, data: value.data.slice() }]),
      );
    }
    return sum / (to - from);
  };
}

function compileRows(model: LanguageModel, rows: number) {
  const states = Object.entries(model.stateSizes()).map(
    ([name, size]) => [name, { dtype: "float32", shape: [size] }] as const,
  );
  const { tokens, targets } = windowFields(STEPS);
  const fields = { tokens, targets, ...Object.fromEntries(states) };
  return compile<string>(
    fields,
    rows,
    ({ tokens: x, targets: y, ...before }) => {
      const { training } = model;
      model.eval();
      const { logits, state } = model.forward(x!, before);
      model.train(training);
      return { loss: tokenLoss(logits, y!, "sum"), ...state };
    },
    { label: "score of a text" },
  );
}

function zeros(model: LanguageModel, rows: number): Record<string, Value> {
  const entries = Object.entries(model.stateSizes()).map(([name, size]) => {
    const data = new Float32Array(rows * size);
    return [name, { dtype: "float32" as const, shape: [rows, size], data }] as const;
  });
  return Object.fromEntries(entries);
}

interface Cut {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  /** Scored tokens of a row. */
  readonly length: number;
  /** Of the window's first target from the row's first scored token. */
  readonly offset: number;
}

/** Sets the first row's state to zero. */
function startAnew(state: Readonly<Record<string, Value>>): void {
  for (const { data, shape } of Object.values(state)) (data as Float32Array).fill(0, 0, shape[1]!);
}

/** One window of every row: tokens, and the targets that count. */
function cut(ids: TokenIds, { from, to, rows, length, offset }: Cut) {
  const tokens = new Int32Array(rows * STEPS);
  const targets = new Int32Array(rows * STEPS).fill(IGNORED);
  for (let row = 0; row < rows; row++) {
    for (let step = 0; step < STEPS; step++) {
      const inRow = offset + step;
      const place = from + row * length + inRow;
      if (place < 1 || place >= to) continue;
      tokens[row * STEPS + step] = ids[place - 1]!;
      if (inRow >= 0 && inRow < length) targets[row * STEPS + step] = ids[place]!;
    }
  }
  const value = (data: Int32Array): Value => ({ dtype: "int32", shape: [rows, STEPS], data });
  return { tokens: value(tokens), targets: value(targets) };
}
