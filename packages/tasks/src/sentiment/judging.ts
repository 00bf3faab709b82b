import { compile, data } from "tensorlane";
import { isTreeModel, type SentimentNetwork } from "./networks.ts";
import { SentenceDataset } from "./sentences.ts";
import { CLASSES } from "./treebank.ts";

/** Logits of a tree's nodes, row by row; only of the whole sentence where the network reads words in a row. */
export type Judged = readonly Float32Array[];

/**
 * Judges trees as often as is asked, each time by the weights that the network then has; compiled once.
 * Gives for every tree the logits (nodes, 5), the sentence's last.
 */
export function judge(
  network: SentimentNetwork,
  trees: readonly data.BinaryTree[],
  token: (word: string) => number,
): Promise<() => Promise<Judged>> {
  network.eval();
  return isTreeModel(network.spec.model)
    ? judgeTrees(network, trees, token)
    : judgeSentences(network, trees, token);
}

async function judgeTrees(
  network: SentimentNetwork,
  trees: readonly data.BinaryTree[],
  token: (word: string) => number,
): Promise<() => Promise<Judged>> {
  const packs = new data.TreePacks({ trees, token, batchSize: 25 });
  const run = await compile(packs.fields, 1, (fields) => ({
    logits: network.forward(withoutPacks(fields)),
  }));
  return async () => {
    const judged: Float32Array[] = [];
    for (let pack = 0; pack < packs.length; pack++) {
      const { logits } = await run(packs.get([pack]));
      for (const { tree, rows } of packs.rowsOf(pack)) judged[tree] = rowsOf(logits.data, rows);
    }
    return judged;
  };
}

async function judgeSentences(
  network: SentimentNetwork,
  trees: readonly data.BinaryTree[],
  token: (word: string) => number,
): Promise<() => Promise<Judged>> {
  const sentences = new SentenceDataset({ trees, token });
  const size = Math.min(64, trees.length);
  const run = await compile(sentences.fields, size, (fields) => ({
    logits: network.forward(fields),
  }));
  const batch = data.allocateBatch(sentences.fields, size);
  return async () => {
    const judged: Float32Array[] = [];
    for (let from = 0; from < trees.length; from += size) {
      const count = Math.min(size, trees.length - from);
      sentences.fill(
        batch,
        Array.from({ length: count }, (_, i) => from + i),
      );
      const { logits } = await run(batch);
      for (let row = 0; row < count; row++) judged.push(rowsOf(logits.data, [row]));
    }
    return judged;
  };
}

/** The fields of a loader with one pack a batch, as the network takes them. */
export const withoutPacks = <T extends { squeeze(dim: number): T }>(
  fields: Readonly<Record<string, T>>,
): Record<string, T> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.squeeze(0)]));

function rowsOf(logits: ArrayLike<number> | BigInt64Array, rows: ArrayLike<number>): Float32Array {
  const all = logits as Float32Array;
  const own = new Float32Array(rows.length * CLASSES.length);
  for (let i = 0; i < rows.length; i++) {
    own.set(
      all.subarray(rows[i] * CLASSES.length, (rows[i] + 1) * CLASSES.length),
      i * CLASSES.length,
    );
  }
  return own;
}

/** Probabilities from logits. */
export function softmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** Index of the largest number, the first of equals. */
export const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((best, value, i, all) => (value > all[best] ? i : best), 0);

/** The last five: the sentence's. */
export const ofRoot = (logits: Float32Array): Float32Array => logits.subarray(-CLASSES.length);
