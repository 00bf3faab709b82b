import { compile, data } from "tensorlane";
import type { Vocabulary } from "../language/index.ts";
import type { NameNetwork } from "./network.ts";
import type { Surname } from "./surnames.ts";

/** Names as `tokens` (T), their `length` and `label`. */
export class NameDataset implements data.Dataset {
  readonly length: number;
  readonly fields: data.Dataset["fields"];
  readonly #names: readonly Surname[];
  readonly #ids: readonly ArrayLike<number>[];

  constructor(names: readonly Surname[], vocabulary: Vocabulary, steps: number) {
    this.length = names.length;
    this.#names = names;
    this.#ids = names.map(({ name }) => vocabulary.encode(name, JSON.stringify(name)));
    this.fields = {
      tokens: { dtype: "int32", shape: [steps] },
      length: { dtype: "int32", shape: [] },
      label: { dtype: "int32", shape: [] },
    };
  }

  fill(target: data.Batch, indices: ArrayLike<number>): void {
    const [steps] = this.fields.tokens.shape;
    const [tokens, length, label] = ["tokens", "length", "label"].map(
      (name) => target[name].data as Int32Array,
    );
    // Rows of padding are names of one letter.
    length.fill(1, indices.length);
    for (let row = 0; row < indices.length; row++) {
      const ids = this.#ids[indices[row]];
      tokens.fill(0, row * steps, (row + 1) * steps);
      tokens.set(ids, row * steps);
      length[row] = ids.length;
      label[row] = this.#names[indices[row]].label;
    }
  }

  get(indices: ArrayLike<number>): data.Batch {
    const batch = data.allocateBatch(this.fields, indices.length);
    this.fill(batch, indices);
    return batch;
  }
}

/** Judges names as often as is asked, by the weights that the network then has: logits (languages) of each. */
export async function judge(
  network: NameNetwork,
  names: readonly Surname[],
  vocabulary: Vocabulary,
): Promise<() => Promise<readonly Float32Array[]>> {
  network.eval();
  const longest = Math.max(...names.map(({ name }) => [...name].length), network.spec.length);
  const set = new NameDataset(names, vocabulary, longest);
  const size = Math.min(256, names.length);
  const run = await compile(set.fields, size, (fields) => ({ logits: network.forward(fields) }));
  const { languages } = network.spec;
  return async () => {
    const judged: Float32Array[] = [];
    for (let from = 0; from < names.length; from += size) {
      const rows = Array.from({ length: size }, (_, row) => Math.min(from + row, names.length - 1));
      const { logits } = await run(set.get(rows));
      const values = logits.data as Float32Array;
      for (let row = 0; row < Math.min(size, names.length - from); row++) {
        judged.push(values.slice(row * languages, (row + 1) * languages));
      }
    }
    return judged;
  };
}
