import { data, type Value } from "tensorlane";
import { pick, probabilities, type Sampling } from "../../language/index.ts";
import type { Note } from "../sound/note.ts";
import { compileSteps, type RollModel } from "./model.ts";
import { KEYS, LOWEST, type Roll, readRolls, rollText } from "./rolls.ts";
import { copyOf } from "./scoring.ts";

export interface RollWish extends Sampling {
  readonly seed: number;
  /** Steps to write. */
  readonly length: number;
  /** Steps to choose from; without them each key is drawn by itself, whatever the chord. */
  readonly known?: readonly KnownStep[];
  readonly signal?: AbortSignal;
}

/** Stream of the seed that draws keys. */
const DRAWS = 0x726f6c6c;

/** Steps of a second: the rolls' eighths at 120 quarters a minute. */
const STEPS_A_SECOND = 4;

/** A step that occurs in rolls. */
export interface KnownStep {
  readonly keys: readonly number[];
  /** How often. */
  readonly count: number;
  /**
   * Half the log of how often it occurs, against how often it would if keys did not know of each other; up to a
   * constant. The keys of a chord come together: counted in full it would say the same thing several times.
   */
  readonly prior: number;
}

/** The steps of rolls by their text, and how often each occurs. */
export function countSteps(rolls: readonly Roll[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const step of rolls.flat()) {
    const text = rollText([step]);
    counts[text] = (counts[text] ?? 0) + 1;
  }
  return counts;
}

export function knownSteps(counts: Readonly<Record<string, number>>, name?: string): KnownStep[] {
  const steps = Object.entries(counts).map(([text, count]) => {
    const [[keys] = [[]]] = readRolls(text, name) as [Roll];
    return { keys: keys!, count };
  });
  const all = steps.reduce((sum, { count }) => sum + count, 0);
  const sounding = new Float64Array(KEYS);
  for (const { keys, count } of steps) for (const key of keys) sounding[key]! += count;
  const logit = (key: number) => Math.log((sounding[key]! + 1) / (all - sounding[key]! + 1));
  return steps.map(({ keys, count }) => ({
    ...{ keys, count },
    prior: (Math.log(count) - keys.reduce((sum, key) => sum + logit(key), 0)) / 2,
  }));
}

/** A roll that a model writes from silence. */
export async function writeRoll(model: RollModel, wish: RollWish): Promise<Roll> {
  const { seed, length, signal } = wish;
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
  const roll: (readonly number[])[] = [];
  while (roll.length < length && !signal?.aborted) {
    const { logits, ...next } = await run({ keys: value(keys, 1, 1, KEYS), ...state });
    const sounding = drawStep(logits!.data as Float32Array, wish, uniform);
    state = copyOf(next);
    keys.fill(0);
    for (const key of sounding) keys[key] = 1;
    roll.push(sounding);
  }
  return roll;
}

/** Keys by their logits: one of the known steps, or each key by itself. */
function drawStep(
  logits: Float32Array,
  { known, temperature = 1, ...rest }: RollWish,
  uniform: () => number,
): readonly number[] {
  if (known) {
    // The keys that are silent add what is the same for all steps.
    const scores = known.map(({ keys, prior }) =>
      keys.reduce((sum, key) => sum + logits[key]!, prior),
    );
    return known[pick(probabilities(scores, { temperature, ...rest }), uniform())]!.keys;
  }
  return Array.from(logits.keys()).filter((key) => {
    const logit = logits[key]!;
    if (temperature === 0) return logit > 0;
    const p = 1 / (1 + Math.exp(-logit / temperature));
    return pick(Float64Array.of(1 - p, p), uniform()) === 1;
  });
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
