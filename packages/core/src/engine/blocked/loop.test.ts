import { describe, expect, test } from "vitest";
import "../../graph/methods.ts";
import { gradients } from "../../autodiff/gradients.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Tensor } from "../../graph/tensor.ts";
import * as nn from "../../nn/index.ts";
import { type LowerOptions, lowerGraph } from "../../onnx/lowering.ts";
import type { GraphProto, NodeProto } from "../../onnx/onnx_pb.ts";
import { expectSame, filled, rewrite, slopes } from "./testing.ts";

const nodesOf = (
  tensors: readonly Tensor[],
  options: LowerOptions = { rewrite },
): readonly NodeProto[] => lowerGraph(tensors, options).model.graph!.node;
/** The bodies of the loops that a graph is lowered to. */
const bodies = (tensors: readonly Tensor[], options?: LowerOptions): readonly GraphProto[] =>
  nodesOf(tensors, options).flatMap(({ opType, attribute }) =>
    opType === "Scan" ? attribute.flatMap(({ g }) => g ?? []) : [],
  );
const typesIn = (body: GraphProto): readonly string[] => body.node.map(({ opType }) => opType);
const inBlocks = (body: GraphProto): boolean => body.node.some(({ domain }) => domain !== "");

const [T, N, I, H] = [5, 64, 32, 96];
/** An output, the last states, and the gradients of both in the input and in all weights. */
function everything(
  layer: nn.LSTM | nn.GRU | nn.RNN,
  x: Tensor,
  lengths?: readonly number[],
): Tensor[] {
  const { output, state } = layer.forward(x, { lengths });
  const all = [output, state.h, ...("c" in state && state.c ? [state.c] : [])];
  const inputs = [x, ...layer.parameters()];
  const loss = all.map((y, i) => y.mul(filled(y.shape as number[], i)).sum());
  const total = loss.reduce((a, b) => a.add(b));
  return [...all, ...gradients(total, inputs)];
}

describe("a loop in blocks computes what it computes otherwise", () => {
  const sizes = { inputSize: I, hiddenSize: H };
  const layers: readonly [string, () => nn.LSTM | nn.GRU | nn.RNN][] = [
    ["LSTM", () => new nn.LSTM(sizes)],
    ["GRU", () => new nn.GRU(sizes)],
    ["GRU, reset before", () => new nn.GRU({ ...sizes, resetAfter: false })],
    ["RNN", () => new nn.RNN({ inputSize: 64, hiddenSize: 128 })],
    ["RNN with ReLU", () => new nn.RNN({ inputSize: 64, hiddenSize: 128, nonlinearity: "relu" })],
    ["no biases", () => new nn.LSTM({ ...sizes, bias: false })],
    ["a projection", () => new nn.LSTM({ ...sizes, projSize: 48 })],
    ["two layers", () => new nn.LSTM({ ...sizes, numLayers: 2 })],
    ["both directions", () => new nn.GRU({ ...sizes, bidirectional: true, numLayers: 2 })],
    ["an input of broken blocks", () => new nn.LSTM({ ...sizes, inputSize: 13 })],
  ];
  test.for(layers)("%s", async ([, make]) => {
    nn.manualSeed(1);
    const layer = make();
    const tensors = everything(layer, filled([T, N, layer.inputSize], 1));
    expect(bodies(tensors).length).toBeGreaterThan(1);
    expect(bodies(tensors).every(inBlocks)).toBe(true);
    await expectSame(tensors);
  });

  test.for(layers.slice(0, 4))("%s, sequences of several lengths", async ([, make]) => {
    nn.manualSeed(2);
    const layer = make();
    const lengths = Array.from({ length: N }, (_, i) => 1 + (i % T));
    const tensors = everything(layer, filled([T, N, layer.inputSize], 1), lengths);
    expect(bodies(tensors).every(inBlocks)).toBe(true);
    await expectSame(tensors);
  });

  test("a batch that is no whole number of blocks", async () => {
    nn.manualSeed(3);
    const layer = new nn.LSTM({ inputSize: I, hiddenSize: H });
    const tensors = everything(layer, filled([3, 61, I], 1));
    expect(bodies(tensors).every(inBlocks)).toBe(true);
    await expectSame(tensors);
  });

  test("from the last step to the first, and with intermediates computed again", async () => {
    nn.manualSeed(4);
    const cell = new nn.LSTMCell({ inputSize: I, hiddenSize: H });
    for (const options of [{ reverse: true }, { recompute: true }]) {
      const runner = new nn.Runner({ cell, ...options });
      const x = filled([T, N, I], 1);
      const { output } = runner.forward(x);
      const tensors = [output, ...slopes(output, [x, ...cell.parameters()])];
      expect(bodies(tensors).every(inBlocks)).toBe(true);
      await expectSame(tensors);
    }
  });

  test("a step of one's own, with a vector, a matrix and a number from outside", async () => {
    const [x, weight, scale, start] = [
      filled([T, N, H], 1),
      filled([H, H], 2).mul(0.1),
      filled([H], 3),
      filled([N, H], 4),
    ];
    const { ys, states } = ops.scan([start], [x], ([h], [slice]) => {
      const sum = ops.add(ops.matmul(h, weight), ops.mul(slice, scale));
      const next = ops.tanh(ops.add(ops.mul(sum, 0.5), ops.sub(start, h)));
      return { states: [next], ys: [next.mul(slice)] };
    });
    expect(bodies([...ys, ...states]).every(inBlocks)).toBe(true);
    const tensors = [...ys, ...states, ...slopes(ys[0], [x, weight, scale, start])];
    await expectSame(tensors);
  });

  test("the gradient of a gradient", async () => {
    nn.manualSeed(5);
    const layer = new nn.RNN({ inputSize: 64, hiddenSize: 128 });
    const x = filled([3, 32, 64], 1);
    const [dx] = slopes(layer.forward(x).output, [x]);
    const tensors = slopes(dx, [x, ...layer.parameters()]);
    expect(bodies(tensors).some(inBlocks)).toBe(true);
    await expectSame(tensors);
  });
});

describe("how", () => {
  const layer = (kind: typeof nn.LSTM | typeof nn.GRU) => {
    nn.manualSeed(6);
    return new kind({ inputSize: I, hiddenSize: H });
  };
  const gradientsOf = (model: nn.LSTM | nn.GRU, batch = N) => {
    const x = filled([T, batch, I], 1);
    return slopes(model.forward(x).output, model.parameters());
  };

  test("the products of a step are convolutions, and nothing changes its form there", () => {
    for (const body of bodies(gradientsOf(layer(nn.LSTM)))) {
      const types = typesIn(body);
      expect(types.filter((type) => type === "Conv")).toHaveLength(1);
      expect(types).not.toContain("Gemm");
      expect(types).not.toContain("MatMul");
      expect(types).not.toContain("ReorderInput");
      expect(types).not.toContain("ReorderOutput");
    }
  });

  test("a product that is only added to something takes the sum along", () => {
    const [, back] = bodies(gradientsOf(layer(nn.GRU)));
    expect(typesIn(back).filter((type) => type === "Conv")).toHaveLength(2);
    // What is left: the gradient of h from outside and from the step after, and that of n by two ways.
    expect(typesIn(back).filter((type) => type === "Add")).toHaveLength(2);
  });

  test("an activation goes into the product before it", () => {
    const model = new nn.RNN({ inputSize: H, hiddenSize: H });
    const [body] = bodies([model.forward(filled([T, N, H], 1)).output]);
    expect(typesIn(body)).toEqual(["Conv", "Identity"]);
  });

  test("the weights' gradients are convolutions, and the steps are brought together once", () => {
    const model = layer(nn.LSTM);
    const x = filled([8, N, I], 1);
    const nodes = nodesOf(slopes(model.forward(x).output, model.parameters()));
    const types = nodes.map(({ opType }) => opType);
    expect(types.filter((type) => type === "Gather")).toHaveLength(1);
    expect(types).not.toContain("Gemm");
    expect(types).not.toContain("MatMul");
  });

  test("layers at inference, one behind the other", async () => {
    const [first, second] = [
      new nn.GRU({ inputSize: I, hiddenSize: H }),
      new nn.RNN({ inputSize: H, hiddenSize: H }),
    ];
    const { output } = second.forward(first.forward(filled([T, N, I], 1)).output);
    const { ys } = ops.scan([ops.zeros([N, H])], [output], ([h], [x]) => {
      const next = ops.tanh(ops.linear(h, filled([H, H], 2), x));
      return { states: [next], ys: [next] };
    });
    expect(bodies(ys)).toHaveLength(3);
    expect(bodies(ys).every(inBlocks)).toBe(true);
    await expectSame(ys);
  });

  test("few sequences, and steps that do not work on rows, stay as they are", () => {
    expect(bodies(gradientsOf(layer(nn.LSTM), 2)).some(inBlocks)).toBe(false);
    const { ys } = ops.scan([ops.zeros([N, H])], [filled([T, N, H], 1)], ([h], [x]) => {
      const next = ops.softmax(ops.matmul(ops.add(h, x), filled([H, H], 2)), -1);
      return { states: [next], ys: [next] };
    });
    expect(bodies(ys).some(inBlocks)).toBe(false);
  });

  test("files stay standard", () => {
    const nodes = bodies(gradientsOf(layer(nn.LSTM)), {});
    expect(nodes.some(inBlocks)).toBe(false);
  });
});
