import {
  compileScore,
  type LanguageModel,
  longestContext,
  NGram,
  type Unit,
} from "../language/index.ts";
import type { Row, Table } from "../table.ts";
import type { Json } from "../task.ts";
import { type Part, plural, type Text } from "./corpus.ts";

/** A row of results. */
export interface Scored {
  readonly name: string;
  readonly kind: "model" | "baseline" | "published";
  /** Mean nats of a token. */
  readonly nats: number;
  readonly source?: string;
}

/** Tokens that the baselines are counted on at most, the last ones before the test part. */
const COUNTED = 2_000_000;

/** nanoGPT's validation losses are on the same last 10 %. */
const published: Readonly<Record<string, readonly Scored[]>> = {
  "tiny-shakespeare": [
    {
      name: "transformer of 6 layers, on a GPU",
      kind: "published",
      nats: 1.4697,
      source: "karpathy/nanoGPT: README.md (best epoch chosen on this part)",
    },
    {
      name: "transformer of 4 layers, on a CPU",
      kind: "published",
      nats: 1.88,
      source: "karpathy/nanoGPT: README.md (2000 steps)",
    },
  ],
};

export async function scoreModel(
  name: string,
  model: LanguageModel,
  { ids }: Pick<Text, "ids">,
  { start, end }: Part,
): Promise<Scored> {
  const score = await compileScore(model);
  return { name, kind: "model", nats: await score(ids, start, end) };
}

/** What counting does: n-grams over all that comes before the test part, as published. */
export function scoreBaselines({ ids, vocabulary, split }: Text): Scored[] {
  const { start, end } = split.test;
  const counted = ids.subarray(Math.max(0, start - COUNTED), start);
  const source = start > COUNTED ? `counted on the last ${COUNTED} before the test` : undefined;
  const longest = longestContext(vocabulary.size);
  return [0, 1, 2, 3, 5]
    .filter((context) => context <= longest)
    .map((context) => ({
      name:
        context === 0
          ? `${vocabulary.unit} frequencies`
          : `Witten-Bell, ${context} ${context === 1 ? vocabulary.unit : plural(vocabulary.unit)} before`,
      kind: "baseline",
      ...(source && { source }),
      nats: new NGram(counted, vocabulary.size, context).score(ids, start, end),
    }));
}

export const publishedRows = ({ source, vocabulary }: Text): readonly Scored[] =>
  vocabulary.unit === "character" ? (published[source.id] ?? []) : [];

/**
 * Mean characters of a word in a part, its space counted: what makes nats of words comparable to those of
 * characters. Undefined for characters, and where unknown words, of which only that they are so is predicted, would lower the figure.
 */
export function charactersPerWord(
  { ids, vocabulary }: Pick<Text, "ids" | "vocabulary">,
  { start, end }: Part,
): number | undefined {
  if (vocabulary.unknown === undefined) return undefined;
  const lengths = vocabulary.tokens.map((token) => [...token].length);
  let sum = 0;
  for (const id of ids.subarray(start, end)) {
    if (id === vocabulary.unknown) return undefined;
    sum += lengths[id]!;
  }
  return sum / (end - start);
}

const bits = (nats: number): number => nats / Math.LN2;

/** Results in nats and bits, for words as perplexity too, and by character where they can be compared. */
export function resultTable(
  caption: string,
  unit: Unit,
  rows: readonly Scored[],
  characters?: number,
): Table {
  const sources = rows.flatMap(({ name, source }) => (source ? [`${name}: ${source}`] : []));
  return {
    caption,
    columns: [
      { key: "method", label: "method" },
      { key: "nats", label: `nats per ${unit}`, digits: 4, best: "min" },
      { key: "bits", label: `bits per ${unit}`, digits: 4, best: "min" },
      ...(unit === "word"
        ? [{ key: "perplexity", label: "perplexity", digits: 1, best: "min" as const }]
        : []),
      ...(characters === undefined
        ? []
        : [{ key: "each", label: "nats per character", digits: 4, best: "min" as const }]),
    ],
    rows: rows.map(
      ({ name, kind, nats }): Row => ({
        kind,
        cells: {
          ...{ method: name, nats, bits: bits(nats), perplexity: Math.exp(nats) },
          ...(characters !== undefined && { each: nats / characters }),
        },
      }),
    ),
    notes: ["Each token is predicted from all before it, state carried along.", ...sources],
  };
}

export const metricsOf = ({ nats }: Scored, characters?: number): { [key: string]: Json } => ({
  nats,
  bits: bits(nats),
  perplexity: Math.exp(nats),
  ...(characters !== undefined && { natsPerCharacter: nats / characters }),
});

/** Says where the model is worth less than counting. */
export function verdict(row: Scored, baselines: readonly Scored[]): string | undefined {
  const best = baselines.reduce((a, b) => (b.nats < a.nats ? b : a));
  if (row.nats < best.nats) return undefined;
  return `${row.name} does not beat the baseline "${best.name}".`;
}
