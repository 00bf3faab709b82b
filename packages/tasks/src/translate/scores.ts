import { distance } from "fastest-levenshtein";
import type { Row, Table } from "../table.ts";
import { normalizeDate } from "./dates.ts";
import type { Pair, PairSet } from "./pairs.ts";

/** How texts were written; parts of 1. */
export interface Scores {
  readonly pairs: number;
  /** Texts that are right to the last letter. */
  readonly exact: number;
  /** Letters to change, insert or remove, of all letters of the right texts. */
  readonly errorRate: number;
}

export function scoresOf(pairs: readonly Pair[], texts: readonly string[]): Scores {
  let [exact, edits, letters] = [0, 0, 0];
  for (const [i, { target }] of pairs.entries()) {
    exact += Number(texts[i] === target);
    edits += distance(texts[i], target);
    letters += target.length;
  }
  return { pairs: pairs.length, exact: exact / pairs.length, errorRate: edits / letters };
}

/** Scores of each group of pairs, in the order of the groups' names ("10" behind "9"). */
export function scoresByGroup(
  pairs: readonly Pair[],
  texts: readonly string[],
): ReadonlyMap<string, Scores> {
  const members = new Map<string, number[]>();
  for (const [i, { group }] of pairs.entries()) {
    if (group === undefined) continue;
    const own = members.get(group) ?? [];
    members.set(group, own);
    own.push(i);
  }
  const ordered = [...members].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  const of = (rows: readonly number[]): Scores =>
    scoresOf(
      rows.map((i) => pairs[i]),
      rows.map((i) => texts[i]),
    );
  return new Map(ordered.map(([group, rows]) => [group, of(rows)]));
}

export interface ScoredRow extends Scores {
  readonly name: string;
  readonly kind: NonNullable<Row["kind"]>;
}

/** Test sources whose nearest neighbour in training is looked for: every one costs all distances. */
const NEIGHBOURS = 200;

/** What takes no network: the nearest training source's target, and for dates the parser of JavaScript itself. */
export function baselineRows({ id, train, test }: PairSet): ScoredRow[] {
  const few = test.slice(0, NEIGHBOURS);
  const nearest = few.map(({ source }) => {
    let [best, least] = ["", Number.POSITIVE_INFINITY];
    for (const pair of train) {
      const d = distance(source, pair.source);
      if (d < least) [best, least] = [pair.target, d];
    }
    return best;
  });
  const rows: ScoredRow[] = [
    {
      name: `nearest training source (first ${few.length} of the test part)`,
      kind: "baseline",
      ...scoresOf(few, nearest),
    },
  ];
  if (id !== "dates") return rows;
  const parsed = test.map(({ source }) => isoOf(source));
  return [
    ...rows,
    { name: "JavaScript's Date.parse", kind: "baseline", ...scoresOf(test, parsed) },
  ];
}

function isoOf(source: string): string {
  const date = new Date(normalizeDate(source));
  if (Number.isNaN(date.getTime())) return "";
  const two = (n: number) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export const resultTable = (caption: string, rows: readonly ScoredRow[]): Table => ({
  caption,
  columns: [
    { key: "name", label: "method" },
    { key: "exact", label: "right to the last letter", unit: "%", digits: 2, best: "max" },
    { key: "errorRate", label: "letters wrong", unit: "%", digits: 2, best: "min" },
    { key: "pairs", label: "sources" },
  ],
  rows: rows.map(({ name, kind, exact, errorRate, pairs }) => ({
    kind,
    cells: { name, exact: 100 * exact, errorRate: 100 * errorRate, pairs },
  })),
});

/** The network's scores of each group of sources; undefined where the pairs have no groups. */
export function groupTable(
  { title, groupedBy }: Pick<PairSet, "title" | "groupedBy">,
  groups: ReadonlyMap<string, Scores>,
): Table | undefined {
  if (groupedBy === undefined || groups.size === 0) return undefined;
  return {
    caption: `${title}: the test part by ${groupedBy}`,
    columns: [
      { key: "group", label: groupedBy },
      { key: "exact", label: "right to the last letter", unit: "%", digits: 2 },
      { key: "errorRate", label: "letters wrong", unit: "%", digits: 2 },
      { key: "pairs", label: "sources" },
    ],
    rows: Array.from(groups, ([group, { exact, errorRate, pairs }]) => ({
      cells: { group, exact: 100 * exact, errorRate: 100 * errorRate, pairs },
    })),
  };
}
