import { UserError, unknownName } from "../../errors.ts";
import type { ImageSet } from "./set.ts";
import { fewOfEach } from "./split.ts";

/**
 * The classes that `--classes` names: a count (the first ones), or names and ranges of numbers from 0 divided by
 * commas, as in `cat,dog` or `0-21`.
 */
export function chosenClasses(text: string, names: readonly string[]): number[] {
  if (/^\d+$/.test(text)) {
    const count = Number(text);
    if (count >= 2 && count <= names.length) return Array.from({ length: count }, (_, i) => i);
    throw new UserError(
      `--classes ${text}: give at least 2 and at most the ${names.length} classes that there are.`,
    );
  }
  const chosen = text.split(",").flatMap((part) => {
    const name = names.indexOf(part.trim());
    if (name >= 0) return [name];
    const [, from, to] = /^\s*(\d+)-(\d+)\s*$/.exec(part) ?? [];
    if (from === undefined) throw unknownName("class", part.trim(), names);
    const [first, last] = [Number(from), Number(to)];
    if (first > last || last >= names.length) {
      throw new UserError(`--classes ${part}: classes have the numbers 0 to ${names.length - 1}.`);
    }
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (chosen.length < 2 || new Set(chosen).size < chosen.length) {
    throw new UserError(`--classes ${text}: name at least two classes, each once.`);
  }
  return chosen;
}

/** A set of only these classes, numbered in this order. */
export function selectClasses(set: ImageSet, chosen: readonly number[]): ImageSet {
  const place = new Int32Array(set.classes.length).fill(-1);
  for (const [now, before] of chosen.entries()) place[before] = now;
  const labels = set.labels.map((label) => place[label]!);
  const among = (part: Int32Array) => part.filter((index) => labels[index]! >= 0);
  return {
    ...set,
    title: `${set.title} (${chosen.length} of the classes)`,
    classes: chosen.map((label) => set.classes[label]!),
    labels,
    train: among(set.train),
    validation: among(set.validation),
    test: among(set.test),
    notes: [...set.notes, `${chosen.length} of ${set.classes.length} classes.`],
    published: [],
  };
}

/** A set with at most so many training pictures of each class. */
export const thinOut = (set: ImageSet, perClass: number, seed: number): ImageSet => ({
  ...set,
  title: `${set.title}, ${perClass} training images a class`,
  train: fewOfEach(set.train, set.labels, perClass, seed),
  notes: [...set.notes, `At most ${perClass} training images of each class.`],
  published: [],
});
