import { describe, expect, test } from "vitest";
import {
  Dim,
  data,
  evaluate,
  gradients,
  nn,
  onnx,
  ops,
  optim,
  type Tensor,
  Trainer,
  tensor,
} from "../index.ts";
import { expectOutputs, expectStep, fixture, toTensor } from "./testing.ts";

const wave = (shape: readonly number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.7)),
    shape,
  );
};

describe("files that PyTorch exported", () => {
  test.for([
    "normed-training-17",
    "normed-eval-13-folded",
    "lstm-training-13",
    "gru-packed-preserve-11-folded",
    "attention-training-17",
  ])("%s: outputs", (name) => expectOutputs(fixture(name)));

  test.for(["normed-training-17", "lstm-training-13", "attention-training-17"])(
    "%s: one step of SGD",
    (name) => expectStep(fixture(name)),
  );

  test("names, inputs and outputs are the file's", () => {
    const model = onnx.importModel(fixture("normed-training-17").file);
    expect(model.namedParameters().map(([name]) => name)).toEqual(
      "0.weight 1.weight 1.bias 3.weight 3.bias 4.weight 4.bias 8.weight 8.bias 9.weight 9.bias".split(
        " ",
      ),
    );
    expect(model.namedBuffers().map(([name]) => name)).toEqual(
      [1, 4, 9].flatMap((i) => [`${i}.running_mean`, `${i}.running_var`]),
    );
    const [{ name, dtype, shape }] = model.graphInputs;
    expect([name, dtype, String(shape)]).toEqual(["x", "float32", "batch,2,8,8"]);
    expect(model.graphOutputs).toHaveLength(1);
    expect(model.valueNames).toContain("/7/Flatten_output_0");
    expect(model.valueNames).toContain(model.graphOutputs[0]);
    expect(model.forward(wave([5, 2, 8, 8])).shape).toEqual([5, 3]);
  });
});

describe("training and evaluation mode", () => {
  test("dropout drops in training only, and anew at every seed", async () => {
    const { file, inputs, outputs } = fixture("dropout-training-17");
    const model = onnx.importModel(file);
    const x = toTensor(inputs[0]);
    const [first, again, other] = await Promise.all(
      [1, 1, 2].map((seed) => evaluate(model.forward(x), { seed })),
    );
    expect(again.data).toEqual(first.data);
    expect(other.data).not.toEqual(first.data);
    const evaluated = await evaluate(model.eval().forward(x));
    expect(evaluated.data).not.toEqual(first.data);
    // What is kept is scaled by 1 / (1 - 0.4).
    let kept = 0;
    let positive = 0;
    for (const [i, value] of evaluated.data.entries()) {
      expect(Number(value)).toBeCloseTo(outputs[0].data[i], 5);
      if (Number(value) > 0) positive++;
      if (first.data[i] === 0) continue;
      kept++;
      expect(Number(first.data[i])).toBeCloseTo(Number(value) / 0.6, 4);
    }
    expect(kept).toBeGreaterThan(0.4 * positive);
    expect(kept).toBeLessThan(0.8 * positive);
  });

  test("batch norms measure in training only", () => {
    const model = onnx.importModel(fixture("normed-training-17").file);
    const run = () => nn.trace(model, () => model.forward(wave([4, 2, 8, 8]))).updates;
    expect([...run().keys()]).toEqual(model.namedBuffers().map(([name]) => name));
    model.eval();
    expect(run().size).toBe(0);
  });

  test("batch norms that share statistics measure one after the other", async () => {
    const norm = new nn.BatchNorm1d({ numFeatures: 3 });
    const inputs = { x: { shape: [new Dim("batch"), 3] } };
    const twice = new nn.Sequential(norm, new nn.Tanh(), norm);
    const file = await onnx.exportModel(twice, { inputs });
    const imported = onnx.importModel(file).train();
    const x = wave([6, 3]);
    const { updates } = nn.trace(imported, () => imported.forward(x));
    const expected = () => {
      const [first, second] = [x, ops.tanh(ops.batchNormTrain(x).y)];
      const mean = ops.mul(ops.mean(first, { dim: 0 }), 0.1);
      return ops.add(ops.mul(mean, 0.9), ops.mul(ops.mean(second, { dim: 0 }), 0.1));
    };
    const name = [...updates.keys()].find((key) => key.endsWith("running_mean"))!;
    const [ours, theirs] = await evaluate([updates.get(name)!, expected()]);
    for (const [i, value] of theirs.data.entries()) {
      expect(ours.data[i]).toBeCloseTo(Number(value), 6);
    }
  });
});

describe("fine-tuning", () => {
  const images = wave([24, 2, 8, 8]);
  const labels = Int32Array.from({ length: 24 }, (_, i) => i % 3);
  const loader = () =>
    new data.DataLoader(
      new data.ArrayDataset({
        x: {
          data: (images.node.attrs as { data: Float32Array }).data,
          shape: images.shape as number[],
        },
        y: { data: labels, shape: [24] },
      }),
      { batchSize: 8, shuffle: true, seed: 1 },
    );

  test("a new head on a frozen graph, cut at an inner value", async () => {
    const { file } = fixture("normed-training-17");
    const whole = onnx.importModel(file);
    // The value that the old head, 8.weight, reads.
    const features = onnx.importModel(file, { outputs: ["/7/Flatten_output_0"] });
    expect([...features.stateDict().keys()]).not.toContain("8.weight");
    expect(whole.stateDict().size).toBe(features.stateDict().size + 6);
    features.requiresGrad(false);
    nn.manualSeed(3);
    const model = new nn.Sequential(features, new nn.Linear({ inFeatures: 4, outFeatures: 3 }));
    const before = features.parameters().map(({ data: values }) => values.slice());
    const trainer = new Trainer(model, {
      loss: (net, { x, y }) => nn.crossEntropy(net.forward(x), y),
      optimizer: new optim.Adam({ lr: 0.05 }),
    });
    const { history } = await trainer.fit(loader(), { epochs: 10 });
    expect(history[9].loss).toBeLessThan(history[0].loss);
    expect(features.parameters().map(({ data: values }) => values)).toEqual(before);
    expect([...model.stateDict().keys()].slice(-3)).toEqual([
      "0.4.running_var",
      "1.weight",
      "1.bias",
    ]);
  });

  test("parts are frozen by name", () => {
    const model = onnx.importModel(fixture("normed-training-17").file);
    for (const [name, parameter] of model.namedParameters()) {
      parameter.requiresGrad = name.startsWith("8.") || name.startsWith("9.");
    }
    const free = model.parameters().filter(({ requiresGrad }) => requiresGrad);
    expect(free).toHaveLength(4);
    expect(gradients(model.forward(images).square().sum(), free)).toHaveLength(4);
  });
});
