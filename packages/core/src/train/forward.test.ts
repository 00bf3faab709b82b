import { expect, test } from "vitest";
import { compile, nn, type Tensor } from "../index.ts";

const wave = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.3));

/** Convolutions that are filtered, scaled by batch norms, added to what came in. */
class Block extends nn.Module {
  stem = new nn.Conv2d({ inChannels: 3, outChannels: 64, kernelSize: 3, padding: 1 });
  first = new nn.Conv2d({
    inChannels: 64,
    outChannels: 64,
    kernelSize: 3,
    padding: 1,
    bias: false,
  });
  second = new nn.Conv2d({ inChannels: 64, outChannels: 64, kernelSize: 5, padding: 2 });
  norms = [64, 64].map((numFeatures) => new nn.BatchNorm2d({ numFeatures }));
  forward(x: Tensor): Tensor {
    const start = this.stem.forward(x).relu();
    const inner = this.norms[0].forward(this.first.forward(start)).relu();
    return this.norms[1].forward(this.second.forward(inner)).add(start).relu();
  }
}

function network(): Block {
  nn.manualSeed(3);
  const block = new Block();
  for (const [i, norm] of block.norms.entries()) {
    for (const { data } of [norm.weight!, norm.bias!, norm.running_mean!, norm.running_var!]) {
      (data as Float32Array).set(wave(data.length).map((value) => 1 + 0.3 * value + 0.1 * i));
    }
  }
  return block.eval();
}
const fields = { x: { dtype: "float32", shape: [3, 12, 12] } } as const;
const batch = { x: { dtype: "float32", shape: [4, 3, 12, 12], data: wave(4 * 432) } } as const;
const valuesOf = async (block: Block, frozen: boolean) => {
  const run = await compile(fields, 4, ({ x }) => ({ y: block.forward(x) }), { frozen });
  return async () => Float32Array.from((await run(batch)).y.data as Float32Array);
};

test("frozen weights give the same, and stay as they were", async () => {
  const block = network();
  const [live, frozen] = [await valuesOf(block, false), await valuesOf(block, true)];
  const [before, fixed] = [await live(), await frozen()];
  const most = before.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(most).toBeGreaterThan(1);
  for (const [i, value] of before.entries()) {
    expect(Math.abs(fixed[i] - value)).toBeLessThan(1e-5 * most);
  }
  block.first.weight.data.fill(0);
  expect(await frozen()).toEqual(fixed);
  expect(await live()).not.toEqual(before);
});
