import { expect } from "vitest";
import "../../graph/methods.ts";
import { gradients } from "../../autodiff/gradients.ts";
import { evaluate } from "../../evaluate.ts";
import { type Tensor, tensor } from "../../graph/tensor.ts";
import { createNativeEngine } from "../native/engine.ts";

export const engine = createNativeEngine({ blocked: true });
export const rewrite = await engine.rewrite?.();
/** The same engine, given standard graphs. */
const standard = createNativeEngine({ blocked: false });

/** Numbers between -1 and 1 that repeat nowhere near. */
export const filled = (shape: readonly number[], salt: number): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * 12.9898 + salt * 78.233)),
    shape,
  );
};
/** The slopes of a sum that weighs every element differently. */
export const slopes = (y: Tensor, inputs: readonly Tensor[]): Tensor[] =>
  gradients(y.mul(filled(y.shape as number[], 9)).sum(), inputs);

/** The same with the rewrite as without it, and again. */
export async function expectSame(tensors: readonly Tensor[], tolerance = 2e-5): Promise<void> {
  const [ours, theirs] = await Promise.all([
    evaluate(tensors, { engine, seed: 3 }),
    evaluate(tensors, { engine: standard, seed: 3 }),
  ]);
  for (const [i, { data, shape }] of theirs.entries()) {
    expect(ours[i].shape).toEqual(shape);
    const [a, b] = [ours[i].data as Float32Array, data as Float32Array];
    const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    let worst = 0;
    for (let j = 0; j < b.length; j++) worst = Math.max(worst, Math.abs(a[j] - b[j]) / scale);
    expect(worst, `output ${i} of ${tensors[i]}`).toBeLessThan(tolerance);
  }
  const again = await evaluate(tensors, { engine, seed: 3 });
  for (const [i, { data }] of again.entries()) expect(data).toEqual(ours[i].data);
}
