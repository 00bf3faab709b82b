import { data } from "tensorlane";
import { UserError } from "../../errors.ts";

/** Numbers of the random streams that divide sets, so that they differ from those of other uses. */
const SPLIT = 0x73706c74;

/** Divides indices into those for training and those held out, `share` of every group key. */
export interface Division {
  readonly kept: Int32Array;
  readonly held: Int32Array;
}

/** The indices of each label, in their order. */
export function byClass(
  indices: ArrayLike<number>,
  labels: ArrayLike<number>,
): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const index of Array.from(indices)) {
    const list = groups.get(labels[index]!) ?? [];
    list.push(index);
    groups.set(labels[index]!, list);
  }
  return new Map([...groups].sort(([a], [b]) => a - b));
}

/** The same list in the random order that (seed, label) names. */
function shuffled<T>(list: readonly T[], seed: number, label: number): T[] {
  return Array.from(data.permutation(list.length, seed, SPLIT + label), (i) => list[i]!);
}

const sorted = (list: readonly number[]): Int32Array => Int32Array.from(list).sort();

/** Holds out a share of each class, at least one picture where the class has two. */
export function stratified(
  indices: ArrayLike<number>,
  labels: ArrayLike<number>,
  share: number,
  seed: number,
): Division {
  const kept: number[] = [];
  const held: number[] = [];
  for (const [label, list] of byClass(indices, labels)) {
    const count = list.length < 2 ? 0 : Math.max(1, Math.round(share * list.length));
    const mixed = shuffled(list, seed, label);
    held.push(...mixed.slice(0, count));
    kept.push(...mixed.slice(count));
  }
  return { kept: sorted(kept), held: sorted(held) };
}

/**
 * Holds out whole tracks, about a share of each class: the pictures of a track are frames of one film, so
 * near copies would otherwise stand on both sides.
 */
export function byTrack(
  indices: ArrayLike<number>,
  labels: ArrayLike<number>,
  tracks: ArrayLike<number>,
  share: number,
  seed: number,
): Division {
  const kept: number[] = [];
  const held: number[] = [];
  for (const [label, list] of byClass(indices, labels)) {
    const own = [...new Set(list.map((index) => tracks[index]!))].sort((a, b) => a - b);
    if (own.length < 2)
      throw new UserError(`class ${label} has one track only: nothing to hold out`);
    const count = Math.max(1, Math.round(share * own.length));
    const chosen = new Set(shuffled(own, seed, label).slice(0, count));
    for (const index of list) (chosen.has(tracks[index]!) ? held : kept).push(index);
  }
  return { kept: sorted(kept), held: sorted(held) };
}

/** At most `count` pictures of each class, chosen by the seed. */
export function fewOfEach(
  indices: ArrayLike<number>,
  labels: ArrayLike<number>,
  count: number,
  seed: number,
): Int32Array {
  const lists = [...byClass(indices, labels)].map(([label, list]) =>
    shuffled(list, seed, label).slice(0, count),
  );
  return sorted(lists.flat());
}
