import { describe, expect, test } from "vitest";
import { createBindingEngine } from "../engine/binding/engine.ts";
import type { Engine } from "../engine/engine.ts";
import { createNativeEngine } from "../engine/native/engine.ts";
import { createWebEngine } from "../engine/web/engine.ts";
import { compile, nn, type Tensor } from "../index.ts";

const wave = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.3));

/** Statistics and scales that are not those of a fresh batch norm. */
function norm(numFeatures: number): nn.BatchNorm2d {
  const layer = new nn.BatchNorm2d({ numFeatures });
  const { weight, bias, running_mean, running_var } = layer;
  for (const [i, tensor] of [weight, bias, running_mean, running_var].entries()) {
    (tensor!.data as Float32Array).set(wave(numFeatures).map((v) => 1 + 0.3 * v + 0.1 * i));
  }
  return layer;
}
const conv = (inChannels: number, outChannels: number, kernelSize: number, stride = 1) =>
  new nn.Conv2d({ inChannels, outChannels, kernelSize, stride, padding: (kernelSize - 1) / 2 });

/** A residual block whose first convolution reads images of few channels. */
class Block extends nn.Module {
  stem = conv(3, 64, 3);
  first = conv(64, 64, 3);
  second = conv(64, 64, 5);
  norms = [norm(64), norm(64), norm(64)];
  forward(x: Tensor): Tensor {
    const start = this.norms[0].forward(this.stem.forward(x)).relu();
    const inner = this.norms[1].forward(this.first.forward(start)).relu();
    return this.norms[2].forward(this.second.forward(inner)).add(start).relu();
  }
}

/** A convolution that its batch norm does not read alone, strided and of single pixels. */
class Shared extends nn.Module {
  stem = conv(3, 32, 3, 2);
  point = conv(32, 48, 1);
  norms = [norm(32), norm(48)];
  forward(x: Tensor): Tensor {
    const plain = this.stem.forward(x);
    const both = this.norms[0].forward(plain).add(plain);
    return this.norms[1].forward(this.point.forward(both));
  }
}

/** Weights that the body of a loop reads, and one that is a result itself. */
class Recurrent extends nn.Module {
  lstm = new nn.LSTM({ inputSize: 12, hiddenSize: 16, batchFirst: true });
  forward(x: Tensor): Tensor {
    return this.lstm.forward(x.reshape([4, 36, 12])).output;
  }
}

const engines: Record<string, () => Promise<Engine>> = {
  native: async () => createNativeEngine(),
  "native, standard": async () => createNativeEngine({ blocked: false }),
  "node-binding": () => createBindingEngine({ threads: 1 }),
  wasm: () => createWebEngine({ load: () => import("onnxruntime-web"), threads: 1 }),
};
const fields = { x: { dtype: "float32", shape: [3, 12, 12] } } as const;
const batch = { x: { dtype: "float32", shape: [4, 3, 12, 12], data: wave(4 * 432) } } as const;

async function runOf(module: Block | Shared | Recurrent, engine: Engine, frozen: boolean) {
  const build = ({ x }: Readonly<Record<string, Tensor>>) => ({ y: module.forward(x) });
  const run = await compile(fields, 4, build, { engine, frozen });
  return async () => Float32Array.from((await run(batch)).y.data as Float32Array);
}

describe.each(Object.entries(engines))("frozen weights, %s", (_, make) => {
  test.for([
    ["a residual block", Block],
    ["batch norms of all kinds", Shared],
    ["a loop", Recurrent],
  ] as const)("%s: the same, and they stay as they were", async ([, Net]) => {
    const engine = await make();
    nn.manualSeed(3);
    const module = new Net();
    module.eval();
    const [live, frozen] = [await runOf(module, engine, false), await runOf(module, engine, true)];
    const [before, fixed] = [await live(), await frozen()];
    const most = before.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(most).toBeGreaterThan(0.1);
    for (const [i, value] of before.entries()) {
      expect(Math.abs(fixed[i] - value)).toBeLessThan(1e-5 * most);
    }
    for (const [, { data }] of module.namedParameters()) data.fill(0 as never);
    expect(await frozen()).toEqual(fixed);
    expect(await live()).not.toEqual(before);
  });
});

test("released, it frees its memory and runs no more", async () => {
  const engine = createNativeEngine();
  const before = engine.memory();
  const module = new Shared();
  module.eval();
  const run = await compile(fields, 4, ({ x }) => ({ y: module.forward(x) }), { engine });
  await run(batch);
  expect(engine.memory()).toBeGreaterThan(before);
  run.release();
  expect(engine.memory()).toBe(before);
  await expect(run(batch)).rejects.toThrow(/released/);
});

test("a parameter may be a result", async () => {
  const { weight } = new nn.Linear({ inFeatures: 2, outFeatures: 2 });
  const run = await compile(fields, 4, () => ({ weight }), { frozen: true });
  const first = (await run(batch)).weight.data;
  expect([...(first as Float32Array)]).toEqual([...(weight.data as Float32Array)]);
  // The same memory again: the graph stays bound.
  expect((await run(batch)).weight.data).toBe(first);
});
