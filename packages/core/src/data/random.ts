/**
 * Counter-based random numbers for data order: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel
 * random numbers: as easy as 1, 2, 3" (SC 2011). A value depends on (seed, counter) alone, so any place in
 * any epoch can be reached without replaying what came before it.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  return (
    (aHigh * bHigh + Math.floor(middle / 65536) + ((aLow * bHigh + (middle & 0xffff)) >>> 16)) >>> 0
  );
}

/**
 * One Philox4x32-10 block: counter (4) and key (2), unsigned 32-bit words, into `out` (4).
 *
 * @example philox(new Uint32Array(4), [0, 0, 0, 0], [0, 0]) // 6627e8d5 e169c58d bc57ac4c 9b00dbd8
 */
export function philox(
  out: Uint32Array,
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): Uint32Array {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
  return out;
}

/** The two key words of a seed (a non-negative safe integer). */
function keyOf(seed: number): [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`seed ${seed}: give a non-negative integer below 2^53`);
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/**
 * A reproducible stream of random numbers named by (seed, stream, substream); streams never overlap.
 *
 * @example const r = randomStream(7, 3); r.uniform(); r.normal(); r.integer(10);
 */
export function randomStream(seed: number, stream = 0, substream = 0): RandomStream {
  const key = keyOf(seed);
  const block = new Uint32Array(4);
  let counter = 0;
  let used = 4;
  const next = (): number => {
    if (used === 4) {
      philox(
        block,
        [counter >>> 0, Math.floor(counter / 2 ** 32), stream >>> 0, substream >>> 0],
        key,
      );
      counter++;
      used = 0;
    }
    return block[used++]!;
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
 * The order of `length` samples in an epoch: Fisher-Yates from the end, one Philox word a swap, with
 * key = seed and counter = (word / 4, 0, "shuf", epoch).
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
