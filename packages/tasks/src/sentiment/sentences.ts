import { data } from "tensorlane";
import { rootLabel, spansOf } from "./treebank.ts";

/** Sequences a sentence gives in one pass: itself, and so many of its phrases, drawn anew every time. */
export const PHRASES = 2;

export interface SentenceOptions {
  readonly trees: readonly data.BinaryTree[];
  readonly token: (word: string) => number;
  /** Words that a sequence is padded to; the longest sentence's unless given. */
  readonly length?: number;
  /** Draws phrases by this seed; without it there are only whole sentences. */
  readonly seed?: number;
}

/** Tags the streams of drawn phrases, so that other uses of a seed draw other numbers. */
const PHRASE_STREAM = 0x70687261;

/** Sentences, and phrases of them, as sequences: `tokens` (T), `length` and `label`. */
export class SentenceDataset implements data.Dataset {
  readonly length: number;
  readonly fields: data.Dataset["fields"];
  readonly #options: SentenceOptions;
  readonly #spans: readonly (readonly (readonly [number, number])[])[];

  constructor(options: SentenceOptions) {
    const { trees, seed } = options;
    const longest = trees.reduce((most, { words }) => Math.max(most, words.length), 1);
    this.#options = options;
    this.#spans = seed === undefined ? [] : trees.map(spansOf);
    this.length = trees.length * (seed === undefined ? 1 : 1 + PHRASES);
    this.fields = {
      tokens: { dtype: "int32", shape: [options.length ?? longest] },
      length: { dtype: "int32", shape: [] },
      label: { dtype: "int32", shape: [] },
    };
  }

  fill(target: data.Batch, indices: ArrayLike<number>, pass = 0): void {
    const steps = this.fields.tokens.shape[0];
    const [tokens, length, label] = ["tokens", "length", "label"].map(
      (name) => target[name].data as Int32Array,
    );
    const { trees, token } = this.#options;
    // Padding has at least one word, as every sequence.
    length.fill(1, indices.length);
    for (let row = 0; row < indices.length; row++) {
      const { tree, node } = this.#pick(indices[row], pass);
      const { words, labels } = trees[tree];
      const [from, to] = node === undefined ? [0, words.length] : this.#spans[tree][node];
      tokens.fill(0, row * steps, (row + 1) * steps);
      tokens.set(words.slice(from, to).map(token), row * steps);
      length[row] = to - from;
      label[row] = Math.max(0, node === undefined ? rootLabel(trees[tree]) : labels[node]);
    }
  }

  get(indices: ArrayLike<number>, pass?: number): data.Batch {
    const batch = data.allocateBatch(this.fields, indices.length);
    this.fill(batch, indices, pass);
    return batch;
  }

  #pick(index: number, pass: number): { readonly tree: number; readonly node?: number } {
    const { seed, trees } = this.#options;
    if (seed === undefined || index < trees.length) return { tree: index };
    const tree = index % trees.length;
    const random = data.randomStream(seed, PHRASE_STREAM + pass, index);
    return { tree, node: random.integer(trees[tree].labels.length) };
  }
}
