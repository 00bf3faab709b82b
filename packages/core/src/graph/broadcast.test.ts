import fc from "fast-check";
import { expect, test } from "vitest";
import "./methods.ts";
import { gradients } from "../autodiff/gradients.ts";
import { evaluate } from "../evaluate.ts";
import * as ops from "./ops/index.ts";
import { toTensor } from "./testing/checkOp.ts";
import { at, broadcastShape, build, count, type Nd, zip } from "./testing/ndarray.ts";

/** Shapes of which each axis is whole, 1, or missing at the front: they broadcast together. */
const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }).chain((full) => {
  const one = fc
    .tuple(
      fc.integer({ min: 0, max: full.length }),
      fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    )
    .map(([drop, ones]) => full.map((size, i) => (ones[i] ? 1 : size)).slice(drop));
  return fc.tuple(one, one, one);
});
const filled = (shape: readonly number[], salt: number): Nd => ({
  shape,
  data: Array.from({ length: count(shape) }, (_, i) => Math.fround(Math.sin(i * 2.3 + salt))),
});

test("values and gradients of broadcast operands", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async ([sa, sb, sc]) => {
      const arrays = [filled(sa, 1), filled(sb, 2), filled(sc, 3)];
      const [a, b, c] = arrays.map(toTensor);
      const y = a.mul(b).sub(c);
      const shape = broadcastShape(sa, sb, sc);
      expect(y.shape).toEqual(shape);
      const grads = gradients(y.sum(), [a, b, c]);
      const [value, ...slopes] = await evaluate([y, ...grads]);
      const near = (own: ArrayLike<number | bigint>, { data }: Nd) =>
        expect([...(own as Float32Array)].map((v, i) => Math.abs(v - data[i]) < 1e-5)).toEqual(
          data.map(() => true),
        );
      near(
        value.data,
        zip((p, q, r) => p * q - r, ...arrays),
      );
      // An operand's slope is the sum over all places where it stands.
      const gathered = (own: Nd, slope: (index: number[]) => number): Nd => {
        const total = new Map<string, number>();
        build(shape, (index) => {
          const tail = index.slice(shape.length - own.shape.length);
          const key = String(tail.map((i, axis) => (own.shape[axis] === 1 ? 0 : i)));
          total.set(key, (total.get(key) ?? 0) + slope(index));
          return 0;
        });
        return build(own.shape, (index) => total.get(String(index)) ?? 0);
      };
      near(
        slopes[0].data,
        gathered(arrays[0], (index) => at(arrays[1], index)),
      );
      near(
        slopes[1].data,
        gathered(arrays[1], (index) => at(arrays[0], index)),
      );
      near(
        slopes[2].data,
        gathered(arrays[2], () => -1),
      );
    }),
    { numRuns: 25 },
  );
});

test("shapes that do not broadcast are both named", () => {
  const [a, b] = [ops.zeros([2, 3]), ops.zeros([4])];
  expect(() => a.add(b)).toThrow(/add: shapes \[2, 3\] and \[4\] do not broadcast/);
});
