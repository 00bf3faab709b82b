import { fillRandom } from "../engine/random.ts";
import { allocate } from "../graph/dtype.ts";
import { type Distribution, Parameter } from "../graph/tensor.ts";

let seed = 0;
let made = 0;

/**
 * Fixes the initial weights of modules made from here on, as PyTorch's `manual_seed` does: the same seed
 * and the same sequence of modules give the same weights.
 */
export function manualSeed(value: number): void {
  seed = value >>> 0;
  made = 0;
}

/** A parameter with random initial values, from a stream of its own. */
export function randomParameter(shape: readonly number[], distribution: Distribution): Parameter {
  const size = shape.reduce((product, n) => product * n, 1);
  const data = allocate("float32", size);
  fillRandom(data, distribution, { seed, step: 0, stream: made++ });
  return new Parameter(data, shape);
}

/** Uniform in [-bound, bound). */
export const uniformParameter = (shape: readonly number[], bound: number): Parameter =>
  randomParameter(shape, { kind: "uniform", low: -bound, high: bound });
