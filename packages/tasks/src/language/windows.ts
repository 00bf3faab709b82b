import { type Batch, type Dataset, data } from "tensorlane";
import { UserError } from "../errors.ts";
import type { TokenIds } from "./vocabulary.ts";

export interface StreamOptions {
  readonly ids: TokenIds;
  /** Streams read side by side: the rows of a batch. */
  readonly rows: number;
  /** Steps of a window: how far gradients flow back. */
  readonly steps: number;
  readonly seed: number;
}

/** Fields of a batch of windows: ids (T), the ids that follow (T), and whether state is carried on. */
export const windowFields = (steps: number) =>
  ({
    tokens: { dtype: "int32", shape: [steps] },
    targets: { dtype: "int32", shape: [steps] },
    keep: { dtype: "float32", shape: [1] },
  }) as const;

/** Windows of a stream; throws UserError where a text is too short for one. */
export function windowsIn(
  length: number,
  { rows, steps }: Pick<StreamOptions, "rows" | "steps">,
): number {
  const windows = Math.floor((length - 1) / (rows * steps));
  if (windows > 0) return windows;
  throw new UserError(
    `the text to train on has ${length} tokens; ${rows} streams of ${steps} steps need ` +
      `${rows * steps + 1}. Use a smaller --batch or --steps, or a longer text.`,
  );
}

/**
 * A short text needs updates more than it needs exact gradients: so many streams and steps at most that each stream
 * has 32 windows; what the user gave stays.
 */
export function streamsFor(
  length: number,
  most: Pick<StreamOptions, "rows" | "steps">,
  given: { readonly rows?: number | undefined; readonly steps?: number | undefined },
): Pick<StreamOptions, "rows" | "steps"> {
  const steps = given.steps ?? Math.max(1, Math.min(most.steps, Math.floor((length - 1) / 4)));
  const fitting = Math.floor((length - 1) / (32 * steps));
  return { rows: given.rows ?? Math.max(1, Math.min(most.rows, fitting)), steps };
}

/**
 * A text as `rows` streams that are read side by side, window after window, so that a recurrent network can
 * carry its state from one batch to the next: sample w · rows + n is window w of stream n. Each pass cuts the
 * text at other places, drawn from the seed.
 */
export class TokenWindows implements Dataset {
  readonly fields: ReturnType<typeof windowFields>;
  readonly length: number;
  /** Windows of a stream: the batches of an epoch. */
  readonly windows: number;
  readonly #options: StreamOptions;

  constructor(options: StreamOptions) {
    const { ids, rows, steps } = options;
    this.windows = windowsIn(ids.length, { rows, steps });
    this.fields = windowFields(steps);
    this.length = this.windows * rows;
    this.#options = options;
  }

  fill(target: Batch, indices: ArrayLike<number>, pass = 0): void {
    const { ids, rows, steps } = this.#options;
    const [tokens, targets, keep] = [target.tokens!, target.targets!, target.keep!];
    const start = this.#start(pass);
    for (let row = 0; row < indices.length; row++) {
      const stream = indices[row]! % rows;
      const window = Math.floor(indices[row]! / rows);
      const from = start + (stream * this.windows + window) * steps;
      (tokens.data as Int32Array).set(ids.subarray(from, from + steps), row * steps);
      (targets.data as Int32Array).set(ids.subarray(from + 1, from + 1 + steps), row * steps);
      (keep.data as Float32Array)[row] = window === 0 ? 0 : 1;
    }
  }

  get(indices: ArrayLike<number>, pass = 0): Batch {
    const batch = data.allocateBatch(this.fields, indices.length);
    this.fill(batch, indices, pass);
    return batch;
  }

  /** First token of a pass: windows seldom fill the text, so there is a choice. */
  #start(pass: number): number {
    const { ids, rows, steps, seed } = this.#options;
    const slack = ids.length - 1 - this.windows * rows * steps;
    return data.randomStream(seed, 0x77696e64, pass).integer(slack + 1);
  }
}

/** The windows in order, a batch for each. */
export const windowLoader = (options: StreamOptions): data.DataLoader =>
  new data.DataLoader(new TokenWindows(options), { batchSize: options.rows, dropLast: true });
