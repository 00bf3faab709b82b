import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { data, evaluate, gradients, nn, ops, optim, Trainer, tensor } from "tensorlane";
import { beforeAll, describe, expect, test } from "vitest";
import { CarriedModel } from "./carried.ts";
import { LanguageModel, type LanguageModelOptions } from "./model.ts";
import { pick, probabilities } from "./sampler.ts";
import { compileScore } from "./scoring.ts";
import { exportStep, generate, StepModel } from "./step.ts";
import { windowLoader } from "./windows.ts";

// The environment is one for the process: ours must come before onnxruntime-node's.
beforeAll(async () => void (await evaluate(ops.constant(0))));

const options: LanguageModelOptions = {
  ...{ kind: "lstm", tokens: 7, hidden: 6, layers: 2, embedding: 0, tied: false },
  ...{ dropout: 0, variational: true, weightDropout: 0 },
};
function modelOf(change: Partial<LanguageModelOptions> = {}): LanguageModel {
  nn.manualSeed(3);
  return new LanguageModel({ ...options, ...change });
}

const headOf = (model: LanguageModel) => model.head as nn.Linear;

/** Not periodic, over all seven tokens. */
const text = Uint8Array.from({ length: 700 }, (_, i) => (i * i + Math.floor(i / 5)) % 7);

/** Mean nats of the tokens [from, to), from one long run over everything before. */
async function plainScore(model: LanguageModel, from: number, to: number): Promise<number> {
  const tokens = tensor(Int32Array.from(text.subarray(0, to - 1)), [1, to - 1], "int32");
  const { logits } = model.eval().forward(tokens);
  const logs = (await evaluate(ops.logSoftmax(logits.squeeze(1), 1))).data as Float32Array;
  let sum = 0;
  for (let at = from; at < to; at++) sum -= logs[(at - 1) * 7 + text[at]!]!;
  return sum / (to - from);
}

const variants: Record<string, Partial<LanguageModelOptions>> = {
  lstm: {},
  gru: { kind: "gru" },
  rnn: { kind: "rnn" },
  "lstm, embedding": { embedding: 4 },
  "gru, tied": { kind: "gru", embedding: 4, tied: true },
  "lstm, sampled softmax": { softmax: "sampled", embedding: 4, tied: true },
  "lstm, adaptive softmax": { softmax: "adaptive", hidden: 16 },
};

describe.each(Object.entries(variants))("%s", (_, change) => {
  test("plain onnxruntime writes the same text with the exported file", async () => {
    const model = modelOf(change);
    const [prompt, length] = [[3, 1, 4], 60];
    const ours: number[] = [];
    const step = await StepModel.create(model);
    const { uniform } = data.randomStream(5);
    for await (const id of generate(step, { prompt, length, uniform })) ours.push(id);
    step.release();

    const session = await InferenceSession.create(await exportStep(model, {}));
    const again = data.randomStream(5);
    let state = Object.fromEntries(
      Object.entries(model.stateSizes()).map(([name, size]) => [
        name,
        new OrtTensor("float32", new Float32Array(size), [1, size]),
      ]),
    );
    const theirs: number[] = [];
    let tokens = prompt;
    while (theirs.length < length) {
      const fed = new OrtTensor("int32", Int32Array.from(tokens), [1, tokens.length]);
      const { logits, ...after } = await session.run({ tokens: fed, ...state });
      state = Object.fromEntries(
        Object.entries(after).map(([name, value]) => [name.replace("state.", ""), value]),
      ) as typeof state;
      const last = (logits!.data as Float32Array).subarray((tokens.length - 1) * 7);
      tokens = [pick(probabilities(last), again.uniform())];
      theirs.push(tokens[0]!);
    }
    expect(theirs).toEqual(ours);
  });

  test("step by step the logits are those of the training graph", async () => {
    const model = modelOf(change);
    const ids = Int32Array.from(text.subarray(0, 20));
    // With a gradient asked for, the layers run as loops, as they do in training.
    const { logits } = model.forward(tensor(ids, [1, 20], "int32"));
    const asked = gradients(logits.square().sum(), model.parameters());
    const [whole] = await evaluate([logits, ...asked]);
    const step = await StepModel.create(model);
    for (const [at, id] of ids.entries()) {
      for (const [token, value] of (await step.next([id])).entries()) {
        expect(value).toBeCloseTo(Number(whole!.data[at * 7 + token]), 5);
      }
    }
    step.release();
  });
});

test("the score of a part is that of one long run, also where it is cut into stretches", async () => {
  const model = modelOf();
  const score = await compileScore(model);
  expect(await score(text, 600, 700)).toBeCloseTo(await plainScore(model, 600, 700), 4);
  expect(await score(text, 0, 300)).toBeCloseTo(await plainScore(model, 1, 300), 4);
  const long = Uint8Array.from({ length: 3000 }, (_, i) => text[i % 700]!);
  const rows = await score(long, 500, 3000);
  let sum = 0;
  for (let at = 500; at < 3000; at += 250) sum += await score(long, at, at + 250);
  expect(rows).toBeCloseTo(sum / 10, 4);
  // Trained weights are seen at once.
  (headOf(model).bias!.data as Float32Array)[0] += 1;
  expect(await score(text, 600, 700)).toBeCloseTo(await plainScore(model, 600, 700), 4);
});

test("training carries state on: its loss is that of reading each stream without a break", async () => {
  const model = modelOf({ layers: 1 });
  const [rows, steps] = [2, 25];
  const carried = new CarriedModel(model, rows);
  const loader = windowLoader({ ids: text, rows, steps, seed: 1 });
  const losses: number[] = [];
  // A learning rate of nearly nothing: every step sees the same weights.
  const trainer = new Trainer(carried, {
    loss: (net, { tokens, targets, keep }) => net.forward(tokens!, targets!, keep!),
    optimizer: new optim.SGD({ lr: 1e-12 }),
    callbacks: [{ onStep: ({ loss }) => void losses.push(loss) }],
  });
  await trainer.fit(loader, { epochs: 2 });
  for (const pass of [0, 1]) {
    const streams: number[][] = [[], []];
    let last = 0;
    for await (const { fields } of loader.epoch(pass)) {
      for (let row = 0; row < rows; row++) {
        const window = fields.tokens!.data.slice(row * steps, (row + 1) * steps) as Int32Array;
        streams[row]!.push(...window);
        last = Number(fields.targets!.data.at(-1));
      }
    }
    const length = streams[0]!.length;
    const tokens = tensor(Int32Array.from(streams.flat()), [rows, length], "int32");
    const { logits } = model.eval().forward(tokens);
    const logs = (await evaluate(ops.logSoftmax(logits, 2))).data as Float32Array;
    const mean = (from: number) => {
      let sum = 0;
      for (let at = from; at < from + steps; at++) {
        for (const [row, stream] of streams.entries()) {
          const next = stream[at + 1] ?? (row === 1 ? last : streams[1]![0]!);
          sum -= logs[(at * rows + row) * 7 + next]!;
        }
      }
      return sum / (rows * steps);
    };
    for (let window = 0; window < loader.length; window++) {
      expect(losses[pass * loader.length + window]).toBeCloseTo(mean(window * steps), 4);
    }
  }
  trainer.release();
});

test("variational dropout leaves the same units out at all steps", async () => {
  const width = 6;
  for (const variational of [true, false]) {
    const model = modelOf({ layers: 1, dropout: 0.5, variational });
    // The head shows the layer's outputs themselves.
    const head = Float32Array.from({ length: 7 * width }, (_, i) => Number(i % (width + 1) === 0));
    (headOf(model).weight.data as Float32Array).set(head);
    (headOf(model).bias!.data as Float32Array).fill(0);
    const { logits } = model.forward(tensor(Int32Array.from(text.subarray(0, 9)), [1, 9], "int32"));
    const { data: seen } = await evaluate(logits, { seed: 6 });
    const out = Array.from({ length: 9 }, (_, step) =>
      Array.from({ length: width }, (_, unit) => Number(seen[step * 7 + unit]) === 0),
    );
    const alike = out.every((mask) => mask.join() === out[0]!.join());
    expect(alike).toBe(variational);
    expect(out.flat()).toContain(true);
    expect(out.flat()).toContain(false);
  }
});

test("tied weights are one parameter, trained from both sides", () => {
  const model = modelOf({ embedding: 5, tied: true });
  expect(model.namedParameters().map(([name]) => name)).not.toContain("head.weight");
  expect(headOf(model).weight).toBe(model.embedding!.weight);
  expect(model.stateSizes()).toEqual({ h0: 6, c0: 6, h1: 5, c1: 5 });
});
