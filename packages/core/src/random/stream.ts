import { TensorlaneError } from "../errors.ts";
import { generator } from "./fill.ts";

const { threefry } = generator();

/** The two key words of a seed (a non-negative safe integer). */
function keyOf(seed: number): [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new TensorlaneError(`seed ${seed}: give a non-negative integer below 2^53`);
  }
  return [seed | 0, Math.floor(seed / 2 ** 32) | 0];
}

/** Words made at once. */
const BLOCK = 64;

/**
 * A reproducible stream of random numbers named by (seed, stream, substream), from the counter-based
 * generator of `fillRandom`; different names give unrelated numbers.
 *
 * @example const r = randomStream(7, 3); r.uniform(); r.normal(); r.integer(10);
 */
export function randomStream(seed: number, stream = 0, substream = 0): RandomStream {
  // The seed's own cipher makes a key for each stream; the substream is half of the counter.
  const key = new Int32Array(2);
  threefry(key, ...keyOf(seed), stream, ~0);
  const block = new Int32Array(BLOCK);
  let counter = 0;
  let used = BLOCK;
  const next = (): number => {
    if (used === BLOCK) {
      threefry(block, key[0], key[1], counter, substream);
      counter += BLOCK / 2;
      used = 0;
    }
    return block[used++] >>> 0;
  };
  const uniform = () => (next() + 0.5) / 2 ** 32;
  return {
    uint32: next,
    uniform,
    // Multiply-shift; the bias is below n / 2^32.
    integer: (n) => Math.floor((next() * n) / 2 ** 32),
    // Box-Muller, the cosine branch only: one value a call keeps streams easy to reason about.
    normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

/** Random numbers drawn one after the other; see `randomStream`. */
export interface RandomStream {
  /** Uniform over 0 .. 2^32 - 1. */
  uint32(): number;
  /** Uniform over the open interval (0, 1). */
  uniform(): number;
  /** Uniform over 0 .. n - 1. */
  integer(n: number): number;
  /** Standard normal. */
  normal(): number;
}

/** The stream number of shuffling, so that other uses of the same seed draw other numbers. */
const SHUFFLE = 0x73687566;

/**
 * The order of `length` samples in an epoch: Fisher-Yates from the end, one word of the stream (seed, "shuf", epoch)
 * a swap.
 *
 * @example permutation(5, 42, 0) // the same five indices on every machine
 */
export function permutation(length: number, seed: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  const random = randomStream(seed, SHUFFLE, epoch);
  for (let i = length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}
