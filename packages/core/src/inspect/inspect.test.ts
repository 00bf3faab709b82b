import { describe, expect, it } from "vitest";
import { models, nn, ops, Parameter, placeholder, type Tensor, tensor } from "../index.ts";
import { gradientFlow, notices, summary, summaryText } from "./index.ts";

const linear = (inFeatures: number, outFeatures: number, bias = true) =>
  new nn.Linear({ inFeatures, outFeatures, bias });

describe("summary", () => {
  it("counts a linear layer: in·out + out parameters, in·out multiply-adds", () => {
    const { layers, ...totals } = summary(linear(4, 3), [4]);
    expect(totals).toEqual({
      model: "Linear",
      inputShapes: [[1, 4]],
      parameters: 15,
      trainable: 15,
      macs: 12,
      activationBytes: (4 + 3) * 4,
      inPlaceBytes: 0,
    });
    expect(layers).toEqual([
      { name: "", type: "Linear", outputShape: [1, 3], parameters: 15, macs: 12, memory: 12 },
    ]);
  });

  it("lists the layers of a network, activations by their class", () => {
    const model = new nn.Sequential(linear(8, 16), new nn.ReLU(), new nn.Dropout(), linear(16, 2));
    const { layers, parameters, macs, activationBytes } = summary(model, [8], { batch: 5 });
    expect(layers.map(({ name, type, memory }) => [name, type, memory])).toEqual([
      ["0", "Linear", 5 * 16 * 4],
      // Overwrites what it reads.
      ["1", "ReLU", 0],
      // Hands its input on: the tensor is counted already.
      ["2", "Dropout", 0],
      ["3", "Linear", 5 * 2 * 4],
    ]);
    expect(parameters).toBe(8 * 16 + 16 + 16 * 2 + 2);
    expect(macs).toBe(5 * (8 * 16 + 16 * 2));
    expect(activationBytes).toBe(5 * 4 * (8 + 16 + 2));
    expect(model.training).toBe(true);
  });

  // Per layer and direction: gates · hidden · (input + hidden + 2) parameters, and as many multiply-adds
  // per step as there are weights without the biases.
  const [T, I, H] = [7, 5, 6];
  const recurrent: [string, nn.Module, number][] = [
    ["RNN", new nn.RNN({ inputSize: I, hiddenSize: H, batchFirst: true }), 1],
    ["LSTM", new nn.LSTM({ inputSize: I, hiddenSize: H, batchFirst: true }), 4],
    ["GRU", new nn.GRU({ inputSize: I, hiddenSize: H, batchFirst: true }), 3],
  ];
  for (const [type, model, gates] of recurrent) {
    it(`counts a layer of ${type}`, () => {
      const { layers, parameters, macs } = summary(model, [T, I]);
      expect(parameters).toBe(gates * H * (I + H + 2));
      expect(macs).toBe(T * gates * H * (I + H));
      expect(layers[0]).toMatchObject({ type, outputShape: [1, T, H] });
      const states = type === "LSTM" ? 2 : 1;
      expect(layers[0].memory).toBe((T * H + states * H) * 4);
    });
  }

  it("counts stacked and bidirectional layers", () => {
    const model = new nn.LSTM({ inputSize: I, hiddenSize: H, numLayers: 2, bidirectional: true });
    const { parameters, macs } = summary(model, placeholder("x", [T, 3, I]));
    expect(parameters).toBe(2 * 4 * H * (I + H + 2) + 2 * 4 * H * (2 * H + H + 2));
    expect(macs).toBe(3 * T * (2 * 4 * H * (I + H) + 2 * 4 * H * (2 * H + H)));
  });

  it("counts a loop over any cell as its step times the length, under the cell's path", () => {
    const model = new nn.Runner({ cell: new nn.GRUCell({ inputSize: I, hiddenSize: H }) });
    const report = summary(model, placeholder("x", [T, 2, I]));
    expect(report.macs).toBe(2 * T * 3 * H * (I + H));
    expect(report.layers.map(({ name, type, macs }) => [name, type, macs])).toEqual([
      ["cell", "GRUCell", 2 * T * 3 * H * (I + H)],
      ["", "Runner", 0],
    ]);
    expect(report.layers[1].outputShape).toEqual([T, 2, H]);
  });

  it("counts an LSTM with a projection, which runs as a loop", () => {
    const P = 2;
    const model = new nn.LSTM({ inputSize: I, hiddenSize: H, projSize: P });
    const { parameters, macs } = summary(model, placeholder("x", [T, 1, I]));
    expect(parameters).toBe(4 * H * (I + P + 2) + P * H);
    expect(macs).toBe(T * (4 * H * (I + P) + P * H));
  });

  it("counts shared parameters once and frozen ones apart", () => {
    class Tied extends nn.Module {
      readonly encode = new nn.Embedding({ numEmbeddings: 11, embeddingDim: 4 });
      readonly decode = linear(4, 11, false);
      readonly spare = linear(2, 2);
      readonly scale = new Parameter(new Float32Array(4), [4]);

      constructor() {
        super();
        Object.assign(this.decode, { weight: this.encode.weight });
        this.spare.requiresGrad(false);
      }

      forward(tokens: Tensor): Tensor {
        return this.decode.forward(ops.mul(this.encode.forward(tokens), this.scale));
      }
    }
    const report = summary(new Tied(), { shape: [9], dtype: "int32" });
    expect([report.parameters, report.trainable]).toEqual([44 + 6 + 4, 44 + 4]);
    expect(report.macs).toBe(9 * 4 * 11);
    const rows = report.layers.map(({ name, parameters, outputShape }) => [
      name,
      parameters,
      outputShape,
    ]);
    expect(rows).toEqual([
      ["encode", 44, [1, 9, 4]],
      ["decode", 0, [1, 9, 11]],
      ["", 4, [1, 9, 11]],
      ["spare", 6, []],
    ]);
    expect(report.layers.reduce((sum, layer) => sum + layer.parameters, 0)).toBe(report.parameters);
  });

  it("takes several inputs and another forward", () => {
    const model = linear(4, 3);
    const { macs, inputShapes } = summary(model, [[4], [2, 3]], {
      forward: ([x, y]) => ops.matmul(y, ops.reshape(model.forward(x), [1, 3, 1])),
    });
    expect(inputShapes).toEqual([
      [1, 4],
      [1, 2, 3],
    ]);
    expect(macs).toBe(12 + 2 * 3);
  });

  it("says what does not fit, and leaves the model as it was", () => {
    const model = new nn.Sequential(linear(4, 3)).eval();
    expect(() => summary(model, [5])).toThrow(/linear: input \[1, 5\]/);
    expect(model.training).toBe(false);
    expect(summary(model, [4]).macs).toBe(12);
    expect(() => summary(model, [4], { batch: 0 })).toThrow(/batch must be a positive integer/);
    expect(() => summary(model, [0])).toThrow(/shape \[0\]/);
  });

  it("reads as a table", () => {
    const model = new nn.Sequential(linear(40, 30), new nn.ReLU());
    expect(`\n${summaryText(summary(model, [40]))}`).toBe(`
Sequential, input 1 x 40
layer  type    output  parameters   MACs  memory
------------------------------------------------
0      Linear  1 x 30       1,230  1,200   120 B
1      ReLU    1 x 30           0      0     0 B

parameters   1,230
MACs         1,200
activations  280 B
`);
  });
});

describe("the lecture's facts, read off summaries", () => {
  const image = [3, 224, 224];

  it("VGG-16: 60.95 MB of activations by the published count, 138 million parameters", () => {
    const report = summary(models.vgg16(), image);
    // The rows of the lecture's table, in thousands of numbers as it rounds them.
    const table = [150, 3200, 3200, 800, 1600, 1600, 400, 800, 800, 800, 200, 400, 400, 400];
    const rest = [100, 100, 100, 100, 25, 4.096, 4.096, 1];
    const lecture = [...table, ...rest].reduce((a, b) => a + b);
    expect(report.activationBytes).toBe(60_950_432);
    expect(Math.abs(report.activationBytes / 4000 / lecture - 1)).toBeLessThan(0.01);
    expect(report.activationBytes + report.inPlaceBytes).toBe(115_173_280);
    expect(report.layers.reduce((total, { memory }) => total + memory, 4 * 3 * 224 * 224)).toBe(
      report.activationBytes,
    );
    expect(report.parameters).toBe(138_357_544);
    expect(report.macs).toBe(15_470_264_320);
    expect(notices(report)).toEqual([
      "Fully connected layers hold 89.4 % of the parameters and do 0.8 % of the multiply-adds.",
      "Half of the activations lie in the first 6 of 39 layers.",
      "Counted as one with the layer before: ReLUs, which overwrite their input. Kept apart they " +
        "would take 54,222,848 bytes more, 115,173,280 in all.",
    ]);
  });

  it("a ReLU on the input has memory of its own", () => {
    expect(summary(new nn.Sequential(new nn.ReLU(), linear(4, 1)), [4]).activationBytes).toBe(36);
  });

  it("AlexNet is fully connected layers, GoogLeNet nearly half auxiliary heads", () => {
    for (const variant of ["paper", "torchvision"] as const) {
      const [share] = notices(summary(models.alexnet({ variant }), image));
      expect(share).toMatch(/^Fully connected layers hold 9[56]\.\d % of the parameters/);
    }
    expect(notices(summary(models.googlenet(), image))).toContain(
      "Not used outside training: aux1, aux2 with 6,379,984 parameters (49.1 %); 6,624,904 without.",
    );
  });

  it("a residual network's stages cost the same", () => {
    for (const [model, shape, macs] of [
      [models.resnet34(), image, "231,211,008"],
      [models.resnet50(), image, "218,365,952"],
      [models.plain20(), [3, 32, 32], "4,718,592"],
    ] as const) {
      const found = notices(summary(model, shape)).find((line) => line.startsWith("Every stage"));
      expect(found).toContain(` take ${macs} multiply-adds each; half the image's side`);
    }
    const uneven = new models.ResNet({ block: "basic", blocks: [2, 1, 1, 1], numClasses: 2 });
    expect(notices(summary(uneven, image)).join()).not.toContain("Every stage");
  });
});

describe("gradientFlow", () => {
  it("gives the norm of every parameter's gradient and of the parameter", async () => {
    const model = linear(2, 1);
    model.weight.data.set([3, 4] as never);
    model.bias!.data.set([2] as never);
    // loss = 3·6 + 4·8 + 2: the gradient is the input, and 1 for the bias.
    const loss = ops.sum(model.forward(tensor([[6, 8]])));
    expect(await gradientFlow(model, loss)).toEqual([
      { name: "weight", gradient: 10, weight: 5 },
      { name: "bias", gradient: 1, weight: 2 },
    ]);
  });
});
