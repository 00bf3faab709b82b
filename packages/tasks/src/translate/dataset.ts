import { data } from "tensorlane";
import { UserError } from "../errors.ts";
import type { Pair } from "./pairs.ts";
import type { Spec, Tokens } from "./translator.ts";

/** Left out of the loss. */
const IGNORED = -100;

/** How much the right token is given: all of it in the first epoch, `last` in the last one, evenly in between. */
export interface Teaching {
  readonly epochs: number;
  readonly last: number;
}

/**
 * Pairs as `source` (S) and its `length`, the tokens that the decoder is `given` (T), those that are `wanted` (T),
 * and the `ratio` of teacher forcing, which falls from pass to pass.
 */
export class PairDataset implements data.Dataset {
  readonly length: number;
  readonly fields: data.Dataset["fields"];
  readonly #sources: readonly ArrayLike<number>[];
  readonly #targets: readonly ArrayLike<number>[];
  readonly #tokens: Tokens;
  readonly #teaching: Teaching;

  constructor(
    pairs: readonly Pair[],
    tokens: Tokens,
    { sourceLength, targetLength }: Pick<Spec, "sourceLength" | "targetLength">,
    teaching: Teaching = { epochs: 1, last: 1 },
  ) {
    this.length = pairs.length;
    this.#tokens = tokens;
    this.#teaching = teaching;
    this.#sources = pairs.map(({ source }) => tokens.source.encode(source, JSON.stringify(source)));
    this.#targets = pairs.map(({ target }) => tokens.target.encode(target, JSON.stringify(target)));
    const long = pairs.find((_, i) => this.#sources[i].length > sourceLength);
    if (long) {
      throw new UserError(
        `${JSON.stringify(long.source)} has more than ${sourceLength} characters, the most in training.`,
      );
    }
    const steps = { dtype: "int32", shape: [targetLength + 1] } as const;
    this.fields = {
      source: { dtype: "int32", shape: [sourceLength] },
      length: { dtype: "int32", shape: [] },
      given: steps,
      wanted: steps,
      ratio: { dtype: "float32", shape: [] },
    };
  }

  fill(target: data.Batch, indices: ArrayLike<number>, pass = 0): void {
    const ints = (name: string) => target[name].data as Int32Array;
    const [source, length, given, wanted] = ["source", "length", "given", "wanted"].map(ints);
    const { epochs, last } = this.#teaching;
    const ratio = 1 - (1 - last) * Math.min(1, pass / Math.max(1, epochs - 1));
    (target.ratio.data as Float32Array).fill(ratio);
    // Rows of padding are sequences of one token.
    length.fill(1, indices.length);
    wanted.fill(IGNORED);
    const [sourceSteps] = this.fields.source.shape;
    const [steps] = this.fields.given.shape;
    for (let row = 0; row < indices.length; row++) {
      const [from, to] = [this.#sources[indices[row]], this.#targets[indices[row]]];
      source.fill(0, row * sourceSteps, (row + 1) * sourceSteps);
      source.set(from, row * sourceSteps);
      // Without a token there is nothing to read; the unread padding stands for it.
      length[row] = Math.max(1, from.length);
      const at = row * steps;
      const kept = Array.from(to).slice(0, steps - 1);
      given.fill(this.#tokens.end, at, at + steps);
      given.set([this.#tokens.start, ...kept], at);
      wanted.set(kept.length < to.length ? kept : [...kept, this.#tokens.end], at);
    }
  }

  get(indices: ArrayLike<number>, pass?: number): data.Batch {
    const batch = data.allocateBatch(this.fields, indices.length);
    this.fill(batch, indices, pass);
    return batch;
  }
}
