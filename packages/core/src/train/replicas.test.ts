import { describe, expect, test } from "vitest";
import { createBindingEngine } from "../engine/binding/engine.ts";
import type { Engine } from "../engine/engine.ts";
import { createNativeEngine } from "../engine/native/engine.ts";
import { createWebEngine } from "../engine/web/engine.ts";
import {
  compile,
  data,
  MemoryStorage,
  nn,
  ops,
  optim,
  type Tensor,
  Trainer,
  type TrainerOptions,
  tensor,
} from "../index.ts";

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ["native", async () => createNativeEngine()],
  ["node-binding", () => createBindingEngine({ threads: 2 })],
  ["wasm", () => createWebEngine({ threads: 1 })],
];

const wave = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.3));
const count = 16;
const samples = () =>
  new data.ArrayDataset({
    x: { data: wave(count * 5 * 3), shape: [count, 5, 3] },
    y: { data: Int32Array.from({ length: count }, (_, i) => i % 4), shape: [count] },
  });

class Net extends nn.Module {
  rnn = new nn.LSTM({ inputSize: 3, hiddenSize: 8, batchFirst: true });
  head = new nn.Linear({ inFeatures: 8, outFeatures: 4 });
  forward(x: Tensor): Tensor {
    return this.head.forward(this.rnn.forward(x).output.select(-1, 1));
  }
}

type Fields = Readonly<Record<string, Tensor>>;
const classify = (model: Net, { x, y }: Fields) => {
  const logits = model.forward(x);
  return { loss: nn.crossEntropy(logits, y), metrics: { square: logits.square().mean() } };
};

/** Losses, metrics and weights of some epochs. */
async function trained(options: Partial<TrainerOptions<Net>>, dropLast = true) {
  nn.manualSeed(1);
  const model = new Net();
  const optimizer = new optim.Adam({ lr: 0.01 });
  const trainer = new Trainer(model, { loss: classify, optimizer, ...options });
  const loader = new data.DataLoader(samples(), { batchSize: 8, dropLast });
  const { history } = await trainer.fit(loader, { epochs: 3 });
  trainer.release();
  const weights = model.parameters().flatMap((parameter) => [...parameter.data].map(Number));
  return [...history.flatMap(({ loss, metrics }) => [loss, metrics.square]), ...weights];
}

const expectClose = (actual: readonly number[], expected: readonly number[]) => {
  expect(actual).toHaveLength(expected.length);
  const worst = Math.max(...actual.map((value, i) => Math.abs(value - expected[i])));
  expect(worst).toBeLessThan(2e-5);
};

describe("replicas of a training step", () => {
  test.each(engines)("train as one does: %s", async (_, make) => {
    const engine = await make();
    const one = await trained({ engine });
    for (const replicas of [2, 4]) expectClose(await trained({ engine, replicas }), one);
  });

  test("so they do with clipped and with accumulated gradients", async () => {
    const clipped = { clipNorm: 0.1, accumulate: 2 };
    expectClose(await trained({ ...clipped, replicas: 2 }), await trained(clipped));
  });

  test("running statistics are the mean of the copies'", async () => {
    class Normed extends nn.Module {
      norm = new nn.BatchNorm1d({ numFeatures: 2, momentum: 1 });
      forward(x: Tensor): Tensor {
        return this.norm.forward(x);
      }
    }
    const model = new Normed();
    const trainer = new Trainer(model, {
      loss: (network, { x }) => network.forward(x).square().mean(),
      optimizer: new optim.SGD({ lr: 0.1 }),
      replicas: 2,
    });
    const x = { data: Float32Array.of(1, 2, 3, 6, 10, 0, 20, 0), shape: [4, 2] };
    const loader = new data.DataLoader(new data.ArrayDataset({ x }), { batchSize: 4 });
    await trainer.fit(loader, { epochs: 1 });
    expect([...model.norm.running_mean!.data]).toEqual([8.5, 2]);
    // Unbiased variances of (1, 3), (10, 20) and of (2, 6), (0, 0).
    expect([...model.norm.running_var!.data]).toEqual([26, 4]);
  });

  test("dropout draws for each what it would for the whole batch", async () => {
    class Dropped extends nn.Module {
      weight = nn.init.parameter([64], nn.init.ones);
      drop = new nn.Dropout({ p: 0.5 });
      forward(x: Tensor): Tensor {
        return this.drop.forward(x).mul(this.weight);
      }
    }
    const weightsAfter = async (replicas: number) => {
      const model = new Dropped();
      const trainer = new Trainer(model, {
        loss: (network, { x }) => network.forward(x).sum({ dim: 1 }).mean(),
        optimizer: new optim.SGD({ lr: 1 }),
        replicas,
      });
      const x = { data: new Float32Array(2 * 64).fill(1), shape: [2, 64] };
      const loader = new data.DataLoader(new data.ArrayDataset({ x }), { batchSize: 2 });
      await trainer.fit(loader, { epochs: 2 });
      return [...model.weight.data].map(Number);
    };
    const one = await weightsAfter(1);
    expect(await weightsAfter(2)).toEqual(one);
    // A kept element counts 2: of two masks at two steps the slopes add up to 0, 1, 2, 3 or 4.
    expect(new Set(one)).toEqual(new Set([1, 0, -1, -2, -3]));
  });

  test("an update of several chunks, and a training that was resumed", async () => {
    const after = async (replicas: number, epochs: readonly number[]) => {
      nn.manualSeed(3);
      const model = new nn.Linear({ inFeatures: 800, outFeatures: 1000 });
      const storage = new MemoryStorage();
      for (const until of epochs) {
        const trainer = new Trainer(model, {
          loss: (network, { x }) => network.forward(x).square().mean(),
          optimizer: new optim.Adam({ lr: 0.01 }),
          storage,
          replicas,
        });
        await trainer.resume();
        const x = { data: wave(4 * 800), shape: [4, 800] };
        const loader = new data.DataLoader(new data.ArrayDataset({ x }), { batchSize: 4 });
        await trainer.fit(loader, { epochs: until });
      }
      return model.weight.data as Float32Array;
    };
    const [one, two] = [await after(1, [4]), await after(2, [4])];
    expect(two.every((value, i) => Math.abs(value - one[i]) < 1e-4)).toBe(true);
    expect(await after(2, [2, 4])).toEqual(two);
  });

  test("buffers: a value that is a leaf stays, a state of every sample is refused", async () => {
    class Keeping extends nn.Module {
      weight = nn.init.parameter([3], nn.init.ones);
      seen: nn.Buffer;
      readonly whole: boolean;
      constructor(rows: number, whole: boolean) {
        super();
        this.whole = whole;
        this.seen = new nn.Buffer(new Float32Array(rows * 3), [rows, 3]);
      }
      forward(x: Tensor): Tensor {
        const source = tensor([1, 2, 3], [1, 3]);
        nn.updateBuffer(this.seen, this.whole ? source : x);
        return x.mul(this.weight);
      }
    }
    const fit = async (model: Keeping) => {
      const trainer = new Trainer(model, {
        loss: (network, { x }) => network.forward(x).mean(),
        optimizer: new optim.SGD({ lr: 0.1 }),
        replicas: 3,
      });
      const x = { data: wave(6 * 3), shape: [6, 3] };
      const loader = new data.DataLoader(new data.ArrayDataset({ x }), { batchSize: 6 });
      await trainer.fit(loader, { epochs: 3 });
    };
    const kept = new Keeping(1, true);
    await fit(kept);
    expect([...kept.seen.data]).toEqual([1, 2, 3]);
    await expect(fit(new Keeping(6, false))).rejects.toThrow("a state of every sample");
  });

  test("NaN in any share is found", async () => {
    const { x, y } = samples().get(Int32Array.from({ length: 8 }, (_, i) => i));
    (x.data as Float32Array)[8 * 5 * 3 - 1] = Number.NaN;
    const trainer = new Trainer(new Net(), {
      loss: classify,
      optimizer: new optim.SGD({ lr: 0.1 }),
      replicas: 2,
    });
    const loader = new data.DataLoader(new data.ArrayDataset({ x, y }), { batchSize: 8 });
    await expect(trainer.fit(loader, { epochs: 1 })).rejects.toThrow(
      'the batch\'s field "x" holds NaN',
    );
  });

  test("says which numbers do not do", async () => {
    expect(
      () =>
        new Trainer(new Net(), {
          loss: classify,
          optimizer: new optim.SGD({ lr: 1 }),
          replicas: 0,
        }),
    ).toThrow("replicas must be 1 or more, received 0");
    await expect(trained({ replicas: 3 })).rejects.toThrow("a batch of 8 has no 3 equal shares");
    const trainer = new Trainer(new Net(), {
      loss: (model, { x, y, weight }) =>
        nn.crossEntropy(model.forward(x), y, { sampleWeight: weight }),
      optimizer: new optim.SGD({ lr: 0.1 }),
      replicas: 2,
    });
    const padded = new data.DataLoader(samples(), { batchSize: 6 });
    await expect(trainer.fit(padded, { epochs: 1 })).rejects.toThrow("pass { dropLast: true }");
  });
});

describe("replicas of a compiled function", () => {
  const batch = samples().get(Int32Array.from({ length: 8 }, (_, i) => i));

  test.each(engines)("give the results of one, also after training: %s", async (_, make) => {
    nn.manualSeed(2);
    const model = new Net();
    const engine = await make();
    const build = ({ x, y }: Fields) => {
      const logits = model.forward(x);
      return { logits, again: logits, label: y, best: ops.argmax(logits, { dim: 1 }) };
    };
    const { fields } = samples();
    const one = await compile(fields, 8, build, { engine });
    const two = await compile(fields, 8, build, { engine, replicas: 2 });
    const compare = async () => {
      const [expected, actual] = [await one(batch), await two(batch)];
      for (const name of ["logits", "again", "label", "best"] as const) {
        expect(actual[name].shape).toEqual(expected[name].shape);
        expectClose([...actual[name].data].map(Number), [...expected[name].data].map(Number));
      }
    };
    await compare();
    const trainer = new Trainer(model, { loss: classify, optimizer: new optim.SGD({ lr: 0.1 }) });
    await trainer.fit(new data.DataLoader(samples(), { batchSize: 8 }), { epochs: 1 });
    await compare();
  });

  test("the first samples of a batch, and batches that are too large", async () => {
    const run = await compile(
      { x: { dtype: "float32", shape: [2] } },
      4,
      ({ x }) => ({ y: x.neg() }),
      {
        replicas: 2,
      },
    );
    const x = (rows: number) => {
      const data = Float32Array.from({ length: rows * 2 }, (_, i) => i);
      return { x: { dtype: "float32" as const, shape: [rows, 2], data } };
    };
    const { y } = await run(x(3));
    expect([...y.data.subarray(0, 6)].map(Number)).toEqual([-0, -1, -2, -3, -4, -5]);
    await expect(run(x(5))).rejects.toThrow('"x" must be float32[4,2], received float32[5,2]');
    const both = await Promise.allSettled([run(x(4)), run(x(4))]);
    expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    run.release();
  });

  test("every output must begin with the batch", async () => {
    const model = new Net();
    const build = ({ x }: Fields) => ({ mean: model.forward(x).mean() });
    await expect(compile(samples().fields, 8, build, { replicas: 2 })).rejects.toThrow(
      'every output must begin with the batch, which is 4 for each; "mean" is []',
    );
  });
});
