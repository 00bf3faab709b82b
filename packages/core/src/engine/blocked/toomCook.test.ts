import fc from "fast-check";
import { expect, test } from "vitest";
import { filtering, type Matrix } from "./toomCook.ts";

const times = (matrix: Matrix, vector: readonly number[]): number[] =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));

test("F(m, r) are the outputs of the filter", () => {
  const number = fc.integer({ min: -1000, max: 1000 });
  const sizes = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }));
  const cases = sizes
    .filter(([m, r]) => m + r > 2 && m + r <= 7)
    .chain(([m, r]) => {
      const list = (length: number) => fc.array(number, { minLength: length, maxLength: length });
      return fc.tuple(list(m + r - 1), list(r));
    });
  fc.assert(
    fc.property(cases, ([data, taps]) => {
      const m = data.length - taps.length + 1;
      const { input, kernel, output } = filtering(m, taps.length);
      const [under, weights] = [times(input, data), times(kernel, taps)];
      const outputs = times(
        output,
        under.map((value, i) => value * weights[i]),
      );
      for (const [i, value] of outputs.entries()) {
        const plain = taps.reduce((sum, tap, j) => sum + tap * data[i + j], 0);
        expect(value).toBeCloseTo(plain, 4);
      }
    }),
  );
});

test("F(4, 3) is Lavin and Gray's, up to the order of signs", () => {
  expect(filtering(4, 3).input[0]).toEqual([4, 0, -5, 0, 1, 0]);
  expect(filtering(2, 3).output).toEqual([
    [1, 1, 1, 0],
    [0, 1, -1, 1],
  ]);
});
