import { describe, expect, it } from "vitest";
import { LeastSquares } from "./leastSquares.ts";

describe("least squares", () => {
  it("finds the weights of an exact linear relation in any units", () => {
    const fit = new LeastSquares(3, 2);
    for (let i = 0; i < 20; i++) {
      const x = Float64Array.from([1, 1e4 * Math.sin(i), 1e-3 * Math.cos(3 * i)]);
      fit.add(x, Float64Array.from([2 + 3 * x[1], x[2] - x[1]]));
    }
    const w = fit.solve(1e-12);
    for (const [i, wanted] of [2, 0, 3, -1, 0, 1].entries()) expect(w[i]).toBeCloseTo(wanted, 3);
  });

  it("shares a weight between equal features, gives none to absent ones, and needs samples", () => {
    const fit = new LeastSquares(3, 1);
    expect(() => fit.solve()).toThrow(/without samples/);
    for (let i = 1; i < 9; i++) fit.add(Float64Array.from([i, i, 0]), Float64Array.from([4 * i]));
    const w = fit.solve();
    expect(w[0]).toBeCloseTo(2, 4);
    expect(w[1]).toBeCloseTo(2, 4);
    expect(w[2]).toBe(0);
  });
});
