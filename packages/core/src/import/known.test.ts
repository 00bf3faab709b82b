import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { Dim, evaluate, onnx, placeholder, tensor } from "../index.ts";
import { type Attribute, GraphBuilder, valueInfo } from "../onnx/builder.ts";
import { ModelProtoSchema } from "../onnx/onnx_pb.ts";
import { fixture } from "./testing.ts";

/** A graph of x (batch, 6) in which nodes are added; y is its output. */
class Graph {
  readonly builder = new GraphBuilder();

  constructor() {
    this.builder.inputs.push(valueInfo("x", "float32", [new Dim("batch"), 6]));
    this.builder.outputs.push(valueInfo("y", "float32", undefined));
  }

  ints(...values: readonly number[]): string {
    return this.builder.ints(values);
  }

  int(value: number): string {
    return this.builder.constant("int64", [], BigInt64Array.of(BigInt(value)));
  }

  node(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    to = 1,
  ) {
    return this.builder.node(type, inputs, attributes, to)[0];
  }

  module(result: string): onnx.ImportedModule {
    this.builder.node("Identity", [result], {}, ["y"]);
    const opsetImport = [{ domain: "", version: 17n }];
    const model = { irVersion: 8n, opsetImport, graph: this.builder.finish("known") };
    return onnx.importModel(toBinary(ModelProtoSchema, create(ModelProtoSchema, model)));
  }
}
const batch = new Dim("batch");
const open = () => placeholder("x", [batch, 6]);
const floats = Float32Array.from({ length: 12 }, (_, i) => i);

describe("arithmetic on shapes keeps an open batch open", () => {
  test("Shape -> Gather -> Concat -> Reshape, as PyTorch writes view(n, -1, 2)", () => {
    const g = new Graph();
    const n = g.node("Gather", [g.node("Shape", ["x"]), g.int(0)], { axis: 0 });
    const shape = g.node("Concat", [g.node("Unsqueeze", [n, g.ints(0)]), g.ints(-1, 2)], {
      axis: 0,
    });
    const model = g.module(g.node("Reshape", ["x", shape]));
    expect(model.forward(open()).shape).toEqual([batch, 3, 2]);
    expect(model.forward(tensor(floats, [2, 6])).shape).toEqual([2, 3, 2]);
  });

  test("sums, products, quotients, parts and choices of sizes", () => {
    const g = new Graph();
    const shape = g.node("Shape", ["x"]);
    const [n, six] = [
      g.node("Slice", [shape, g.ints(0), g.ints(1)]),
      g.node("Slice", [shape, g.ints(-1), g.ints(2 ** 40)]),
    ];
    // (n · 6 / 2) and (6 + 1 - 5), chosen where 6 is not -1.
    const half = g.node("Div", [g.node("Mul", [n, six]), g.ints(2)]);
    const two = g.node("Sub", [g.node("Add", [six, g.ints(1)]), g.ints(5)]);
    const both = g.node("Concat", [half, two], { axis: 0 });
    const isOpen = g.node("Equal", [both, g.ints(-1, -1)]);
    const chosen = g.node("Where", [isOpen, g.ints(1, 1), both]);
    const model = g.module(g.node("Reshape", ["x", chosen]));
    expect(model.forward(open()).shape.map(String)).toEqual(["3*batch", "2"]);
  });

  test("zeros of a shape, a range, and a branch by a size", async () => {
    const g = new Graph();
    const zeros = g.node("ConstantOfShape", [g.node("Shape", ["x"])]);
    const range = g.node("Range", [g.int(0), g.int(6), g.int(1)]);
    const floatsOf = g.node("Cast", [range], { to: 1 });
    const sum = g.node("Add", [zeros, floatsOf]);
    const size = g.node("Size", [range]);
    const branch = (type: string) => {
      const body = new GraphBuilder(g.builder);
      const [out] = body.node(type, [sum]);
      body.outputs.push(valueInfo(out, "float32", undefined));
      return body.finish(type);
    };
    const then_branch = branch("Neg");
    const else_branch = branch("Exp");
    const isSix = g.node("Equal", [size, g.int(6)]);
    const model = g.module(g.node("If", [isSix], { then_branch, else_branch }));
    const y = model.forward(tensor(floats, [2, 6]));
    expect(Array.from((await evaluate(y)).data, Number)).toEqual(
      [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5].map((v) => -v),
    );
    expect(model.forward(open()).shape).toEqual([batch, 6]);
  });

  test("a size that is computed with becomes a number of the run", async () => {
    const g = new Graph();
    const n = g.node("Gather", [g.node("Shape", ["x"]), g.int(0)], { axis: 0 });
    const model = g.module(g.node("Div", ["x", g.node("Cast", [n], { to: 1 })]));
    const bytes = await onnx.exportModel(model, { inputs: { x: { shape: [batch, 6] } } });
    const again = onnx.importModel(bytes).forward(tensor(floats, [2, 6]));
    expect(Array.from((await evaluate(again)).data as Float32Array)).toEqual(
      Array.from(floats, (v) => v / 2),
    );
  });

  test("a whole network of PyTorch's", () => {
    const model = onnx.importModel(fixture("attention-training-17").file);
    expect(model.forward(placeholder("x", [batch, 5, 6])).shape).toEqual([batch, 5, 6]);
  });
});
