import { expect, test } from "vitest";
import { Keywords } from "./keywords.ts";
import { kinds } from "./kinds/index.ts";
import { Arguments } from "./kinds/kind.ts";
import { makeOptimizer } from "./optimizers.ts";
import { makeSchedule } from "./schedules.ts";
import { expectClose, tolerance } from "./tolerance.ts";

// The suite itself: what it does not know must fail, not pass.
const x = { shape: [2], data: Float32Array.of(-1, 2) };

function run(kind: string, config: Record<string, never | number | string | boolean>) {
  const keywords = new Keywords(kind, config);
  kinds[kind]!(new Arguments(kind, new Map([["x", x]])), keywords);
  keywords.done();
}

test("unknown keywords and values fail", () => {
  expect(() => run("relu", { inplace: false })).not.toThrow();
  expect(() => run("relu", { inplace: true })).toThrow("inplace = true, but only false is known");
  expect(() => run("relu", { slope: 1 })).toThrow("keywords nobody knows: slope");
  expect(() => run("gelu", { approximate: "erf" })).toThrow("only none, tanh is known");
  expect(() => run("pad", { pad: 3 })).toThrow("only a list of numbers is known");
  expect(() => makeOptimizer("LBFGS", new Keywords("LBFGS", {}))).toThrow("LBFGS is not known");
  expect(() => makeOptimizer("Adam", new Keywords("Adam", { warmup: 3 }))).toThrow("warmup");
  expect(() => makeSchedule("LambdaLR", 1, new Keywords("", {}))).toThrow("LambdaLR is not known");
});

test("tensors that a kind does not read fail", () => {
  const t = new Arguments("relu", new Map([...["x", "y"].map((name) => [name, x] as const)]));
  kinds.relu!(t, new Keywords("relu", {}));
  expect(() => t.done()).toThrow("tensors nobody knows: y");
});

test("comparison is relative to the largest element, and exact where PyTorch is", () => {
  expect(tolerance(0)).toBe(0);
  expect(() => expectClose("y", [1, 2e-6], [1, 0], tolerance(1e-7))).not.toThrow();
  expect(() => expectClose("y", [1, 3e-6], [1, 0], tolerance(1e-7))).toThrow("element 1");
  expect(() => expectClose("y", [1 + 1e-7], [1], 0)).toThrow("allowed 0");
  expect(() => expectClose("y", [Number.NaN], [1], 1)).toThrow("is NaN");
  expect(() => expectClose("y", [Infinity, 1], [Infinity, 1], 0)).not.toThrow();
  expect(() => expectClose("y", [1], [1, 2], 1)).toThrow("number of elements");
});
