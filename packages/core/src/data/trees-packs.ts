import { TensorlaneError } from "../errors.ts";
import { permutation } from "../random/stream.ts";
import { type Batch, type Field, FilledDataset, fieldSize, targetOf } from "./dataset.ts";
import type { BinaryTree } from "./trees.ts";
import { depthProfile, leastSteps, scheduleTrees, type TreeSchedule } from "./trees-schedule.ts";

export interface TreePackOptions {
  readonly trees: readonly BinaryTree[];
  /** The number of a word in the vocabulary. */
  readonly token: (word: string) => number;
  /** Trees in a pack. */
  readonly batchSize: number;
  /** Inner nodes computed together, 16 unless given: what wastes least for 25 sentences of the treebank. */
  readonly width?: number;
  /** How many passes will be asked for, each with its own packs; 1 unless given. */
  readonly passes?: number;
  /** Draws the packs of every pass; without it all passes have the same. */
  readonly seed?: number;
}

/** Sizes that all packs share: shapes are static. */
interface Capacity {
  readonly trees: number;
  readonly words: number;
  readonly steps: number;
  readonly slots: number;
}

/** One tree of a pack: its index, and the row of each of its nodes in the network's result. */
export interface PackedTree {
  readonly tree: number;
  readonly rows: Int32Array;
}

/**
 * Batches of trees for `nn.Recursive`, one pack a sample (so a DataLoader takes `batchSize: 1`). Every pack gets
 * trees of all sizes, so that packs hold about equally many nodes and padding is little. Fields, L
 * words and K steps of W nodes: `tokens` (L), `leaf` and `slot` (K, 2, W), `keep` (K, S), and for each of the
 * L + K·W rows `label` and `counted` (0 where a row is padding or unlabelled); `root` (N): the roots' rows.
 *
 * @example
 * const packs = new data.TreePacks({ trees, token, batchSize: 25, passes: epochs, seed: 1 });
 * const loader = new data.DataLoader(packs, { batchSize: 1 });
 */
export class TreePacks extends FilledDataset {
  readonly length: number;
  readonly fields: Readonly<Record<string, Field>>;
  readonly width: number;
  readonly capacity: Capacity;
  readonly #options: TreePackOptions;
  readonly #tokens: readonly Int32Array[];
  #drawn: { readonly pass: number; readonly packs: readonly (readonly number[])[] } | undefined;

  constructor(options: TreePackOptions) {
    super();
    const { trees, token, batchSize, width = 16 } = options;
    if (trees.length === 0) throw new TensorlaneError("TreePacks: received no trees");
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new TensorlaneError(`TreePacks: batchSize ${batchSize} must be a whole number from 1`);
    }
    this.#options = options;
    this.#tokens = trees.map(({ words }) => Int32Array.from(words, token));
    this.width = width;
    this.length = Math.ceil(trees.length / batchSize);
    this.capacity = this.#measure();
    const { words, steps, slots, trees: most } = this.capacity;
    const ints = (...shape: number[]): Field => ({ dtype: "int32", shape });
    this.fields = {
      tokens: ints(words),
      leaf: ints(steps, 2, width),
      slot: ints(steps, 2, width),
      keep: ints(steps, slots),
      label: ints(words + steps * width),
      counted: { dtype: "float32", shape: [words + steps * width] },
      root: ints(most),
    };
  }

  /** The trees of a pack in a pass. */
  members(pack: number, pass = 0): readonly number[] {
    const drawn = this.#options.seed === undefined ? 0 : pass;
    if (this.#drawn?.pass !== drawn) this.#drawn = { pass: drawn, packs: this.#deal(drawn) };
    const members = this.#drawn.packs[pack];
    if (members) return members;
    throw new RangeError(`TreePacks: pack ${pack} of ${this.length}`);
  }

  /** Where a pack's nodes are found in the network's result. */
  rowsOf(pack: number, pass = 0): readonly PackedTree[] {
    const members = this.members(pack, pass);
    return this.#rows(members, this.#schedule(members));
  }

  override fill(target: Batch, indices: ArrayLike<number>, pass = 0): void {
    for (let i = 0; i < indices.length; i++) this.#fillPack(target, i, indices[i], pass);
  }

  /** Trees from the largest to the smallest (equal ones in drawn order), dealt to the packs to and fro. */
  #deal(pass: number): number[][] {
    const { trees, seed } = this.#options;
    const order =
      seed === undefined ? [...trees.keys()] : [...permutation(trees.length, seed, pass)];
    order.sort((a, b) => trees[b].words.length - trees[a].words.length);
    const packs = Array.from({ length: this.length }, (): number[] => []);
    for (const [i, tree] of order.entries()) {
      const [round, place] = [Math.floor(i / this.length), i % this.length];
      packs[round % 2 === 0 ? place : this.length - 1 - place].push(tree);
    }
    return packs;
  }

  /** What the largest packs of all passes need. */
  #measure(): Capacity {
    const { trees, seed, passes = 1 } = this.#options;
    const profiles = trees.map(depthProfile);
    let [most, words, steps, slots] = [0, 0, 1, 0];
    for (let pass = 0; pass < (seed === undefined ? 1 : passes); pass++) {
      for (const members of this.#deal(pass)) {
        const count = members.reduce((sum, tree) => sum + trees[tree].words.length, 0);
        most = Math.max(most, members.length);
        words = Math.max(words, count);
        const least = leastSteps(
          members.map((tree) => profiles[tree]),
          this.width,
        );
        steps = Math.max(steps, least);
        slots = Math.max(slots, this.#schedule(members).slots);
      }
    }
    // Place 0 stays empty.
    return { trees: most, words, steps, slots: slots + 1 };
  }

  #schedule(members: readonly number[]): TreeSchedule {
    return scheduleTrees(
      members.map((tree) => this.#options.trees[tree]),
      this.width,
    );
  }

  #rows(members: readonly number[], { order }: TreeSchedule): PackedTree[] {
    let offset = 0;
    const packed = members.map((tree) => {
      const rows = new Int32Array(this.#options.trees[tree].labels.length);
      const count = this.#tokens[tree].length;
      for (let word = 0; word < count; word++) rows[word] = offset + word;
      offset += count;
      return { tree, rows };
    });
    for (const [step, chunk] of order.entries()) {
      for (const [place, { tree, inner }] of chunk.entries()) {
        const count = this.#tokens[members[tree]].length;
        packed[tree].rows[count + inner] = this.capacity.words + step * this.width + place;
      }
    }
    return packed;
  }

  #fillPack(target: Batch, row: number, pack: number, pass: number): void {
    const { seed, passes = 1 } = this.#options;
    if (seed !== undefined && !(pass < passes)) {
      throw new RangeError(`TreePacks: made for ${passes} passes, asked for pass ${pass + 1}`);
    }
    const members = this.members(pack, pass);
    const schedule = this.#schedule(members);
    const part = (name: string): Int32Array => {
      const field = this.fields[name];
      const size = fieldSize(field);
      const data = targetOf(target, name, field, row + 1) as Int32Array;
      return data.subarray(row * size, (row + 1) * size).fill(0);
    };
    const [tokens, label, counted, root] = ["tokens", "label", "counted", "root"].map(part);
    const packed = this.#rows(members, schedule);
    for (const [i, { tree, rows }] of packed.entries()) {
      const { labels } = this.#options.trees[tree];
      tokens.set(this.#tokens[tree], rows[0]);
      root[i] = rows.at(-1)!;
      for (const [node, at] of rows.entries()) {
        if (labels[node] < 0) continue;
        label[at] = labels[node];
        counted[at] = 1;
      }
    }
    this.#fillOrder(packed, schedule, part);
  }

  #fillOrder(
    packed: readonly PackedTree[],
    { order }: TreeSchedule,
    part: (name: string) => Int32Array,
  ): void {
    const { width } = this;
    const { slots, steps } = this.capacity;
    const [leaf, slot, keep] = ["leaf", "slot", "keep"].map(part);
    for (let i = 0; i < steps * slots; i++) keep[i] = i % slots;
    const places = packed.map(({ rows }) => new Int32Array(rows.length));
    for (const [step, chunk] of order.entries()) {
      for (const [w, { tree, inner, slot: own }] of chunk.entries()) {
        const { tree: index, rows } = packed[tree];
        const { left, right, words } = this.#options.trees[index];
        for (const [side, child] of [left[inner], right[inner]].entries()) {
          const at = (step * 2 + side) * width + w;
          if (child < words.length) leaf[at] = rows[child] + 1;
          else slot[at] = places[tree][child];
        }
        if (own < 0) continue;
        places[tree][words.length + inner] = own + 1;
        keep[step * slots + own + 1] = slots + w;
      }
    }
  }
}
