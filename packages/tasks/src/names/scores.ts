import { largest } from "../sentiment/judging.ts";
import type { Row, Table } from "../table.ts";
import type { Surname, SurnameSet } from "./surnames.ts";

/** How names were judged; parts of 1. */
export interface Scores {
  readonly names: number;
  readonly accuracy: number;
  /** Mean over the languages of the part of each one's names that are told rightly. */
  readonly balanced: number;
  /** confusion[truth][judged]. */
  readonly confusion: readonly (readonly number[])[];
}

/** From a number for each language, the largest of which is the judgement. */
export function scoresOf(
  names: readonly Surname[],
  judged: readonly ArrayLike<number>[],
  languages: number,
): Scores {
  const confusion = Array.from({ length: languages }, () => new Array<number>(languages).fill(0));
  for (const [i, { label }] of names.entries()) confusion[label][largest(judged[i])]++;
  const rows = confusion.map((row, label) => ({
    right: row[label],
    all: row.reduce((a, b) => a + b),
  }));
  const present = rows.filter(({ all }) => all > 0);
  return {
    names: names.length,
    accuracy: rows.reduce((sum, { right }) => sum + right, 0) / names.length,
    balanced: present.reduce((sum, { right, all }) => sum + right / all, 0) / present.length,
    confusion,
  };
}

export interface ScoredRow extends Scores {
  readonly name: string;
  readonly kind: NonNullable<Row["kind"]>;
}

/** Letters in a row that the baseline counts, with marks for the name's ends. */
const GRAMS = [1, 2, 3];

function gramsOf(name: string): string[] {
  const letters = ["^", ...name.toLowerCase(), "$"];
  return GRAMS.flatMap((n) =>
    Array.from({ length: Math.max(0, letters.length - n + 1) }, (_, i) =>
      letters.slice(i, i + n).join(""),
    ),
  );
}

/** Multinomial naive Bayes over one to three letters in a row, smoothed by one: log-probabilities by language. */
export function naiveBayes(
  names: readonly Surname[],
  languages: number,
): (name: string) => readonly number[] {
  const counts = new Map<string, Float64Array>();
  const [classes, totals] = [new Float64Array(languages), new Float64Array(languages)];
  for (const { name, label } of names) {
    classes[label]++;
    for (const gram of gramsOf(name)) {
      const own = counts.get(gram) ?? new Float64Array(languages);
      counts.set(gram, own);
      own[label]++;
      totals[label]++;
    }
  }
  return (name) => {
    const known = gramsOf(name).flatMap((gram) => counts.get(gram) ?? []);
    return Array.from(classes, (count, label) =>
      known.reduce(
        (sum, own) => sum + Math.log((own[label] + 1) / (totals[label] + counts.size)),
        Math.log((count + 1) / (names.length + languages)),
      ),
    );
  };
}

export function baselineRows({ train, test, languages }: SurnameSet): ScoredRow[] {
  const count = languages.length;
  const bayes = naiveBayes(train, count);
  const frequencies = languages.map(
    (_, label) => train.filter((one) => one.label === label).length,
  );
  const row = (name: string, judged: readonly (readonly number[])[]): ScoredRow => ({
    ...{ name, kind: "baseline" },
    ...scoresOf(test, judged, count),
  });
  return [
    row(
      "naive Bayes, 1 to 3 letters",
      test.map(({ name }) => bayes(name)),
    ),
    row(
      "most frequent language",
      test.map(() => frequencies),
    ),
  ];
}

export const resultTable = (caption: string, rows: readonly ScoredRow[]): Table => ({
  caption,
  columns: [
    { key: "name", label: "method" },
    { key: "accuracy", label: "accuracy", unit: "%", digits: 1, best: "max" },
    { key: "balanced", label: "balanced accuracy", unit: "%", digits: 1, best: "max" },
  ],
  rows: rows.map(({ name, kind, accuracy, balanced }) => ({
    kind,
    cells: { name, accuracy: 100 * accuracy, balanced: 100 * balanced },
  })),
});
