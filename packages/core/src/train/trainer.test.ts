import { describe, expect, test } from "vitest";
import { createBindingEngine } from "../engine/binding/engine.ts";
import type { Engine } from "../engine/engine.ts";
import { createNativeEngine } from "../engine/native/engine.ts";
import { createWebEngine } from "../engine/web/engine.ts";
import {
  compile,
  data,
  evaluate,
  gradients,
  MemoryStorage,
  nn,
  optim,
  type Tensor,
  TensorlaneError,
  Trainer,
  tensor,
} from "../index.ts";

class Net extends nn.Module {
  rnn = new nn.GRU({ inputSize: 1, hiddenSize: 8, batchFirst: true });
  drop = new nn.Dropout({ p: 0.2 });
  head = new nn.Linear({ inFeatures: 8, outFeatures: 1 });
  forward(x: Tensor): Tensor {
    return this.head.forward(this.drop.forward(this.rnn.forward(x).output.select(-1, 1)));
  }
}

const steps = 6;
const samples = 50;
const series = Float32Array.from({ length: samples + steps }, (_, i) => Math.sin(i / 3));
const windows = () => {
  const x = new Float32Array(samples * steps);
  const y = new Float32Array(samples);
  for (let i = 0; i < samples; i++) {
    x.set(series.subarray(i, i + steps), i * steps);
    y[i] = series[i + steps];
  }
  return new data.ArrayDataset({
    x: { data: x, shape: [samples, steps, 1] },
    y: { data: y, shape: [samples, 1] },
  });
};
const loader = (options = {}) =>
  new data.DataLoader(windows(), { batchSize: 16, shuffle: true, seed: 5, ...options });

function trainerOn(
  storage?: MemoryStorage,
  options: { accumulate?: number; clipNorm?: number; seed?: number } = {},
) {
  nn.manualSeed(1);
  const optimizer = new optim.AdamW({ lr: 0.01 });
  return new Trainer(new Net(), {
    loss: (model, { x, y, weight }) => nn.mseLoss(model.forward(x), y, { sampleWeight: weight }),
    optimizer,
    schedule: new optim.CosineAnnealingLR(optimizer, { tMax: 8 }),
    clipNorm: 1,
    storage,
    seed: 3,
    ...options,
  });
}
const bytesOf = (storage: MemoryStorage, name: string) =>
  Buffer.from(storage.files.get(name)!).toString("base64");

describe("Trainer", () => {
  test("learns, and is the same twice", async () => {
    const [a, b] = [trainerOn(), trainerOn()];
    const one = await a.fit(loader(), { epochs: 8, validation: loader({ shuffle: false }) });
    const two = await b.fit(loader(), { epochs: 8, validation: loader({ shuffle: false }) });
    expect(one).toEqual(two);
    expect(one.history).toHaveLength(8);
    expect(one.history[7].loss).toBeLessThan(one.history[0].loss / 2);
    expect(one.outcome).toBe("finished");
  });

  test("a function may measure the validation", async () => {
    const storage = new MemoryStorage();
    const trainer = trainerOn(storage);
    const losses = [0.3, 0.1, 0.2];
    const validation = async () => ({ loss: losses[trainer.history.length] });
    const { history, bestEpoch } = await trainer.fit(loader(), { epochs: 3, validation });
    expect(history.map((record) => record.validation)).toEqual(losses.map((loss) => ({ loss })));
    expect(bestEpoch).toBe(1);
  });

  test("names the file of a checkpoint that cannot be read", async () => {
    for (const name of ["state.safetensors", "last.safetensors"]) {
      const storage = new MemoryStorage();
      await trainerOn(storage).fit(loader(), { epochs: 1 });
      storage.files.set(name, storage.files.get(name)!.slice(0, 100));
      await expect(trainerOn(storage).resume()).rejects.toThrow(name);
      storage.files.delete(name);
      await expect(trainerOn(storage).resume()).rejects.toThrow(`no ${name}`);
    }
  });

  test("a resumed training ends bit for bit where the uninterrupted one does", async () => {
    const whole = new MemoryStorage();
    await trainerOn(whole).fit(loader(), { epochs: 4 });
    const parts = new MemoryStorage();
    const stop = new AbortController();
    const first = trainerOn(parts);
    const interrupted = await new Trainer(first.model, {
      ...first.options,
      callbacks: [
        {
          onStep: ({ step }) => {
            if (step === 6) stop.abort();
          },
        },
      ],
    }).fit(loader(), { epochs: 4, signal: stop.signal });
    expect(interrupted.outcome).toBe("interrupted");
    const second = trainerOn(parts);
    expect(await second.resume()).toBe(true);
    expect(second.steps).toBe(6);
    await second.fit(loader(), { epochs: 4 });
    for (const name of ["last.safetensors", "best.safetensors", "state.safetensors"]) {
      expect(bytesOf(parts, name), name).toBe(bytesOf(whole, name));
    }
  });

  test("all engines train alike", async () => {
    const history = async (engine: Engine) => {
      const trainer = trainerOn();
      const same = new Trainer(trainer.model, { ...trainer.options, engine });
      return (await same.fit(loader(), { epochs: 3 })).history.map(({ loss }) => loss);
    };
    const native = await history(createNativeEngine());
    for (const engine of [
      await createBindingEngine({ threads: 2, reason: "test" }),
      await createWebEngine(),
    ]) {
      for (const [i, loss] of (await history(engine)).entries()) {
        expect(loss, engine.info.name).toBeCloseTo(native[i], 4);
      }
    }
  });

  test("an update equals the optimiser applied to evaluated gradients", async () => {
    nn.manualSeed(1);
    const model = new nn.Linear({ inFeatures: 3, outFeatures: 2 });
    const x = Float32Array.from([1, 2, 3, 4, 5, 6]);
    const y = Float32Array.from([1, -1, 0, 2]);
    const set = new data.ArrayDataset({
      x: { data: x, shape: [2, 3] },
      y: { data: y, shape: [2, 2] },
    });
    const loss = nn.mseLoss(model.forward(tensor(x, [2, 3])), tensor(y, [2, 2]));
    const before = Float32Array.from(model.weight.data as Float32Array);
    const [g] = await evaluate(gradients(loss, [model.weight]));
    const trainer = new Trainer(model, {
      loss: (m, batch) => nn.mseLoss(m.forward(batch.x), batch.y),
      optimizer: new optim.SGD({ lr: 0.1 }),
    });
    await trainer.fit(new data.DataLoader(set, { batchSize: 2 }), { epochs: 1 });
    for (let i = 0; i < before.length; i++) {
      expect(model.weight.data[i]).toBeCloseTo(before[i] - 0.1 * Number(g.data[i]), 6);
    }
  });

  test("accumulated batches equal one large batch", async () => {
    const run = async (batchSize: number, accumulate: number) => {
      nn.manualSeed(1);
      const model = new nn.Linear({ inFeatures: steps, outFeatures: 1 });
      const trainer = new Trainer(model, {
        loss: (m, { x, y }) => nn.mseLoss(m.forward(x.squeeze(-1)), y),
        optimizer: new optim.SGD({ lr: 0.1, momentum: 0.9 }),
        accumulate,
        clipNorm: 0.5,
      });
      const set = data.subset(
        windows(),
        Array.from({ length: 48 }, (_, i) => i),
      );
      await trainer.fit(new data.DataLoader(set, { batchSize }), { epochs: 2 });
      return [...(model.weight.data as Float32Array)];
    };
    const [large, small] = [await run(16, 1), await run(4, 4)];
    for (const [i, value] of large.entries()) expect(small[i]).toBeCloseTo(value, 5);
  });

  test("a loss that ignores padded rows' weight is refused", async () => {
    const trainer = new Trainer(new nn.Linear({ inFeatures: steps, outFeatures: 1 }), {
      loss: (m, { x, y }) => nn.mseLoss(m.forward(x.squeeze(-1)), y),
      optimizer: new optim.SGD({ lr: 0.1 }),
    });
    await expect(trainer.fit(loader(), { epochs: 1 })).rejects.toThrow(/sampleWeight/);
  });

  test("NaN stops the training and names the module where it began", async () => {
    class Bad extends nn.Module {
      inner = new nn.Linear({ inFeatures: steps, outFeatures: 1 });
      wrong = new (class extends nn.Module {
        forward(x: Tensor): Tensor {
          return x.mul(0).log().mul(0);
        }
      })();
      forward(x: Tensor): Tensor {
        return this.inner.forward(x).add(this.wrong.forward(x).sum());
      }
    }
    const trainer = new Trainer(new Bad(), {
      loss: (m, { x, y, weight }) =>
        nn.mseLoss(m.forward(x.squeeze(-1)), y, { sampleWeight: weight }),
      optimizer: new optim.SGD({ lr: 0.1 }),
    });
    await expect(trainer.fit(loader(), { epochs: 1 })).rejects.toThrow(
      /module "wrong", operator log/,
    );
  });
});

describe("a field that a batch does not have is named, with those it has", () => {
  const other = new data.DataLoader(
    new data.ArrayDataset({
      series: { data: new Float32Array(8 * steps), shape: [8, steps, 1] },
      y: { data: new Float32Array(8), shape: [8, 1] },
    }),
    { batchSize: 4 },
  );
  const lacks = /lacks "x", which is read; it has "series", "y"/;

  test("in training and in evaluation", async () => {
    await expect(trainerOn().fit(other, { epochs: 1 })).rejects.toThrow(lacks);
    await expect(trainerOn().evaluate(other)).rejects.toThrow(lacks);
    await expect(trainerOn().fit(other, { epochs: 1 })).rejects.toThrow(TensorlaneError);
  });

  test("in a compiled function, as it is written and as it runs", async () => {
    const model = new Net();
    const wrong = compile(other.fields, 4, ({ x }) => ({ y: model.forward(x) }));
    await expect(wrong).rejects.toThrow(lacks);
    const run = await compile(other.fields, 4, ({ series }) => ({ y: model.forward(series) }));
    const batch = await other.dataset.get([0, 1, 2, 3]);
    expect((await run(batch)).y.shape).toEqual([4, 1]);
    await expect(run({ y: batch.y })).rejects.toThrow(/lacks "series", which is read; it has "y"/);
    const long = { ...batch, series: { ...batch.series, data: new Float32Array(5 * 4 * steps) } };
    await expect(run(long)).rejects.toThrow(/field "series" must be float32\[4,6,1\]/);
  });
});
