import { describe, expect, test } from "vitest";
import "./methods.ts";
import * as ops from "./ops/index.ts";
import type { Op } from "./tensor.ts";
import { elementwise } from "./testing/cases/elementwise.ts";
import { empties } from "./testing/cases/empty.ts";
import { images } from "./testing/cases/images.ts";
import { indexing } from "./testing/cases/indexing.ts";
import { products } from "./testing/cases/matmul.ts";
import { reductions } from "./testing/cases/reduce.ts";
import { shapes } from "./testing/cases/shape.ts";
import { checkOp } from "./testing/checkOp.ts";
import { topological } from "./walk.ts";

const cases = [
  ...elementwise,
  ...reductions,
  ...shapes,
  ...products,
  ...indexing,
  ...images,
  ...empties,
];
/** Tested elsewhere, or no operators of a user's. */
const elsewhere = ["scan", "scansOf", "unionOfScans", "loopOf", "hasStaticShape", "requireStatic"];

const isRecord = (value: unknown): value is Op =>
  typeof value === "object" && value !== null && "lower" in value;
const used = new Set<Op>();

for (const name of new Set(cases.map((entry) => entry.name))) {
  describe(name, () => {
    test.for(cases.filter((entry) => entry.name === name))("", async (entry) => {
      const tensors = await checkOp(entry);
      for (const node of topological(tensors)) used.add(node.op);
    });
  });
}

test("every exported function has a case", () => {
  const functions = Object.entries(ops).filter(([, value]) => !isRecord(value));
  const tested = new Set([...cases.map((entry) => entry.name), ...elsewhere]);
  expect(functions.map(([name]) => name).filter((name) => !tested.has(name))).toEqual([]);
});

test("every operator record was run", () => {
  // `size` is only made for symbolic sizes, which exports test; `scan` has tests of its own.
  const others: readonly object[] = [ops.scanOp, ops.sizeOp];
  const records = Object.values(ops as Record<string, unknown>).filter(isRecord);
  const missing = records.filter((op) => !used.has(op) && !others.includes(op));
  expect(missing.map((op) => op.name)).toEqual([]);
});
