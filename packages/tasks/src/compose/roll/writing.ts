import { data, type Value } from "tensorlane";
import { pick } from "../../language/index.ts";
import type { Note } from "../sound/note.ts";
import { compileSteps, type RollModel } from "./model.ts";
import { KEYS, LOWEST, type Roll } from "./rolls.ts";
import { copyOf } from "./scoring.ts";

export interface RollWish {
  readonly seed: number;
  /** Steps to write. */
  readonly length: number;
  /** Divides the logits; below 1 surer. */
  readonly temperature: number;
  readonly signal?: AbortSignal;
}

/** Stream of the seed that draws keys. */
const DRAWS = 0x726f6c6c;

/** Steps of a second: the rolls' eighths at 120 quarters a minute. */
const STEPS_A_SECOND = 4;

/** A roll that a model writes from silence; each key of a step is drawn by itself. */
export async function writeRoll(model: RollModel, wish: RollWish): Promise<Roll> {
  const { seed, length, temperature, signal } = wish;
  const run = await compileSteps(model, 1, 1);
  const { uniform } = data.randomStream(seed, DRAWS);
  const keys = new Float32Array(KEYS);
  const value = (array: Float32Array, ...shape: number[]): Value => ({
    dtype: "float32",
    shape,
    data: array,
  });
  let state: Record<string, Value> = Object.fromEntries(
    Object.entries(model.stateSizes()).map(
      ([name, size]) => [name, value(new Float32Array(size), 1, size)] as const,
    ),
  );
  const roll: number[][] = [];
  while (roll.length < length && !signal?.aborted) {
    const { logits, ...next } = await run({ keys: value(keys, 1, 1, KEYS), ...state });
    const sounding = Array.from(keys.keys()).filter((key) => {
      const logit = Number(logits!.data[key]);
      if (temperature === 0) return logit > 0;
      const p = 1 / (1 + Math.exp(-logit / temperature));
      return pick(Float64Array.of(1 - p, p), uniform()) === 1;
    });
    state = copyOf(next);
    keys.fill(0);
    for (const key of sounding) keys[key] = 1;
    roll.push(sounding);
  }
  return roll;
}

/** A roll as it sounds: a key that goes on sounding is one long note. */
export function rollNotes(roll: Roll): Note[] {
  const notes: Note[] = [];
  const since = new Map<number, number>();
  for (const [step, keys] of [...roll, []].entries()) {
    for (const [key, from] of since) {
      if (keys.includes(key)) continue;
      since.delete(key);
      const seconds = (step - from) / STEPS_A_SECOND;
      notes.push({ pitch: LOWEST + key, start: from / STEPS_A_SECOND, seconds, velocity: 80 });
    }
    for (const key of keys) if (!since.has(key)) since.set(key, step);
  }
  return notes;
}
