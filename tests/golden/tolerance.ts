import { expect } from "vitest";

/**
 * How far a result may be from PyTorch's float32 one. The one place where that is decided.
 *
 * Every case records `float32_error`, the distance of PyTorch's float32 run from its own float64 run (of
 * its worst tensor): max|f32 - f64| / max|f64|. Two float32 computations that round in another order
 * differ by a small multiple of it. The floor is about ten units in the last place of the largest
 * element: in small tensors PyTorch's own error is often smaller by luck.
 *
 * Where PyTorch's two runs agree exactly (copies, choices, comparisons), ours must be equal to it.
 */
export const tolerance = (float32Error: number): number =>
  float32Error === 0 ? 0 : Math.max(FACTOR * float32Error, FLOOR);
export const FACTOR = 4;
export const FLOOR = 1e-6;

/** Compares element by element, relative to the largest magnitude of the reference. */
export function expectClose(
  what: string,
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number>,
  limit: number,
): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  let [worst, at, size] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [Number(actual[i]), expected[i]];
    // Infinities and NaN must be equal; their difference says nothing.
    const gap = Object.is(a, b) || a === b ? 0 : Math.abs(a - b);
    if (Number.isNaN(gap) || gap > worst) [worst, at] = [gap, i];
    if (Number.isNaN(worst)) break;
    if (Number.isFinite(b)) size = Math.max(size, Math.abs(b));
  }
  const error = size === 0 ? worst : worst / size;
  if (!(error <= limit)) {
    throw new Error(
      `${what}: off by ${error.toExponential(2)} of the largest element, allowed ` +
        `${limit.toExponential(2)}; element ${at} is ${actual[at]}, PyTorch's ${expected[at]}`,
    );
  }
}
