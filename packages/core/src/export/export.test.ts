import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Batch,
  Dim,
  data,
  evaluate,
  nn,
  onnx,
  ops,
  optim,
  type Tensor,
  Trainer,
  tensor,
} from "../index.ts";
import { refused, skipped } from "../onnx/testing.ts";

// The environment is one for the process: ours must come before onnxruntime-node's.
beforeAll(async () => void (await evaluate(ops.constant(0))));

const wave = (size: number, phase = 0) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + phase));

/** Embedding, two-way LSTM over time, normalisation, dropout, head: what exports must carry. */
class Tagger extends nn.Module {
  embedding = new nn.Embedding({ numEmbeddings: 11, embeddingDim: 5 });
  lstm = new nn.LSTM({ inputSize: 5, hiddenSize: 4, bidirectional: true, batchFirst: true });
  norm = new nn.LayerNorm({ normalizedShape: 8 });
  drop = new nn.Dropout({ p: 0.3 });
  head = new nn.Linear({ inFeatures: 8, outFeatures: 3 });
  forward(tokens: Tensor): { scores: Tensor; state: { h: Tensor } } {
    const { output, state } = this.lstm.forward(this.embedding.forward(tokens));
    const read = this.drop.forward(this.norm.forward(output));
    return { scores: this.head.forward(read).logSoftmax(), state: { h: state.h } };
  }
}

class Series extends nn.Module {
  readonly encoder: nn.RNN | nn.LSTM | nn.GRU;
  head = new nn.Linear({ inFeatures: 4, outFeatures: 2 });
  constructor(encoder: nn.RNN | nn.LSTM | nn.GRU) {
    super();
    this.encoder = encoder;
  }
  forward(x: Tensor): Tensor {
    const { state } = this.encoder.forward(ops.transpose(x, 0, 1));
    return this.head.forward(ops.select(state.h, -1, 0));
  }
}
const options = { inputSize: 3, hiddenSize: 4, numLayers: 2 };
const encoders = {
  rnn: () => new nn.RNN({ ...options, nonlinearity: "relu" }),
  lstm: () => new nn.LSTM(options),
  gru: () => new nn.GRU(options),
};

const toOrt = ({ dtype, shape }: Tensor, values: Float32Array | BigInt64Array | Int32Array) =>
  new OrtTensor(dtype as "float32", values as Float32Array, shape as number[]);

describe("exportModel", () => {
  const batch = new Dim("batch");
  const time = new Dim("time");

  test.each(Object.entries(encoders))(
    "%s: our own results at batch 1, 3 and 8",
    async (_, encoder) => {
      nn.manualSeed(5);
      const model = new Series(encoder());
      const bytes = await onnx.exportModel(model, { inputs: { x: { shape: [batch, 6, 3] } } });
      const session = await InferenceSession.create(bytes);
      for (const n of [1, 3, 8]) {
        const x = tensor(wave(n * 18, n), [n, 6, 3]);
        const ours = await evaluate(model.eval().forward(x));
        const { output } = await session.run({ x: toOrt(x, wave(n * 18, n)) });
        expect(output.dims).toEqual([n, 2]);
        for (let i = 0; i < 2 * n; i++) {
          expect((output.data as Float32Array)[i]).toBeCloseTo(Number(ours.data[i]), 5);
        }
      }
    },
  );

  test("batch and time may both be open; nested outputs keep their names", async () => {
    const model = new Tagger();
    const bytes = await onnx.exportModel(model, {
      inputs: { tokens: { shape: [batch, time], dtype: "int64" } },
    });
    expect(model.training).toBe(true);
    const session = await InferenceSession.create(bytes);
    expect(session.outputNames).toEqual(["scores", "state.h"]);
    for (const [n, t] of [
      [1, 4],
      [3, 7],
      [8, 1],
    ]) {
      const ids = BigInt64Array.from({ length: n * t }, (_, i) => BigInt(i % 11));
      const tokens = tensor(ids, [n, t], "int64");
      const [scores, h] = await evaluate(Object.values(flat(model.eval().forward(tokens))));
      model.train();
      const results = await session.run({ tokens: toOrt(tokens, ids) });
      for (const [name, ours] of [
        ["scores", scores],
        ["state.h", h],
      ] as const) {
        expect(results[name].dims).toEqual([...ours.shape]);
        for (const [i, value] of (results[name].data as Float32Array).entries()) {
          expect(value).toBeCloseTo(Number(ours.data[i]), 5);
        }
      }
    }
  });

  test.skipIf(skipped)(
    `onnx.checker accepts the files${skipped ? ` (${skipped})` : ""}`,
    async () => {
      const inputs = { x: { shape: [batch, 6, 3] } };
      const files = new Map<string, Uint8Array>();
      for (const [name, encoder] of Object.entries(encoders)) {
        const model = new Series(encoder());
        files.set(name, await onnx.exportModel(model, { inputs }));
        const { trainer, loader } = training(model);
        files.set(`${name}, training step`, await onnx.exportTrainingStep(trainer, loader));
      }
      const tokens = { tokens: { shape: [batch, time], dtype: "int64" as const } };
      files.set("tagger", await onnx.exportModel(new Tagger(), { inputs: tokens }));
      expect(refused(files)).toEqual([]);
    },
  );

  test("a file that is none is refused", () => {
    expect(() => onnx.readModel(Uint8Array.of(1, 2, 3))).toThrow(
      /not a readable ONNX file of 3 bytes/,
    );
  });
});

const flat = ({ scores, state }: { scores: Tensor; state: { h: Tensor } }) => [scores, state.h];

function training(model: Series, losses: number[] = []) {
  const set = new data.ArrayDataset({
    x: { data: wave(32 * 18), shape: [32, 6, 3] },
    y: { data: wave(64, 2), shape: [32, 2] },
  });
  const optimizer = new optim.AdamW({
    lr: 0.02,
    groups: [{ match: (name) => name.includes("bias"), weightDecay: 0, lrScale: 2 }],
  });
  const trainer = new Trainer(model, {
    loss: (net, { x, y }) => nn.mseLoss(net.forward(x), y),
    optimizer,
    schedule: new optim.StepLR(optimizer, { stepSize: 1, gamma: 0.5 }),
    clipNorm: 0.5,
    callbacks: [{ onStep: ({ loss }) => void losses.push(loss) }],
  });
  return { trainer, loader: new data.DataLoader(set, { batchSize: 8, dropLast: true }) };
}

/** Trains with nothing but onnxruntime-node and the file: the whole driver. */
async function drive(file: Uint8Array, weights: nn.StateDict, batches: Batch[], rates: number[]) {
  const session = await InferenceSession.create(file);
  const { metadataProps } = onnx.readModel(file);
  const step: onnx.StepDescription = JSON.parse(metadataProps[0].value!);
  const scalar = (value: number) => new OrtTensor("float32", Float32Array.of(value), []);
  const state: Record<string, OrtTensor> = Object.fromEntries(
    step.state.map(({ input, initial, shape }) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const first = weights.get(input)?.data ?? new Float32Array(size).fill(initial!);
      return [input, new OrtTensor("float32", first as Float32Array, shape)];
    }),
  );
  const losses: number[] = [];
  for (const [i, batch] of batches.entries()) {
    const fed = step.batch.map((name) => {
      const { data: values, shape } = batch[name];
      return [name, new OrtTensor("float32", values as Float32Array, shape)];
    });
    const results = await session.run({
      ...state,
      ...Object.fromEntries(fed),
      [step.lr]: scalar(rates[i]),
      [step.step]: scalar(i + 1),
    });
    losses.push((results[step.loss].data as Float32Array)[0]);
    for (const { input, output } of step.state)
      if (output) state[input] = results[output] as OrtTensor;
  }
  return losses;
}

test.each(Object.entries(encoders))(
  "%s: the exported training step gives the Trainer's losses",
  async (_, encoder) => {
    expect(drive.toString().split("\n").length).toBeLessThanOrEqual(40);
    nn.manualSeed(9);
    const expected: number[] = [];
    const model = new Series(encoder());
    const { trainer, loader } = training(model, expected);
    const file = await onnx.exportTrainingStep(trainer, loader);
    const start: nn.StateDict = new Map(
      [...model.stateDict()].map(([name, { data: values, shape }]) => [
        name,
        { data: values.slice() as Float32Array, shape },
      ]),
    );
    const batches: Batch[] = [];
    for (const epoch of [0, 1, 2])
      for await (const { fields } of loader.epoch(epoch)) batches.push(fields);
    await trainer.fit(loader, { epochs: 3 });
    const rates = batches.map((_, i) => 0.02 * 0.5 ** Math.floor(i / 4));
    const losses = await drive(file, start, batches, rates);
    expect(losses).toHaveLength(12);
    for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(expected[i], 5);
  },
);
