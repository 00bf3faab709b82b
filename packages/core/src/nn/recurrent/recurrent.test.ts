import { expect, test } from "vitest";
import { createNativeEngine } from "../../engine/native/engine.ts";
import { evaluate, gradients, nn, ops, type Tensor, tensor } from "../../index.ts";
import { lowerGraph } from "../../onnx/lowering.ts";

const wave = (size: number, phase: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + phase));

async function expectClose(actual: readonly Tensor[], expected: readonly Tensor[], digits = 5) {
  const [a, e] = [await evaluate(actual), await evaluate(expected)];
  for (const [i, { data, shape }] of a.entries()) {
    expect(shape).toEqual(e[i].shape);
    for (let j = 0; j < data.length; j++)
      expect(data[j], `${i}[${j}]`).toBeCloseTo(Number(e[i].data[j]), digits);
  }
}

/** The engine without its own ways: it runs the operators that files have. */
const plain = createNativeEngine({ blocked: false });

const kinds = {
  rnn: () => new nn.RNN({ inputSize: 3, hiddenSize: 4, bidirectional: true, numLayers: 2 }),
  lstm: () => new nn.LSTM({ inputSize: 3, hiddenSize: 4, bidirectional: true, numLayers: 2 }),
  gru: () => new nn.GRU({ inputSize: 3, hiddenSize: 4, bidirectional: true, numLayers: 2 }),
  "gru, reset before": () => new nn.GRU({ inputSize: 3, hiddenSize: 4, resetAfter: false }),
};

for (const [name, make] of Object.entries(kinds)) {
  test.each([undefined, [5, 2, 3]])(
    `${name}: fused and loop agree, lengths %s`,
    async (lengths) => {
      nn.manualSeed(3);
      const model = make();
      const x = tensor(wave(5 * 3 * 3, 1), [5, 3, 3]);
      const { output, state } = model.forward(x, { lengths });
      const outputs = [output, state.h, ...(state.c ? [state.c] : [])];
      const fused = await evaluate(outputs, { engine: plain });
      // Asking for a gradient as well makes the same layer run as a loop.
      const [, ...looped] = await evaluate([...gradients(output.square().sum(), [x]), ...outputs]);
      for (const [i, { data }] of fused.entries()) {
        for (let j = 0; j < data.length; j++)
          expect(data[j]).toBeCloseTo(Number(looped[i].data[j]), 5);
      }
    },
  );
}

test("a runner over the library's own cell equals the layer, gradients included", async () => {
  const layer = new nn.LSTM({ inputSize: 3, hiddenSize: 4, batchFirst: true });
  const runner = new nn.Runner({
    cell: new nn.LSTMCell({ inputSize: 3, hiddenSize: 4 }),
    batchFirst: true,
  });
  const renamed = [...layer.stateDict()].map(
    ([name, value]) => [`cell.${name.replace("_l0", "")}`, value] as const,
  );
  runner.loadStateDict(new Map(renamed));
  const x = tensor(wave(2 * 5 * 3, 1), [2, 5, 3]);
  const [a, b] = [layer.forward(x), runner.forward(x)];
  const grads = (y: Tensor, model: nn.Module) => gradients(y.square().sum(), model.parameters());
  await expectClose(
    [a.output, a.state.h.squeeze(0), ...grads(a.output, layer)],
    [b.output, b.state.h, ...grads(b.output, runner)],
  );
});

test("names and shapes are PyTorch's", () => {
  const model = new nn.LSTM({ inputSize: 3, hiddenSize: 4, numLayers: 2, bidirectional: true });
  const names = [...model.stateDict().keys()];
  expect(names.slice(0, 5)).toEqual([
    "weight_ih_l0",
    "weight_hh_l0",
    "bias_ih_l0",
    "bias_hh_l0",
    "weight_ih_l0_reverse",
  ]);
  expect(model.stateDict().get("weight_ih_l1")?.shape).toEqual([16, 8]);
});

test("errors name the module and what was received", () => {
  class Net extends nn.Module {
    encoder = new nn.LSTM({ inputSize: 3, hiddenSize: 4 });
    forward(x: Tensor): Tensor {
      return this.encoder.forward(x).output;
    }
  }
  expect(() => new Net().forward(ops.zeros([5, 2, 7]))).toThrow(
    /^in encoder: LSTM: expected input \(time, batch, 3\).*received \[5, 2, 7\]/,
  );
});

test("layers say which option is wrong", () => {
  expect(() => new nn.Linear(2 as never)).toThrow(
    /Linear: inFeatures is undefined; give new Linear\(/,
  );
  expect(() => new nn.Embedding({ numEmbeddings: 0, embeddingDim: 3 })).toThrow(
    /numEmbeddings is 0/,
  );
});

test("weight dropout leaves out hidden-to-hidden weights, the same at every step", async () => {
  const model = new nn.RNN({ inputSize: 1, hiddenSize: 40, bias: false, weightDropout: 0.5 });
  // Identity weights carry each unit on, or lose it where its weight is left out.
  const eye = Float32Array.from({ length: 1600 }, (_, i) => (i % 41 === 0 ? 1 : 0));
  (model.parameter("weight_hh_l0")!.data as Float32Array).set(eye);
  (model.parameter("weight_ih_l0")!.data as Float32Array).fill(0);
  const h = tensor(new Float32Array(40).fill(0.01), [1, 1, 40]);
  const after = async () => {
    const { state } = model.forward(ops.zeros([2, 1, 1]), { state: { h } });
    return [...((await evaluate(state.h, { seed: 4 })).data as Float32Array)];
  };
  const kept = (await after()).filter((value) => value > 0);
  expect(kept.length).toBeGreaterThan(8);
  expect(kept.length).toBeLessThan(32);
  // Scaled by 1 / (1 - p) at each of the two steps, which share one mask.
  for (const value of kept) expect(value).toBeCloseTo(0.04, 4);
  model.eval();
  expect((await after()).every((value) => Math.abs(value - 0.01) < 1e-4)).toBe(true);
});

test("a loop reads what an encoder outside left, and does not run it again", async () => {
  nn.manualSeed(3);
  const encoder = new nn.GRU({ inputSize: 3, hiddenSize: 4 });
  const x = tensor(wave(5 * 2 * 3, 1), [5, 2, 3]);
  const { output } = encoder.forward(x);
  // Each step looks at all of the encoder's states; the gradient makes the encoder a loop of its own.
  const { ys } = ops.scan([ops.ones([2, 4])], [x], ([h]) => {
    const weights = output.mul(h).sum({ dim: 2, keepdim: true }).softmax(0);
    const next = output.mul(weights).sum({ dim: 0 }).add(h).tanh();
    return { states: [next], ys: [next] };
  });
  const loss = ys[0].square().sum();
  const grads = gradients(loss, encoder.parameters());
  const { model } = lowerGraph([loss, ...grads]);
  const loops = model.graph!.node.filter(({ opType }) => opType === "Scan");
  expect(loops.length).toBe(4);
  for (const { attribute } of loops) {
    const inner = attribute.flatMap(({ g }) => g?.node ?? []).map(({ opType }) => opType);
    expect(inner.length).toBeGreaterThan(0);
    for (const opType of ["Scan", "GRU"]) expect(inner).not.toContain(opType);
  }
  // The same unrolled, from the encoder's outputs on.
  let h = ops.ones([2, 4]);
  const states: Tensor[] = [];
  for (let t = 0; t < 5; t++) {
    const weights = output.mul(h).sum({ dim: 2, keepdim: true }).softmax(0);
    h = output.mul(weights).sum({ dim: 0 }).add(h).tanh();
    states.push(h);
  }
  const unrolled = ops.stack(states, 0).square().sum();
  await expectClose(grads, gradients(unrolled, encoder.parameters()), 4);
});
