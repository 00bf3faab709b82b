import { describe, expect, test } from "vitest";
import { gradients } from "../../autodiff/gradients.ts";
import { createNativeEngine } from "../../engine/native/engine.ts";
import { evaluate } from "../../evaluate.ts";
import { encodeModel, lowerGraph } from "../../onnx/lowering.ts";
import { Dim } from "../dim.ts";
import { placeholder, tensor } from "../tensor.ts";
import "../methods.ts";
import * as ops from "./index.ts";

/** So often that threads which add to one row at a time would be seen to lose sums. */
const REPEATED = 20;

/** Rows (n, E) of whole numbers, whose sums are exact in any order, and positions of which a few come often. */
function rowsFor([count, width, n]: readonly number[]) {
  const rows = Float32Array.from({ length: n * width }, (_, i) => ((i * 7919) % 13) - 5);
  const positions = Int32Array.from({ length: n }, (_, i) => (i % 4 === 0 ? (i * 31) % count : 2));
  const sums = new Float32Array(count * width);
  for (let i = 0; i < n; i++) {
    for (let e = 0; e < width; e++) sums[positions[i] * width + e] += rows[i * width + e];
  }
  return { indices: tensor(positions, [n], "int32"), rows: tensor(rows, [n, width]), sums };
}

/** As bytes: to compare a million numbers one by one takes seconds. */
function expectSame(data: ArrayBufferView, expected: Float32Array<ArrayBuffer>): void {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  expect(bytes.equals(Buffer.from(expected.buffer))).toBe(true);
}

/** Sizes in three forms: added at once, part of the rows after part, columns beside columns. */
const sizes = [
  [90, 32, 6240],
  [90, 32, 10240],
  [65, 200, 6400],
  [4000, 64, 9600],
];

describe.each(sizes)("rows that share a position, %i x %i of %i", (count, width, n) => {
  const { indices, rows, sums } = rowsFor([count, width, n]);
  test("none is lost from the sum, nor from the gradient of take", async () => {
    const weight = tensor(new Float32Array(count * width), [count, width]);
    const [gradient] = gradients(ops.sum(ops.mul(ops.take(weight, indices), rows)), [weight]);
    const direct = ops.scatterRows(ops.zeros([count, width]), indices, rows);
    for (let i = 0; i < REPEATED; i++) {
      for (const { data } of await evaluate([gradient, direct])) expectSame(data, sums);
    }
  });
});

test("none is lost where the number of rows is open", async () => {
  const [count, width] = sizes[1];
  const { indices, rows, sums } = rowsFor(sizes[1]);
  const open = new Dim("rows");
  const sum = ops.scatterRows(
    ops.zeros([count, width]),
    placeholder("at", [open], "int32"),
    placeholder("added", [open, width]),
  );
  const { model, outputs } = lowerGraph([sum]);
  const run = await createNativeEngine().compile(encodeModel(model), { label: "open" });
  const feeds = { at: await evaluate(indices), added: await evaluate(rows) };
  for (let i = 0; i < REPEATED; i++) expectSame((await run.run(feeds))[outputs[0]].data, sums);
  run.release();
});
