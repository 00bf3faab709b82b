import { gunzipSync } from "node:zlib";
import { dataEntry, obtainFile } from "tensorlane/node";
import { UserError } from "../../errors.ts";
import type { TaskUi } from "../../task.ts";

/** Keys of a piano. */
export const KEYS = 88;

/** MIDI's number of the lowest key. */
export const LOWEST = 21;

/** A piece as steps of equal length: the keys (0..87) that sound in each. */
export type Roll = readonly (readonly number[])[];

export interface RollCorpus {
  readonly source: string;
  readonly title: string;
  readonly train: readonly Roll[];
  readonly validation: readonly Roll[];
  readonly test: readonly Roll[];
}

/** Rolls as text: one a line, steps parted by spaces, sounding keys joined by dots, "-" for silence. */
export function readRolls(text: string, name = "the piano rolls"): Roll[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, row) =>
    line
      .trim()
      .split(/\s+/)
      .map((step) => readStep(step, row, name)),
  );
}

function readStep(step: string, row: number, name: string): number[] {
  if (step === "-") return [];
  const keys = step.split(".").map(Number);
  if (keys.every((key) => Number.isInteger(key) && key >= 0 && key < KEYS)) return keys;
  throw new UserError(
    `${name}, line ${row + 1}: "${step}" is no step; it should be keys from 0 to ${KEYS - 1} joined by ` +
      'dots, such as 39.43.46, or "-".',
  );
}

/** A roll as a line of text. */
export const rollText = (roll: Roll): string =>
  roll.map((keys) => (keys.length === 0 ? "-" : keys.join("."))).join(" ");

/** In what share of all steps each key sounds. */
export function keyFrequencies(rolls: readonly Roll[]): number[] {
  const counts = new Array<number>(KEYS).fill(0);
  let steps = 0;
  for (const roll of rolls) {
    steps += roll.length;
    for (const key of roll.flat()) counts[key]!++;
  }
  return counts.map((count) => count / steps);
}

/** The registered rolls, in the parts that were published. */
export async function loadRolls(id: string, ui: TaskUi): Promise<RollCorpus> {
  const entry = dataEntry(id);
  const part = async (role: string) => {
    const { bytes } = await obtainFile(entry, role);
    return readRolls(gunzipSync(bytes).toString("utf8"), `${id}, ${role}`);
  };
  const [train, validation, test] = [await part("train"), await part("valid"), await part("test")];
  const steps = (rolls: readonly Roll[]) => rolls.reduce((sum, roll) => sum + roll.length, 0);
  ui.notice(
    `${entry.title}: ${steps(train)}, ${steps(validation)} and ${steps(test)} steps to train on, to ` +
      "choose the epoch by and to test",
  );
  return { source: id, title: entry.title, train, validation, test };
}
