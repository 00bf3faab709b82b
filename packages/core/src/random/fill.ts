import { TensorlaneError } from "../errors.ts";
import type { Distribution } from "../graph/tensor.ts";

/** Which numbers a random leaf draws: the same key always gives the same numbers. */
export interface RandomKey {
  /** A whole number, negative or up to 2^53. */
  readonly seed: number;
  /** The training step, 0 to 2^32 - 1. */
  readonly step: number;
  /** A 32-bit number for each leaf, such as a hash of its path. */
  readonly stream: number;
}

/** One array to fill: elements `offset` and on of the sequence that distribution and key stand for. */
export interface RandomFill {
  readonly target: Float32Array;
  readonly distribution: Distribution;
  readonly key: RandomKey;
  readonly offset?: number;
}

/** A fill in plain numbers, as the generator and its worker take it. */
export interface FillOrder {
  readonly kind: Distribution["kind"];
  readonly a: number;
  readonly b: number;
  readonly seed: number;
  readonly step: number;
  readonly stream: number;
  readonly offset: number;
}

/**
 * Fills an array with random numbers. Element i depends on nothing but the key and `offset + i`, so any
 * split of an array gives the same numbers, on every machine (normal ones: to rounding, where
 * JavaScript engines differ in `Math.log` and `Math.cos`).
 *
 * @example
 * fillRandom(mask, { kind: "bernoulli", p: 0.5 }, { seed: 1, step: 0, stream: 7 });
 */
export function fillRandom(
  target: Float32Array,
  distribution: Distribution,
  key: RandomKey,
  offset = 0,
): void {
  fill(target, orderOf({ target, distribution, key, offset }));
}

/** Checks a fill and puts it in plain numbers. */
export function orderOf({ distribution, key, offset = 0 }: RandomFill): FillOrder {
  const { seed, step, stream } = key;
  check(Number.isSafeInteger(seed), "seed", seed, "a whole number");
  check(isUint32(step), "step", step, "a whole number from 0 to 2^32 - 1");
  check(isUint32(stream), "stream", stream, "a whole number from 0 to 2^32 - 1");
  check(Number.isSafeInteger(offset) && offset >= 0, "offset", offset, "a whole number from 0");
  const rest = { kind: distribution.kind, seed, step, stream, offset };
  switch (distribution.kind) {
    case "uniform": {
      const { low, high } = distribution;
      check(Number.isFinite(low), "low", low, "a finite number");
      check(Number.isFinite(high) && high >= low, "high", high, `a finite number from ${low}`);
      return { ...rest, a: low, b: high };
    }
    case "normal": {
      const { mean, std } = distribution;
      check(Number.isFinite(mean), "mean", mean, "a finite number");
      check(Number.isFinite(std) && std >= 0, "std", std, "a finite number from 0");
      return { ...rest, a: mean, b: std };
    }
    case "bernoulli": {
      const { p } = distribution;
      check(p >= 0 && p <= 1, "p", p, "a number from 0 to 1");
      return { ...rest, a: p, b: 0 };
    }
  }
}

/**
 * The generator, self-contained because its source text is also a worker's program: Threefry-2x32 with
 * 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). In JavaScript it
 * takes 4 ns a number where Philox, which needs the high half of products, takes 15.
 */
export function generator() {
  /** Encrypts the counters (first + i, high) under a key, for i = 0, 1, ... until `out` is full. */
  function threefry(
    out: Int32Array,
    key0: number,
    key1: number,
    first: number,
    high: number,
  ): void {
    const key2 = key0 ^ key1 ^ 0x1bd11bda;
    for (let i = 0; i < out.length; i += 2) {
      let a = key0;
      let b = key1;
      let c = key2;
      let x = (first + (i >>> 1) + a) | 0;
      let y = (high + b) | 0;
      for (let round = 1; round <= 5; round++) {
        if (round & 1) {
          x = (x + y) | 0;
          y = ((y << 13) | (y >>> 19)) ^ x;
          x = (x + y) | 0;
          y = ((y << 15) | (y >>> 17)) ^ x;
          x = (x + y) | 0;
          y = ((y << 26) | (y >>> 6)) ^ x;
          x = (x + y) | 0;
          y = ((y << 6) | (y >>> 26)) ^ x;
        } else {
          x = (x + y) | 0;
          y = ((y << 17) | (y >>> 15)) ^ x;
          x = (x + y) | 0;
          y = ((y << 29) | (y >>> 3)) ^ x;
          x = (x + y) | 0;
          y = ((y << 16) | (y >>> 16)) ^ x;
          x = (x + y) | 0;
          y = ((y << 24) | (y >>> 8)) ^ x;
        }
        x = (x + b) | 0;
        y = (y + c + round) | 0;
        const next = a;
        a = b;
        b = c;
        c = next;
      }
      out[i] = x;
      out[i + 1] = y;
    }
  }

  function shape(words: Int32Array, values: Float32Array, order: FillOrder): void {
    const { kind, a, b } = order;
    if (kind === "bernoulli") {
      // Without a branch, which the processor would guess wrong half of the time.
      const limit = Math.round(a * 2 ** 24);
      for (let i = 0; i < words.length; i++) values[i] = ((words[i] >>> 8) - limit) >>> 31;
    } else if (kind === "uniform") {
      // 24 bits: what a float32 can hold of [0, 1) without rounding up to 1.
      for (let i = 0; i < words.length; i++) values[i] = a + (b - a) * (words[i] >>> 8) * 2 ** -24;
    } else {
      // Box and Muller: two uniform numbers make two normal ones. The first lies in (0, 1].
      for (let i = 0; i < words.length; i += 2) {
        const radius = b * Math.sqrt(-2 * Math.log(((words[i] >>> 0) + 1) * 2 ** -32));
        const angle = 2 * Math.PI * (words[i + 1] >>> 0) * 2 ** -32;
        values[i] = a + radius * Math.cos(angle);
        values[i + 1] = a + radius * Math.sin(angle);
      }
    }
  }

  const chunk = 1024;

  function fill(target: Float32Array, order: FillOrder): void {
    const { seed, step, stream, offset } = order;
    const key = new Int32Array(2);
    threefry(key, seed | 0, Math.floor(seed / 2 ** 32) | 0, stream, 0);
    // Numbers come in pairs, so a range that begins on an odd one begins within a pair.
    const start = offset - (offset % 2);
    const end = offset + target.length;
    const words = new Int32Array(Math.min(chunk, 2 * Math.ceil((end - start) / 2)));
    const values = new Float32Array(words.length);
    for (let at = start; at < end; at += words.length) {
      threefry(words, key[0], key[1], at / 2, step);
      shape(words, values, order);
      const from = Math.max(offset - at, 0);
      const to = Math.min(end - at, words.length);
      const all = from === 0 && to === values.length;
      target.set(all ? values : values.subarray(from, to), at + from - offset);
    }
  }

  return { threefry, fill };
}

const { fill } = generator();

function isUint32(value: number): boolean {
  return value === value >>> 0;
}

function check(fine: boolean, name: string, received: unknown, expected: string): void {
  if (fine) return;
  throw new TensorlaneError(`random numbers: ${name} is ${received}; give ${expected}.`);
}
