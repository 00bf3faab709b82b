import { expect, test } from "vitest";
import { evaluate, tensor } from "../../index.ts";

test("sums and means of millions of numbers keep float32's precision", async () => {
  const shape = [16, 500, 256];
  const values = Float32Array.from({ length: 16 * 500 * 256 }, (_, i) => ((i * 7919) % 1000) / 1e4);
  const exact = values.reduce((sum, value) => sum + value, 0);
  const x = tensor(values, shape);
  const [sum, mean, kept] = await evaluate([x.sum(), x.mean(), x.mean({ keepdim: true })]);
  expect(Number(sum.data[0]) / exact).toBeCloseTo(1, 6);
  expect((Number(mean.data[0]) * values.length) / exact).toBeCloseTo(1, 6);
  expect(kept.shape).toEqual([1, 1, 1]);
  expect(kept.data[0]).toBe(mean.data[0]);
});
