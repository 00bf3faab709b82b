import { compile, data } from "tensorlane";
import { beamSearch, type Stepper } from "../language/index.ts";
import { PairDataset } from "./dataset.ts";
import type { Pair } from "./pairs.ts";
import type { Translator } from "./translator.ts";

/** What the network wrote for a source. */
export interface Written {
  readonly text: string;
  /** How much each written token (rows, its end included) looked at each character; with attention only. */
  readonly looked?: readonly (readonly number[])[];
}

/** Sources that are written for at once. */
const BATCH = 100;

/**
 * Writes greedily for pairs' sources, as often as is asked, each time by the weights that the network then has;
 * compiled once. The targets are not looked at.
 */
export async function writer(
  network: Translator,
  pairs: readonly Pair[],
): Promise<() => Promise<Written[]>> {
  const { spec, tokens } = network.eval();
  const blind = pairs.map(({ source }) => ({ source, target: "" }));
  const set = new PairDataset(blind, tokens, spec);
  const size = Math.min(BATCH, pairs.length);
  const steps = spec.targetLength + 1;
  const run = await compile<string>(set.fields, size, ({ source, length, given }) => {
    const { tokens: ids, weights } = network.write(source, length, given.select(0, 1), steps);
    return { ids, ...(weights && { weights }) };
  });
  return async () => {
    const written: Written[] = [];
    for (let from = 0; from < pairs.length; from += size) {
      const count = Math.min(size, pairs.length - from);
      const rows = Array.from({ length: size }, (_, row) => from + Math.min(row, count - 1));
      const { ids, weights } = await run(set.get(rows));
      for (let row = 0; row < count; row++) {
        const own = (ids.data as Int32Array).slice(row * steps, (row + 1) * steps);
        const text = tokens.textOf(own);
        written.push(
          weights
            ? {
                text,
                looked: lookedAt(weights.data, {
                  row,
                  size,
                  set,
                  own,
                  end: tokens.end,
                  pair: pairs[from + row],
                }),
              }
            : { text },
        );
      }
    }
    return written;
  };
}

/** The rows of (T, N, S) that belong to one text, up to its end, over its source's own characters. */
function lookedAt(
  weights: ArrayLike<number | bigint>,
  of: {
    readonly row: number;
    readonly size: number;
    readonly set: PairDataset;
    readonly own: Int32Array;
    readonly end: number;
    readonly pair: Pair;
  },
): number[][] {
  const [places] = of.set.fields.source.shape;
  const last = of.own.indexOf(of.end);
  const steps = last < 0 ? of.own.length : last + 1;
  const characters = [...of.pair.source].length;
  return Array.from({ length: steps }, (_, t) => {
    const at = (t * of.size + of.row) * places;
    return Array.from({ length: characters }, (_, s) => Number(weights[at + s]));
  });
}

/** One text that a beam search found. */
export interface Candidate {
  readonly text: string;
  /** Mean log-probability of its tokens, the end included: what it is ranked by, so that long texts are not put last. */
  readonly score: number;
  /** Of the whole text. */
  readonly probability: number;
}

/** What candidates are ranked by, for those who read them. */
export const RANKING = "score: mean log-probability of a token, the end included; highest first";

/** Texts for one source, best first by their score, found by a beam of `rows`. */
export async function search(
  network: Translator,
  source: string,
  rows: number,
): Promise<readonly Candidate[]> {
  const { tokens, spec } = network.eval();
  const set = new PairDataset([{ source, target: "" }], tokens, spec);
  const encode = await compile<string>(set.fields, 1, (fields) => {
    const { h, memory } = network.encode(fields.source, fields.length);
    return { h, ...memory };
  });
  const encoded = await encode(set.get([0]));
  // Every row goes on from the same source.
  const repeated = Object.fromEntries(
    Object.entries(encoded).map(([name, { dtype, shape, data: values }]) => {
      const [all] = [data.allocateBatch({ [name]: { dtype, shape: shape.slice(1) } }, rows)];
      const into = all[name].data as Float32Array;
      for (let row = 0; row < rows; row++) into.set(values as Float32Array, row * values.length);
      return [name, all[name]];
    }),
  );
  const fields = Object.fromEntries(
    Object.entries(repeated).map(([name, { dtype, shape }]) => [
      name,
      { dtype: dtype!, shape: shape.slice(1) },
    ]),
  );
  const step = await compile(
    { ...fields, token: { dtype: "int32", shape: [] } },
    rows,
    ({ token, h, ...memory }) => {
      const after = network.step(token, { h, ...(memory.values && { memory: memory as never }) });
      return { logits: after.logits, h: after.h };
    },
  );
  const vocabulary = tokens.target.size + 2;
  const stepper: Stepper = {
    rows,
    vocabulary,
    next: async (ids) => {
      const token = { dtype: "int32" as const, shape: [rows], data: Int32Array.from(ids) };
      const { logits, h } = await step({ ...repeated, token });
      repeated.h = { ...repeated.h, data: (h.data as Float32Array).slice() };
      return logits.data as Float32Array;
    },
    reorder: (parents) => {
      const before = (repeated.h.data as Float32Array).slice();
      const size = spec.hidden;
      for (const [row, parent] of parents.entries()) {
        const from = before.subarray(parent * size, (parent + 1) * size);
        (repeated.h.data as Float32Array).set(from, row * size);
      }
    },
  };
  const found = await beamSearch(stepper, {
    start: tokens.start,
    end: tokens.end,
    // As many as in greedy writing, where the end counts.
    maxLength: spec.targetLength + 1,
  });
  return found.slice(0, rows).map(({ tokens: ids, logProbability, score }) => ({
    text: tokens.textOf(ids),
    score,
    probability: Math.exp(logProbability),
  }));
}
