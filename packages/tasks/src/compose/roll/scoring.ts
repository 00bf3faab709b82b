import { compile, type Value } from "tensorlane";
import { type RollModel, rollLoss, stateFields } from "./model.ts";
import { KEYS, type Roll } from "./rolls.ts";
import { fillRow, groupRolls, rollFields } from "./windows.ts";

/** The negative log-likelihood of rolls, the first step of each not predicted, in nats. */
export interface RollScore {
  /** Mean over all steps of all rolls: what is published. */
  readonly perStep: number;
  /** Mean over the rolls of the mean over a roll's steps. */
  readonly perRoll: number;
}

const ROWS = 16;
const STEPS = 128;

/** The mean of both kinds of the sums and numbers of steps of single rolls; rolls of one step have none. */
export function meansOf(rolls: readonly { sum: number; steps: number }[]): RollScore {
  const counted = rolls.filter(({ steps }) => steps > 0);
  const total = counted.reduce((all, { sum }) => all + sum, 0);
  const steps = counted.reduce((all, roll) => all + roll.steps, 0);
  const means = counted.reduce((all, roll) => all + roll.sum / roll.steps, 0);
  return { perStep: total / steps, perRoll: means / counted.length };
}

/** Compiles the measure of a model of rolls; its weights are read anew at every call. */
export async function compileRollScore(
  model: RollModel,
): Promise<(rolls: readonly Roll[]) => Promise<RollScore>> {
  const { keys, targets, counts } = rollFields(STEPS);
  const run = await compile<string>(
    { keys, targets, counts, ...stateFields(model) },
    ROWS,
    ({ keys: x, targets: y, counts: n, ...before }) => {
      const { training } = model;
      model.eval();
      const { logits, state } = model.forward(x!, before);
      model.train(training);
      return { loss: rollLoss(logits, y!, n!), ...state };
    },
    { label: "score of piano rolls" },
  );
  const memory = {
    keys: new Float32Array(ROWS * STEPS * KEYS),
    targets: new Float32Array(ROWS * STEPS * KEYS),
    counts: new Float32Array(ROWS * STEPS),
  };
  const value = (data: Float32Array, ...shape: number[]): Value => ({
    dtype: "float32",
    shape,
    data,
  });
  return async (rolls) => {
    const scores: { sum: number; steps: number }[] = [];
    for (const group of groupRolls(rolls, ROWS, STEPS)) {
      const sums = new Float64Array(ROWS);
      let state: Record<string, Value> = Object.fromEntries(
        Object.entries(model.stateSizes()).map(
          ([name, size]) => [name, value(new Float32Array(ROWS * size), ROWS, size)] as const,
        ),
      );
      for (let window = 0; window < group.windows; window++) {
        for (let row = 0; row < ROWS; row++) {
          const part = (data: Float32Array) => {
            const size = data.length / ROWS;
            return data.subarray(row * size, (row + 1) * size);
          };
          const views = {
            keys: part(memory.keys),
            targets: part(memory.targets),
            counts: part(memory.counts),
          };
          // The first step of a roll is read, but not predicted.
          fillRow(views, group.rolls[row], window * STEPS, 1);
        }
        const { loss, ...next } = await run({
          keys: value(memory.keys, ROWS, STEPS, KEYS),
          targets: value(memory.targets, ROWS, STEPS, KEYS),
          counts: value(memory.counts, ROWS, STEPS, 1),
          ...state,
        });
        for (let row = 0; row < ROWS; row++) sums[row]! += loss!.data[row] as number;
        state = copyOf(next);
      }
      scores.push(...group.rolls.map((roll, row) => ({ sum: sums[row]!, steps: roll.length - 1 })));
    }
    return meansOf(scores);
  };
}

/** The next run overwrites what this one gave. */
export const copyOf = (values: Readonly<Record<string, Value>>): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(values).map(([name, v]) => [name, { ...v, data: v.data.slice() } as Value]),
  );
