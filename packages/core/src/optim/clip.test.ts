import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { evaluate } from "../evaluate.ts";
import { type Tensor, tensor } from "../graph/tensor.ts";
import { clipGradNorm, clipGradValue } from "./clip.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../../tests/golden/optim.json", import.meta.url), "utf8"),
);

describe("PyTorch's clipping", () => {
  for (const { name, function: how, config, shapes, gradients, ...wanted } of golden.clips) {
    test(name, async () => {
      const grads: Tensor[] = gradients.map((flat: number[], i: number) => tensor(flat, shapes[i]));
      const normType = config.norm_type === "inf" ? Infinity : config.norm_type;
      const result =
        how === "clip_grad_value_"
          ? { clipped: clipGradValue(grads, config.clip_value), totalNorm: undefined }
          : clipGradNorm(grads, config.max_norm, { normType });
      const clipped = await evaluate(result.clipped);
      for (const [i, { data, shape }] of clipped.entries()) {
        expect(shape).toEqual(shapes[i]);
        for (const [j, value] of (data as Float32Array).entries()) {
          expect(Math.abs(value - wanted.clipped[i][j])).toBeLessThan(5e-7);
        }
      }
      if (!result.totalNorm) return;
      const { data } = await evaluate(result.totalNorm);
      expect(Math.abs(Number(data[0]) / wanted.total_norm - 1)).toBeLessThan(5e-7);
    });
  }
});

test("any p-norm", async () => {
  const grads = [tensor([3, -4]), tensor([[0], [12]])];
  for (const normType of [0.5, 1, 2, 3, Infinity]) {
    const { totalNorm, clipped } = clipGradNorm(grads, 1, { normType });
    const again = clipGradNorm(clipped, Infinity, { normType }).totalNorm;
    const [before, after] = await evaluate([totalNorm, again]);
    const values = [3, 4, 0, 12];
    const exact =
      normType === Infinity
        ? 12
        : values.reduce((sum, v) => sum + v ** normType, 0) ** (1 / normType);
    expect(Number(before.data[0]) / exact).toBeCloseTo(1, 5);
    expect(Number(after.data[0])).toBeCloseTo(1, 5);
  }
});

test("without a bound gradients are measured, not touched", () => {
  const grads = [tensor([1, 2])];
  expect(clipGradNorm(grads, Infinity).clipped).toEqual(grads);
});

test.each([
  [() => clipGradNorm([tensor([1])], -1), /maxNorm must be at least 0, received -1/],
  [() => clipGradNorm([tensor([1])], 1, { normType: 0 }), /normType must be above 0/],
  [() => clipGradNorm([], 1), /no gradients/],
  [() => clipGradValue([tensor([1])], Number.NaN), /must be at least 0, received NaN/],
] as const)("refuses %#", (run, message) => {
  expect(run).toThrow(message);
});
