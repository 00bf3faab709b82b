import { expect } from "vitest";

/**
 * How far a result may be from PyTorch's float32 one. The one place where that is decided.
 *
 * Every case records `float32_error`, the distance of PyTorch's float32 run from its own float64 run (of
 * its worst tensor): max|f32 - f64| / max|f64|. Two float32 computations that round in another order
 * differ by a small multiple of it. The floor is about twenty units in the last place of the largest
 * element: in small tensors PyTorch's own error is often smaller by luck.
 *
 * Where PyTorch's two runs agree exactly (copies, choices, comparisons), ours must be equal to it.
 */
export const tolerance = (float32Error: number): number =>
  float32Error === 0 ? 0 : Math.max(FACTOR * float32Error, FLOOR);
const FACTOR = 8;
const CHAOTIC = 1e-3;
const FLOOR = 2e-6;

/**
 * Training amplifies rounding from step to step: each loss is allowed a multiple of what PyTorch's went
 * astray by up to there. The first step is as exact as a layer. Later ones are not, because Adam divides
 * small gradients by their own size: among 13 salts PyTorch's losses erred by 1e-7 where ours differed by
 * 5e-6 once, and PyTorch's own gradient norms, whose errors are not recorded, by 1.5e-4 (measured in
 * float32 against float64).
 *
 * Beyond an error of 1e-3 a run is chaotic: in PyTorch's own float64, ResNet-18's weights changed by 6e-8
 * of themselves move the third loss, whose recorded error is 2e-3, by 2e-3 to 1e-2, and by 0.4 in one
 * of six tries. What such steps show is only that training goes on; the ones before them are exact.
 */
export function trainingTolerance(float32Errors: readonly number[], step: number) {
  const first = step === 0;
  const recorded = Math.max(...float32Errors.slice(0, step + 1));
  const known = (recorded > CHAOTIC ? 200 : FACTOR) * recorded;
  const loss = Math.max(known, first ? FLOOR : 10 * FLOOR);
  return { loss, norm: first ? 5 * loss : Math.max(30 * known, 1e-3) };
}

/**
 * Gradients of a whole network. A ReLU or a max pool decides a near tie one way or the other, as rounding
 * has it, so that a single tensor may be off in any deep network, also where PyTorch's own error is small:
 * by up to 4e-3 of its largest element or of its l2 norm in the networks whose errors are recorded as 1e-6
 * (VGG-16, GoogLeNet, ResNet-56: one ReLU of layer2.5, after which all gradients agree to 1e-7). Where many
 * decisions differ, in deep networks with batch norm, PyTorch's own error is large, and is allowed with a
 * tenth added. The last layer's gradients (`head`) pass no decision: they are as exact as the outputs.
 */
export function gradientTolerance(error: {
  readonly heads: number;
  readonly grads?: number;
  readonly grads_median?: number;
  readonly grads_l2?: number;
}) {
  const grown = (own = 0, least = 0) => Math.max(least, Math.min(FACTOR * own, own + 0.1));
  return {
    worst: grown(error.grads, 2e-2),
    median: grown(error.grads_median, 1e-3),
    l2: grown(error.grads_l2, 6e-3),
    head: Math.max(FACTOR * error.heads, 5 * FLOOR),
    vanishing: 1e-4,
  };
}

/**
 * Kinds whose slope PyTorch (and we) compute from the output, as 1 - y² or y (1 - y). Where y is within
 * a few units in the last place of 1, that difference holds little but y's rounding, so that a gradient
 * may be off by some units in the last place of its upstream gradient, however small it is itself.
 */
export const gradientSlack = (kind: string, upstream: ArrayLike<number>): number =>
  ["tanh", "sigmoid"].includes(kind)
    ? 4 * 2 ** -24 * Array.from(upstream).reduce((most, u) => Math.max(most, Math.abs(u)), 0)
    : 0;

/** Compares element by element, relative to the largest magnitude of the reference. */
export function expectClose(
  what: string,
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number>,
  limit: number,
  slack = 0,
): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  let [worst, at, size] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [Number(actual[i]), expected[i]];
    // Infinities and NaN must be equal; their difference says nothing.
    const gap = Object.is(a, b) || a === b ? 0 : Math.abs(a - b);
    if (Number.isNaN(gap) || gap > worst) [worst, at] = [gap, i];
    if (Number.isNaN(gap)) break;
    if (Number.isFinite(b)) size = Math.max(size, Math.abs(b));
  }
  const excess = Math.max(0, worst - slack);
  const error = size === 0 ? excess : excess / size;
  if (Number.isNaN(worst) || !(error <= limit)) {
    throw new Error(
      `${what}: off by ${error.toExponential(2)} of the largest element, allowed ` +
        `${limit.toExponential(2)}; element ${at} is ${actual[at]}, PyTorch's ${expected[at]}`,
    );
  }
}
