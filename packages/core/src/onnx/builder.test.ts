import { expect, test } from "vitest";
import "../graph/methods.ts";
import { evaluate } from "../evaluate.ts";
import * as ops from "../graph/ops/index.ts";
import { Parameter, placeholder, tensor } from "../graph/tensor.ts";
import { GraphBuilder, valueInfo } from "./builder.ts";
import { lowerGraph } from "./lowering.ts";

test("names are unique, also beside those that look like numbered ones", () => {
  const builder = new GraphBuilder();
  const names = ["a_1", "a", "a", "a", "a_1", "b"].map((name) => builder.unique(name));
  expect(names).toEqual(["a_1", "a", "a_2", "a_3", "a_1_1", "b"]);
  expect(new GraphBuilder(builder).unique("b")).toBe("b_1");
});

test("nodes and constants that nobody reads are left out, those that bodies read are not", () => {
  const outer = new GraphBuilder();
  const scale = outer.scalar(3);
  const [read] = outer.node("Neg", [scale]);
  const [deep] = outer.node("Abs", [scale]);
  outer.node("Exp", [outer.scalar(4)]);
  const inner = new GraphBuilder(outer);
  inner.node("Identity", [deep], {}, ["deep_out"]);
  inner.outputs.push(valueInfo("deep_out", "float32", []));
  const body = new GraphBuilder(outer);
  const [condition] = body.node("Not", [body.constant("bool", [], Uint8Array.of(0) as never)]);
  const nested = inner.finish("nested");
  body.node("If", [condition], { then_branch: nested, else_branch: nested }, ["picked"]);
  body.node("Add", ["picked", read], {}, ["out"]);
  body.outputs.push(valueInfo("out", "float32", []));
  outer.node("Scan", ["x"], { body: body.finish("body"), num_scan_inputs: 1 }, ["y"]);
  outer.outputs.push(valueInfo("y", "float32", []));
  const names = outer.prune();
  const { node, initializer } = outer.finish("graph");
  expect(node.map(({ opType }) => opType)).toEqual(["Neg", "Abs", "Scan"]);
  expect(initializer.map(({ name }) => name)).toEqual([scale]);
  expect(names.has("x")).toBe(true);
});

test("results: asked for twice, inputs, constants, read by others", async () => {
  const x = tensor(Float32Array.of(1, -2));
  const y = x.mul(2);
  const values = await evaluate([y, y, x, ops.constant(5), y.add(1)]);
  expect(values.map(({ data }) => [...(data as Float32Array)])).toEqual([
    [2, -4],
    [2, -4],
    [1, -2],
    [5],
    [3, -3],
  ]);
});

test("fixed parameters that only unread nodes read are none of the model's", () => {
  const weight = new Parameter(Float32Array.of(1, 2), [2]);
  const y = placeholder("x", [2]).mul(weight);
  const { fixed, inputs, model } = lowerGraph([y], { fixed: new Set([weight]) });
  expect([...fixed.values()]).toEqual([weight]);
  expect(inputs.map(({ name }) => name)).toEqual(["x"]);
  expect(model.graph!.initializer.map(({ name }) => name)).toEqual([...fixed.keys()]);
});
