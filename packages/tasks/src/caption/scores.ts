import type { Row, Table } from "../table.ts";
import {
  againstReferences,
  type BleuCounts,
  bootstrapBleu,
  corpusBleu,
  gramsOf,
  type Interval,
  intervalsOf,
} from "./bleu.ts";
import type { CaptionSet } from "./captions.ts";
import { wordsOf } from "./words.ts";

type Words = readonly string[];

/** How a system's captions agree with what people wrote. */
export interface Scored {
  readonly name: string;
  readonly kind: "model" | "baseline";
  readonly note?: string;
  /** BLEU-1 to BLEU-4, 0 to 1. */
  readonly bleu: readonly number[];
  readonly intervals: readonly Interval[];
  readonly brevityPenalty: number;
  /** Different captions. */
  readonly distinct: number;
  /** Scores of each draw of the bootstrap. */
  readonly draws: readonly (readonly number[])[];
}

/** Scores captions of the pictures `indices` of a set, one for each. */
export function score(
  set: CaptionSet,
  indices: Int32Array,
  system: Pick<Scored, "name" | "kind" | "note"> & { readonly captions: readonly Words[] },
  seed: number,
): Scored {
  const { captions, ...rest } = system;
  const counts = Array.from(indices, (index, i): BleuCounts => {
    const references = set.pictures[index].captions.map(wordsOf);
    return againstReferences(references)(gramsOf(captions[i]));
  });
  const draws = bootstrapBleu(counts, seed);
  const { scores, brevityPenalty } = corpusBleu(counts);
  return {
    ...rest,
    ...{ bleu: scores, intervals: intervalsOf(draws), brevityPenalty, draws },
    distinct: new Set(captions.map((words) => words.join(" "))).size,
  };
}

/** Share of the draws in which one system has the higher BLEU-n. */
export const winShare = (one: Scored, other: Scored, n: number): number =>
  one.draws.filter((draw, i) => draw[n - 1] > other.draws[i][n - 1]).length / one.draws.length;

const published = [
  {
    name: "VGG-16 with attention",
    bleu: [61.09, 36.54, 22.64, 14.21],
    source: "63days/SAT: README.md",
  },
  {
    name: "pre-trained features, no attention",
    bleu: [53.0, 28.7, 19.8, 9.4],
    source: "chiral-carbon/ImageCaptioning: README.md",
  },
];

const percent = (share: number): number => 100 * share;
const range = ([low, high]: Interval): string =>
  `${percent(low).toFixed(1)} to ${percent(high).toFixed(1)}`;

export function resultTable(set: CaptionSet, rows: readonly Scored[], pictures: number): Table {
  const isFlickr = set.id === "flickr8k-part";
  const measured = rows.map(
    ({ name, kind, bleu, intervals, distinct, note }): Row => ({
      kind,
      cells: {
        ...{ name, distinct, note },
        ...Object.fromEntries(bleu.map((value, i) => [`bleu${i + 1}`, percent(value)])),
        ...{ first: range(intervals[0]), fourth: range(intervals[3]) },
      },
    }),
  );
  const quoted = published.map(
    ({ name, bleu, source }): Row => ({
      kind: "published",
      cells: { name, note: source, ...Object.fromEntries(bleu.map((v, i) => [`bleu${i + 1}`, v])) },
    }),
  );
  return {
    caption: `BLEU in per cent on ${pictures} test pictures of ${set.title}`,
    columns: [
      { key: "name", label: "Captions by" },
      ...[1, 2, 3, 4].map((n) => ({
        ...{ key: `bleu${n}`, label: `BLEU-${n}`, digits: 1, best: "max" as const },
      })),
      { key: "first", label: "BLEU-1, 95 %" },
      { key: "fourth", label: "BLEU-4, 95 %" },
      { key: "distinct", label: "different captions" },
      { key: "note", label: "Note" },
    ],
    rows: [...measured, ...(isFlickr ? quoted : [])],
    notes: [
      "BLEU of the corpus against all captions of a picture, lower case, no punctuation, not smoothed. 95 %: bootstrap over " +
        "pictures.",
      ...(isFlickr
        ? [
            "The published systems learnt from 6000 full-size pictures and from features pre-trained on ImageNet, and " +
              "were tested on other 1000 pictures: what 810 small pictures teach cannot be compared.",
          ]
        : []),
    ],
  };
}

/** The scores as `--json` prints them, BLEU in per cent. */
export const metricsOf = ({ bleu, intervals, brevityPenalty, distinct }: Scored) => ({
  bleu: bleu.map(percent),
  intervals: intervals.map((interval) => interval.map(percent)),
  brevityPenalty,
  distinct,
});
