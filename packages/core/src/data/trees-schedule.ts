import { TensorlaneError } from "../errors.ts";
import type { BinaryTree } from "./trees.ts";

/**
 * In which order the inner nodes of several trees are computed: `steps` chunks of `width` nodes whose
 * children are all there. A node's state waits in one of `slots` places until its parent has read it.
 */
export interface TreeSchedule {
  readonly width: number;
  /** For each step the nodes it computes: tree and inner node (counted from 0), in `order`. */
  readonly order: readonly (readonly ScheduledNode[])[];
  /** Places that are in use at the same time, at most. */
  readonly slots: number;
}

export interface ScheduledNode {
  readonly tree: number;
  readonly inner: number;
  /** Where the state waits; -1 for a root, which nobody reads. */
  readonly slot: number;
}

/** Distance of each inner node from the root. */
export function innerDepths({ words, left, right }: BinaryTree): Int32Array {
  const depths = new Int32Array(left.length);
  for (let inner = left.length - 1; inner >= 0; inner--) {
    for (const child of [left[inner], right[inner]]) {
      if (child >= words.length) depths[child - words.length] = depths[inner] + 1;
    }
  }
  return depths;
}

/** How many inner nodes of a tree lie at each depth. */
export function depthProfile(tree: BinaryTree): Int32Array {
  const depths = innerDepths(tree);
  const profile = new Int32Array(depths.reduce((most, depth) => Math.max(most, depth + 1), 0));
  for (const depth of depths) profile[depth]++;
  return profile;
}

/**
 * The least number of chunks for trees with these profiles: from the nodes at depth d or below, `width` a
 * step, d more steps lead to the root. Hu (1961) showed that taking the deepest ready nodes attains it.
 */
export function leastSteps(profiles: Iterable<Int32Array>, width: number): number {
  const total: number[] = [];
  for (const profile of profiles) {
    for (const [depth, count] of profile.entries()) total[depth] = (total[depth] ?? 0) + count;
  }
  let steps = 0;
  let below = 0;
  for (let depth = total.length - 1; depth >= 0; depth--) {
    below += total[depth];
    steps = Math.max(steps, depth + Math.ceil(below / width));
  }
  return steps;
}

/**
 * Schedules the inner nodes of a batch of trees, the deepest first; `leastSteps` chunks suffice.
 *
 * @example scheduleTrees(readTrees("(1 (1 a) (1 (1 b) (1 c)))"), 8).order.length // 2
 */
export function scheduleTrees(trees: readonly BinaryTree[], width: number): TreeSchedule {
  if (!Number.isInteger(width) || width < 1) {
    throw new TensorlaneError(`scheduleTrees: width must be a whole number from 1, not ${width}`);
  }
  const queue = new DepthQueue();
  const parts = trees.map((tree, t) => new Waiting(tree, t, queue));
  const free: number[] = [];
  let slots = 0;
  const order: ScheduledNode[][] = [];
  while (queue.size > 0) {
    const taken = queue.take(width);
    for (const { tree, inner } of taken) free.push(...parts[tree].readers(inner));
    // The step reads its children's places before it writes, so these can be given away at once.
    const chunk = taken.map(({ tree, inner }) => {
      const part = parts[tree];
      const slot = part.parents[inner] < 0 ? -1 : (free.pop() ?? slots++);
      part.slots[inner] = slot;
      return { tree, inner, slot };
    });
    for (const { tree, inner } of taken) parts[tree].finished(inner, queue);
    order.push(chunk);
  }
  return { width, order, slots };
}

/** Ready nodes by depth. */
class DepthQueue {
  readonly #levels: { readonly tree: number; readonly inner: number }[][] = [];
  size = 0;

  add(depth: number, tree: number, inner: number): void {
    while (this.#levels.length <= depth) this.#levels.push([]);
    this.#levels[depth].push({ tree, inner });
    this.size++;
  }

  /** The deepest nodes, at most `count`. */
  take(count: number): readonly { readonly tree: number; readonly inner: number }[] {
    const taken: { readonly tree: number; readonly inner: number }[] = [];
    for (let depth = this.#levels.length - 1; depth >= 0 && taken.length < count; depth--) {
      taken.push(...this.#levels[depth].splice(0, count - taken.length));
    }
    this.size -= taken.length;
    return taken;
  }
}

/** What one tree's nodes wait for. */
class Waiting {
  readonly parents: Int32Array;
  readonly slots: Int32Array;
  readonly #tree: BinaryTree;
  readonly #index: number;
  readonly #depths: Int32Array;
  readonly #missing: Uint8Array;

  constructor(tree: BinaryTree, index: number, queue: DepthQueue) {
    const count = tree.left.length;
    this.#tree = tree;
    this.#index = index;
    this.#depths = innerDepths(tree);
    this.#missing = new Uint8Array(count);
    this.parents = new Int32Array(count).fill(-1);
    this.slots = new Int32Array(count).fill(-1);
    for (let inner = 0; inner < count; inner++) {
      const children = this.#innerChildren(inner);
      for (const child of children) this.parents[child] = inner;
      this.#missing[inner] = children.length;
      if (children.length === 0) queue.add(this.#depths[inner], index, inner);
    }
  }

  #innerChildren(inner: number): number[] {
    const { words, left, right } = this.#tree;
    return [left[inner], right[inner]].map((c) => c - words.length).filter((child) => child >= 0);
  }

  /** Places whose states the node is the one to read. */
  readers(inner: number): number[] {
    return this.#innerChildren(inner).map((child) => this.slots[child]);
  }

  finished(inner: number, queue: DepthQueue): void {
    const parent = this.parents[inner];
    if (parent < 0 || --this.#missing[parent] > 0) return;
    queue.add(this.#depths[parent], this.#index, parent);
  }
}
