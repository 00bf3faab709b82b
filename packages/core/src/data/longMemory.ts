import { TensorlaneError } from "../errors.ts";
import { randomStream } from "../random/stream.ts";
import { ArrayDataset } from "./dataset.ts";

/** Streams of their own, so that other uses of a seed draw other numbers. */
const [ADDING, COPY] = [0x61646469, 0x636f7079];

export interface AddingOptions {
  /** Steps of a sequence, from 2. */
  readonly steps: number;
  /** Number of sequences. */
  readonly samples: number;
  readonly seed?: number;
}

/**
 * The adding problem (Hochreiter & Schmidhuber 1997, in the form of Le et al. 2015): x (T, 2) holds a number from
 * (0, 1) and a mark at each step, with one mark in either half; y (1) is the sum of the two marked numbers.
 * Always answering 1 has a mean squared error of 1/6, about 0.167. A sample depends on seed and index only.
 *
 * @example
 * const set = data.addingProblem({ steps: 100, samples: 10_000, seed: 1 });
 */
export function addingProblem({ steps, samples, seed = 0 }: AddingOptions): ArrayDataset {
  requireWhole("addingProblem", { steps, samples }, { steps: 2 });
  const x = new Float32Array(samples * steps * 2);
  const y = new Float32Array(samples);
  const half = Math.floor(steps / 2);
  for (let i = 0; i < samples; i++) {
    const random = randomStream(seed, ADDING, i);
    const at = (t: number) => 2 * (i * steps + t);
    for (let t = 0; t < steps; t++) x[at(t)] = random.uniform();
    for (const t of [random.integer(half), half + random.integer(steps - half)]) {
      x[at(t) + 1] = 1;
      y[i] += x[at(t)];
    }
  }
  return new ArrayDataset({
    x: { data: x, shape: [samples, steps, 2] },
    y: { data: y, shape: [samples, 1] },
  });
}

export interface CopyOptions {
  /** Steps between the last symbol and the first that must be repeated, from 1. */
  readonly delay: number;
  readonly samples: number;
  /** Symbols to remember; 10. */
  readonly symbols?: number;
  /** Number of different symbols; 8. */
  readonly alphabet?: number;
  readonly seed?: number;
}

/**
 * The copy problem (Hochreiter & Schmidhuber 1997, in the form of Arjovsky et al. 2016): x (delay + 2 · symbols) int32
 * shows symbols 0 … alphabet - 1, then blanks (the class `alphabet`), a delimiter (`alphabet + 1`) and blanks; y of
 * the same shape is blank until after the delimiter, then the symbols in order. Without memory the best mean
 * cross entropy is symbols · ln(alphabet) / (delay + 2 · symbols). A sample depends on seed and index only.
 *
 * @example
 * const set = data.copyProblem({ delay: 100, samples: 10_000, seed: 1 }); // 10 classes, 120 steps
 */
export function copyProblem(options: CopyOptions): ArrayDataset {
  const { delay, samples, symbols = 10, alphabet = 8, seed = 0 } = options;
  requireWhole("copyProblem", { delay, samples, symbols, alphabet });
  const steps = delay + 2 * symbols;
  const x = new Int32Array(samples * steps).fill(alphabet);
  const y = new Int32Array(samples * steps).fill(alphabet);
  for (let i = 0; i < samples; i++) {
    const random = randomStream(seed, COPY, i);
    const start = i * steps;
    for (let k = 0; k < symbols; k++) {
      const symbol = random.integer(alphabet);
      x[start + k] = symbol;
      y[start + steps - symbols + k] = symbol;
    }
    x[start + symbols + delay - 1] = alphabet + 1;
  }
  return new ArrayDataset({
    x: { data: x, shape: [samples, steps] },
    y: { data: y, shape: [samples, steps] },
  });
}

function requireWhole(
  what: string,
  values: Readonly<Record<string, number>>,
  least: Readonly<Record<string, number>> = {},
): void {
  for (const [name, value] of Object.entries(values)) {
    const from = least[name] ?? 1;
    if (Number.isInteger(value) && value >= from) continue;
    throw new TensorlaneError(
      `${what}: ${name} must be a whole number from ${from}, received ${value}`,
    );
  }
}
