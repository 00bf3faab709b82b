import { describe, expect, test } from "vitest";
import { evaluate, gradients, nn, ops, Parameter, type Tensor, tensor } from "../../index.ts";
import type { CellState } from "./cells.ts";

const wave = (size: number, phase: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + phase));
const x = tensor(wave(5 * 3 * 2, 1), [5, 3, 2]);
const sizes = { inputSize: 2, hiddenSize: 4 };

/** Ten lines: a cell that adds its input up and forgets a trained share of the sum. */
class Leaky extends nn.Cell<{ readonly s: Tensor }> {
  readonly keep = new Parameter(Float32Array.of(0.3, 0.8), [2]);
  readonly mix = new nn.Linear({ inFeatures: 4, outFeatures: 2 });

  initialState = (batch: Tensor["shape"][number]) => ({ s: ops.zeros([batch, 2]) });

  forward(input: Tensor, { s } = this.initialState(input.shape[0])) {
    const fresh = nn.gate("fresh", this.mix.forward(ops.concat([input, s], 1)).tanh());
    return { s: s.mul(this.keep).add(fresh) };
  }
}

const cells: Record<string, () => nn.Cell<CellState>> = {
  "user's own": () => new Leaky() as never,
  rnn: () => new nn.RNNCell(sizes) as never,
  gru: () => new nn.GRUCell(sizes) as never,
  "gru, reset before": () => new nn.GRUCell({ ...sizes, resetAfter: false }) as never,
  peepholes: () => new nn.LSTMCell({ ...sizes, peepholes: true }) as never,
  "layer norm": () => new nn.LSTMCell({ ...sizes, layerNorm: true }) as never,
  "peepholes, layer norm, dropout": () =>
    new nn.LSTMCell({
      ...sizes,
      peepholes: true,
      layerNorm: true,
      recurrentDropout: 0.4,
    }) as never,
};

describe.each(Object.entries(cells))("%s", (_, make) => {
  test("gradients through time agree with differences along random directions", async () => {
    nn.manualSeed(2);
    const runner = new nn.Runner({ cell: make() });
    const loss = () => {
      const { output } = runner.forward(x, { lengths: [5, 2, 4] });
      const factors = tensor(wave(Number(output.size), 4), output.shape as number[]);
      return output.mul(factors).sum();
    };
    const parameters = runner.parameters();
    const grads = await evaluate(gradients(loss(), parameters), { seed: 3 });
    const step = 2 ** -8;
    for (const [i, { data }] of parameters.entries()) {
      const direction = wave(data.length, i);
      const before = (data as Float32Array).slice();
      const at = async (by: number) => {
        for (const k of data.keys()) data[k] = before[k] + by * direction[k];
        return Number((await evaluate(loss(), { seed: 3 })).data[0]);
      };
      // Four points: a norm over a handful of small numbers bends too much for two.
      const near = (await at(step)) - (await at(-step));
      const far = (await at(2 * step)) - (await at(-2 * step));
      const quotient = (8 * near - far) / (12 * step);
      await at(0);
      const slope = direction.reduce((sum, d, k) => sum + d * Number(grads[i].data[k]), 0);
      expect(slope).toBeCloseTo(quotient, 2);
    }
  });

  test("the runner equals the cell called by hand, in evaluation mode", async () => {
    const runner = new nn.Runner({ cell: make() }).eval();
    const { output, state } = runner.forward(x);
    let after = runner.cell.initialState(3);
    const outputs: Tensor[] = [];
    for (const slice of x.split(1, 0)) {
      after = runner.cell.forward(slice.squeeze(0), after);
      outputs.push(Object.values(after)[0]);
    }
    const names = Object.keys(state);
    const [a, b, ...states] = await evaluate([
      output,
      ops.stack(outputs, 0),
      ...names.map((name) => state[name].sub(after[name]).abs().sum()),
    ]);
    for (const i of a.data.keys()) expect(a.data[i]).toBeCloseTo(Number(b.data[i]), 5);
    for (const { data } of states) expect(Number(data[0])).toBeLessThan(1e-5);
  });
});

test("peepholes and norms by the papers' formulas, written out", async () => {
  nn.manualSeed(4);
  const cell = new nn.LSTMCell({ ...sizes, peepholes: true, layerNorm: true });
  const [input, h0, c0] = [wave(2, 1), wave(4, 2), wave(4, 3)];
  for (const [i, [name, { data }]] of cell.namedParameters().entries()) {
    if (name.startsWith("layernorm")) (data as Float32Array).set(wave(data.length, i));
  }
  const value = Object.fromEntries(cell.namedParameters().map(([n, p]) => [n, [...p.data]]));
  const weight = (name: string) => value[name].map(Number);
  const times = (name: string, v: Float32Array) =>
    Array.from({ length: 16 }, (_, row) =>
      v.reduce((sum, value, k) => sum + value * weight(name)[row * v.length + k], 0),
    );
  const normed = (name: string, v: readonly number[]) => {
    const mean = v.reduce((a, b) => a + b) / v.length;
    const variance = v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length;
    const [scale, shift] = [weight(`${name}.weight`), weight(`${name}.bias`)];
    return v.map((value, k) => ((value - mean) / Math.sqrt(variance + 1e-5)) * scale[k] + shift[k]);
  };
  const fromInput = normed("layernorm_i", times("weight_ih", input));
  const fromState = normed("layernorm_h", times("weight_hh", h0));
  const sum = fromInput.map((value, k) => value + fromState[k]);
  const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
  const units = [0, 1, 2, 3];
  const i = units.map((u) => sigmoid(sum[u] + weight("weight_ci")[u] * c0[u]));
  const f = units.map((u) => sigmoid(sum[4 + u] + weight("weight_cf")[u] * c0[u]));
  const c = units.map((u) => f[u] * c0[u] + i[u] * Math.tanh(sum[8 + u]));
  const o = units.map((u) => sigmoid(sum[12 + u] + weight("weight_co")[u] * c[u]));
  const shown = normed("layernorm_c", c);
  const h = units.map((u) => o[u] * Math.tanh(shown[u]));

  const row = (data: Float32Array) => tensor(data, [1, data.length]);
  const next = cell.forward(row(input), { h: row(h0), c: row(c0) });
  const [ownH, ownC] = await evaluate([next.h, next.c]);
  for (const u of units) {
    expect(Number(ownH.data[u])).toBeCloseTo(h[u], 5);
    expect(Number(ownC.data[u])).toBeCloseTo(c[u], 5);
  }
});

test("recurrent dropout keeps one mask over time, off in evaluation", async () => {
  // A cell that copies its state: what survives the mask at one step survives it at all.
  const cell = new nn.RNNCell({
    inputSize: 1,
    hiddenSize: 64,
    nonlinearity: "relu",
    recurrentDropout: 0.5,
  });
  for (const [name, { data }] of cell.namedParameters()) {
    (data as Float32Array).fill(0);
    if (name === "weight_hh") for (let u = 0; u < 64; u++) data[u * 65] = 1;
  }
  const runner = new nn.Runner({ cell });
  const state = { h: ops.ones([1, 64]) };
  const values = async (seed: number) => {
    const { output } = runner.forward(ops.zeros([4, 1, 1]), { state });
    return (await evaluate(output, { seed })).data as Float32Array;
  };
  const first = await values(1);
  for (let u = 0; u < 64; u++) {
    for (let t = 0; t < 4; t++) expect(first[t * 64 + u]).toBe(first[u] === 0 ? 0 : 2 ** (t + 1));
  }
  const kept = first.subarray(0, 64).filter((value) => value > 0).length;
  expect(kept).toBeGreaterThan(15);
  expect(kept).toBeLessThan(49);
  expect(await values(2)).not.toEqual(first);
  runner.eval();
  expect(await values(1)).toEqual(new Float32Array(256).fill(1));
  expect(() => new nn.GRUCell({ ...sizes, recurrentDropout: 2 })).toThrow(/between 0 and 1/);
});

test("two layers of Bidirectional are the deep bidirectional network", async () => {
  const deep = new nn.LSTM({ ...sizes, bidirectional: true, numLayers: 2 });
  const layers = [2, 8].map((inputSize) => {
    const cell = () => new nn.LSTMCell({ inputSize, hiddenSize: 4 });
    return new nn.Bidirectional({ forwards: cell(), backwards: cell() });
  });
  const given = deep.stateDict();
  for (const [layer, module] of layers.entries()) {
    for (const [name, { data }] of module.namedParameters()) {
      const [direction, , weight] = name.split(".");
      const end = direction === "backwards" ? "_reverse" : "";
      (data as Float32Array).set(given.get(`${weight}_l${layer}${end}`)!.data as Float32Array);
    }
  }
  const lengths = [5, 2, 4];
  const stacked = layers.reduce((value, layer) => layer.forward(value, { lengths }).output, x);
  const [a, b] = await evaluate([deep.forward(x, { lengths }).output, stacked]);
  expect(a.shape).toEqual([5, 3, 8]);
  for (const i of a.data.keys()) expect(a.data[i]).toBeCloseTo(Number(b.data[i]), 5);
});
