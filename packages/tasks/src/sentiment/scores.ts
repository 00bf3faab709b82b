import type { data } from "tensorlane";
import type { Cell, Row, Table } from "../table.ts";
import { type Judge, naiveBayes } from "./baselines.ts";
import { type Judged, largest, ofRoot, softmax } from "./judging.ts";
import { CLASSES, NEUTRAL, rootLabel, type Treebank } from "./treebank.ts";

/** How sentences were judged; parts of 1. */
export interface Scores {
  readonly sentences: number;
  readonly accuracy: number;
  /** Positive against negative over sentences that are not neutral; undefined where there are none. */
  readonly binary: number | undefined;
  /** Mean cross entropy of the sentences, in nats. */
  readonly loss: number;
  /** Over all nodes, where the network judges them and the data have labels. */
  readonly nodes?: number;
  /** confusion[truth][judged]. */
  readonly confusion: readonly (readonly number[])[];
}

/** Positive (true) or negative: which side has more probability. */
const isPositive = (probabilities: readonly number[]): boolean =>
  probabilities[3] + probabilities[4] > probabilities[0] + probabilities[1];

export function scoresOf(trees: readonly data.BinaryTree[], judged: Judged): Scores {
  const confusion = CLASSES.map(() => CLASSES.map(() => 0));
  let [right, polar, polarRight, loss, nodes, nodesRight] = [0, 0, 0, 0, 0, 0];
  const labelled = trees.filter((tree) => rootLabel(tree) >= 0).length;
  for (const [i, tree] of trees.entries()) {
    const truth = rootLabel(tree);
    if (truth < 0) continue;
    const probabilities = softmax(ofRoot(judged[i]));
    const said = largest(probabilities);
    confusion[truth][said]++;
    right += Number(said === truth);
    loss -= Math.log(Math.max(probabilities[truth], Number.MIN_VALUE));
    if (truth !== NEUTRAL) {
      polar++;
      polarRight += Number(isPositive(probabilities) === truth > NEUTRAL);
    }
    if (judged[i].length !== tree.labels.length * CLASSES.length) continue;
    for (const [node, label] of tree.labels.entries()) {
      if (label < 0) continue;
      const at = node * CLASSES.length;
      nodes++;
      nodesRight += Number(largest(judged[i].subarray(at, at + CLASSES.length)) === label);
    }
  }
  return {
    sentences: labelled,
    accuracy: right / labelled,
    binary: polar > 0 ? polarRight / polar : undefined,
    loss: loss / labelled,
    ...(nodes > 0 && { nodes: nodesRight / nodes }),
    confusion,
  };
}

export interface ScoredRow {
  readonly name: string;
  readonly kind: NonNullable<Row["kind"]>;
  /** In per cent. */
  readonly fine: number;
  readonly binary: Cell;
  readonly source?: string;
}

const percent = (part: number): number => 100 * part;

export const modelRow = (name: string, { accuracy, binary }: Scores): ScoredRow => ({
  name,
  kind: "model",
  fine: percent(accuracy),
  binary: binary === undefined ? undefined : percent(binary),
});

/** Naive Bayes, and the most frequent class, computed here on the same sentences. */
export function baselineRows(bank: Treebank, trees: readonly data.BinaryTree[]): ScoredRow[] {
  const frequencies = CLASSES.map(
    (_, label) => bank.train.filter((tree) => rootLabel(tree) === label).length,
  );
  const judges: readonly (readonly [string, Judge])[] = [
    ["naive Bayes", naiveBayes(bank.train, false)],
    ["naive Bayes, words and pairs", naiveBayes(bank.train, true)],
    ["most frequent class", () => frequencies.map((count) => Math.log(count + 1))],
  ];
  return judges.map(([name, judgeWords]) => {
    const judged = trees.map(({ words }) => Float32Array.from(judgeWords(words)));
    return { ...modelRow(name, scoresOf(trees, judged)), kind: "baseline" };
  });
}

const published = (name: string, fine: number, binary?: number): ScoredRow => ({
  name,
  kind: "published",
  fine,
  binary,
});

/**
 * Accuracy on the treebank's test part: Socher et al. 2013 and Le and Mikolov 2014, as listed in
 * LINE-PESC/nlp-benchmarks; Tree-LSTM: Tai et al. 2015, with pre-trained word vectors.
 */
export const publishedRows: readonly ScoredRow[] = [
  published("naive Bayes (Socher 2013)", 41.0, 81.8),
  published("SVM (Socher 2013)", 40.7, 79.4),
  published("bigram naive Bayes (Socher 2013)", 41.9, 83.1),
  published("word vector average (Socher 2013)", 32.7, 80.1),
  published("recursive network (Socher 2013)", 43.2, 82.4),
  published("matrix-vector network (Socher 2013)", 44.4, 82.9),
  published("recursive tensor network (Socher 2013)", 45.7, 85.4),
  published("paragraph vector (Le and Mikolov 2014)", 48.7, 87.8),
  published("Tree-LSTM with GloVe vectors (Tai 2015)", 51.0),
];

export function resultTable(rows: readonly ScoredRow[], { sentences, binary }: Scores): Table {
  return {
    caption: `Sentences judged rightly (${sentences})`,
    columns: [
      { key: "name", label: "method" },
      { key: "fine", label: "5 classes", unit: "%", digits: 1, best: "max" },
      { key: "binary", label: "positive or negative", unit: "%", digits: 1, best: "max" },
    ],
    rows: rows.map(({ name, kind, fine, binary: two }) => ({
      kind,
      cells: { name, fine, binary: two },
    })),
    notes: [
      ...(binary === undefined
        ? []
        : ["Positive or negative: over sentences that are not neutral."]),
      ...(rows.some(({ kind }) => kind === "published")
        ? [
            "Published: Socher et al. 2013, Le and Mikolov 2014 (as listed in LINE-PESC/nlp-benchmarks), Tai et al. 2015.",
          ]
        : []),
    ],
  };
}
