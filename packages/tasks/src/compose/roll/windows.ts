import { type Batch, type Dataset, data } from "tensorlane";
import { KEYS, type Roll } from "./rolls.ts";

/** Fields of a batch of windows: sounding keys, those that follow, which steps count, state carried on. */
export const rollFields = (steps: number) =>
  ({
    keys: { dtype: "float32", shape: [steps, KEYS] },
    targets: { dtype: "float32", shape: [steps, KEYS] },
    counts: { dtype: "float32", shape: [steps, 1] },
    keep: { dtype: "float32", shape: [1] },
  }) as const;

/** Rolls of about the same length that are read side by side. */
export interface RollGroup {
  readonly rolls: readonly Roll[];
  readonly windows: number;
}

/** Rolls by length, `rows` together, so that little of a batch is empty. */
export function groupRolls(rolls: readonly Roll[], rows: number, steps: number): RollGroup[] {
  const sorted = [...rolls].sort((a, b) => b.length - a.length);
  const count = Math.ceil(sorted.length / rows);
  return Array.from({ length: count }, (_, g) => {
    const part = sorted.slice(g * rows, (g + 1) * rows);
    return { rolls: part, windows: Math.ceil(part[0]!.length / steps) };
  });
}

/** Views of one row's part of a window. */
export interface RollRow {
  readonly keys: Float32Array;
  readonly targets: Float32Array;
  readonly counts: Float32Array;
}

/**
 * Writes steps [from, from + T) of a roll as targets, and the step before each as input: before the first
 * there is silence. Steps before `first` do not count.
 */
export function fillRow(row: RollRow, roll: Roll | undefined, from: number, first: number): void {
  row.keys.fill(0);
  row.targets.fill(0);
  row.counts.fill(0);
  if (roll === undefined) return;
  for (let t = 0; t < row.counts.length && from + t < roll.length; t++) {
    for (const key of roll[from + t - 1] ?? []) row.keys[t * KEYS + key] = 1;
    for (const key of roll[from + t]!) row.targets[t * KEYS + key] = 1;
    row.counts[t] = Number(from + t >= first);
  }
}

export interface RollWindowOptions {
  readonly rolls: readonly Roll[];
  readonly rows: number;
  readonly steps: number;
  readonly seed: number;
}

/** A part of a roll; the first has number 0. */
interface RollPart {
  readonly roll: Roll;
  readonly window: number;
}

/**
 * Rolls as windows that carry state on: all rolls one after the other, in another order at each pass, as
 * `rows` streams that are read side by side. Sample w · rows + n is window w of stream n.
 */
export class RollWindows implements Dataset {
  readonly fields: ReturnType<typeof rollFields>;
  readonly length: number;
  readonly #options: RollWindowOptions;
  #pass = -1;
  #order: readonly RollPart[] = [];

  constructor(options: RollWindowOptions) {
    const { rolls, rows, steps } = options;
    this.#options = options;
    this.fields = rollFields(steps);
    const windows = rolls.reduce((sum, { length }) => sum + Math.ceil(length / steps), 0);
    this.length = rows * Math.ceil(windows / rows);
  }

  fill(target: Batch, indices: ArrayLike<number>, pass = 0): void {
    const { rows, steps } = this.#options;
    const order = this.#orderOf(pass);
    const [keys, targets, counts, keep] = [
      target.keys!.data as Float32Array,
      target.targets!.data as Float32Array,
      target.counts!.data as Float32Array,
      target.keep!.data as Float32Array,
    ];
    for (let row = 0; row < indices.length; row++) {
      const [stream, at] = [indices[row]! % rows, Math.floor(indices[row]! / rows)];
      // Streams may be longer than what is left: then nothing counts.
      const part = order[(stream * this.length) / rows + at];
      const views = {
        keys: keys.subarray(row * steps * KEYS, (row + 1) * steps * KEYS),
        targets: targets.subarray(row * steps * KEYS, (row + 1) * steps * KEYS),
        counts: counts.subarray(row * steps, (row + 1) * steps),
      };
      fillRow(views, part?.roll, (part?.window ?? 0) * steps, 0);
      // A stream may begin amidst a roll, whose state is another stream's.
      keep[row] = Number(at > 0 && part !== undefined && part.window > 0);
    }
  }

  get(indices: ArrayLike<number>, pass = 0): Batch {
    const batch = data.allocateBatch(this.fields, indices.length);
    this.fill(batch, indices, pass);
    return batch;
  }

  #orderOf(pass: number): readonly RollPart[] {
    if (pass !== this.#pass) {
      const { rolls, steps, seed } = this.#options;
      this.#order = Array.from(data.permutation(rolls.length, seed, pass)).flatMap((at) => {
        const roll = rolls[at]!;
        const windows = Math.ceil(roll.length / steps);
        return Array.from({ length: windows }, (_, window) => ({ roll, window }));
      });
      this.#pass = pass;
    }
    return this.#order;
  }
}

export const rollLoader = (options: RollWindowOptions): data.DataLoader =>
  new data.DataLoader(new RollWindows(options), { batchSize: options.rows, dropLast: true });
