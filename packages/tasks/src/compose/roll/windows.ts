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

/** Rolls as windows that carry state on, group after group, in another order of groups at each pass. */
export class RollWindows implements Dataset {
  readonly fields: ReturnType<typeof rollFields>;
  readonly length: number;
  readonly #options: RollWindowOptions;
  readonly #groups: readonly RollGroup[];
  #pass = -1;
  #order: readonly { readonly group: RollGroup; readonly window: number }[] = [];

  constructor(options: RollWindowOptions) {
    const { rolls, rows, steps } = options;
    this.#options = options;
    this.#groups = groupRolls(rolls, rows, steps);
    this.fields = rollFields(steps);
    this.length = rows * this.#groups.reduce((sum, { windows }) => sum + windows, 0);
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
      const { group, window } = order[Math.floor(indices[row]! / rows)]!;
      const views = {
        keys: keys.subarray(row * steps * KEYS, (row + 1) * steps * KEYS),
        targets: targets.subarray(row * steps * KEYS, (row + 1) * steps * KEYS),
        counts: counts.subarray(row * steps, (row + 1) * steps),
      };
      fillRow(views, group.rolls[indices[row]! % rows], window * steps, 0);
      keep[row] = Number(window > 0);
    }
  }

  get(indices: ArrayLike<number>, pass = 0): Batch {
    const batch = data.allocateBatch(this.fields, indices.length);
    this.fill(batch, indices, pass);
    return batch;
  }

  #orderOf(pass: number) {
    if (pass !== this.#pass) {
      const mixed = data.permutation(this.#groups.length, this.#options.seed, pass);
      this.#order = Array.from(mixed, (g) => this.#groups[g]!).flatMap((group) =>
        Array.from({ length: group.windows }, (_, window) => ({ group, window })),
      );
      this.#pass = pass;
    }
    return this.#order;
  }
}

export const rollLoader = (options: RollWindowOptions): data.DataLoader =>
  new data.DataLoader(new RollWindows(options), { batchSize: options.rows, dropLast: true });
