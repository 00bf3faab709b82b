import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluate, gradients, inspect, nn, ops, type Tensor, tensor } from "../index.ts";

type Matrix = readonly (readonly number[])[];
const matrix = (data: ArrayLike<number | bigint>, columns: number): number[][] =>
  Array.from({ length: data.length / columns }, (_, i) =>
    Array.from({ length: columns }, (_, j) => Number(data[i * columns + j])),
  );
const zerosLike = (m: Matrix) => m.map((row) => row.map(() => 0));
const apply = (m: Matrix, v: readonly number[]) =>
  m.map((row) => row.reduce((sum, value, j) => sum + value * v[j], 0));
const applyTransposed = (m: Matrix, v: readonly number[]) =>
  m[0].map((_, j) => m.reduce((sum, row, i) => sum + row[j] * v[i], 0));
const addOuter = (to: number[][], a: readonly number[], b: readonly number[]) => {
  for (const [i, x] of a.entries()) for (const [j, y] of b.entries()) to[i][j] += x * y;
};
const addTo = (to: number[], v: readonly number[]) => {
  for (const [i, x] of v.entries()) to[i] += x;
};
const normOf = (values: readonly number[]) => Math.hypot(...values);

interface Box {
  W_hv: Matrix;
  W_hh: Matrix;
  W_oh: Matrix;
  b_h: readonly number[];
  b_o: readonly number[];
  h_0: readonly number[];
}

/** The lecture's box, loop by loop: forward to T, then t from T down to 1. Only E_t of `counted` steps count. */
function algorithmBox(
  { W_hv, W_hh, W_oh, b_h, b_o, h_0 }: Box,
  v: Matrix,
  target: readonly number[],
  counted: (t: number) => boolean,
) {
  const h: number[][] = [[...h_0]];
  const o: number[][] = [];
  for (let t = 1; t <= v.length; t++) {
    const [input, before] = [apply(W_hv, v[t - 1]), apply(W_hh, h[t - 1])];
    h[t] = b_h.map((b, i) => Math.tanh(b + input[i] + before[i]));
    o[t] = apply(W_oh, h[t]).map((value, i) => value + b_o[i]);
  }
  const sums = { dW_hv: zerosLike(W_hv), dW_hh: zerosLike(W_hh), dW_oh: zerosLike(W_oh) };
  const [db_h, db_o] = [b_h.map(() => 0), b_o.map(() => 0)];
  const terms: { U: number; W: number; state: number }[] = [];
  let dh = h_0.map(() => 0);
  for (let t = v.length; t >= 1; t--) {
    if (counted(t)) {
      const exps = o[t].map(Math.exp);
      const total = exps.reduce((a, b) => a + b);
      const d_o = exps.map((e, i) => e / total - Number(i === target[t - 1]));
      addTo(db_o, d_o);
      addOuter(sums.dW_oh, d_o, h[t]);
      addTo(dh, applyTransposed(W_oh, d_o));
    }
    const dz = dh.map((value, i) => value * (1 - h[t][i] ** 2));
    addOuter(sums.dW_hv, dz, v[t - 1]);
    addOuter(sums.dW_hh, dz, h[t - 1]);
    addTo(db_h, dz);
    const size = normOf(dz);
    terms[t - 1] = { U: size * normOf(v[t - 1]), W: size * normOf(h[t - 1]), state: normOf(dh) };
    dh = applyTransposed(W_hh, dz);
  }
  return { all: { ...sums, db_h, db_o, dh_0: dh }, terms };
}

/** The library's network and the same numbers for the box. */
function network(seed: number, steps: number, inputs: number, hidden: number, classes: number) {
  nn.manualSeed(seed);
  class Net extends nn.Module {
    rnn = new nn.RNN({ inputSize: inputs, hiddenSize: hidden });
    head = new nn.Linear({ inFeatures: hidden, outFeatures: classes });
    forward(x: Tensor, h: Tensor): Tensor {
      return this.head.forward(this.rnn.forward(x, { state: { h } }).output);
    }
  }
  const model = new Net();
  const value = (name: string) => model.stateDict().get(name)!.data;
  const x = Float32Array.from({ length: steps * inputs }, (_, i) => Math.sin(i * 1.7 + seed));
  const start = Float32Array.from({ length: hidden }, (_, i) => Math.cos(i + seed) / 2);
  const target = Array.from({ length: steps }, (_, t) => (t * 7 + seed) % classes);
  const h0 = tensor(start, [1, 1, hidden]);
  const outputs = model.forward(tensor(x, [steps, 1, inputs]), h0).squeeze(1);
  const [b_ih, b_hh] = [value("rnn.bias_ih_l0"), value("rnn.bias_hh_l0")];
  const box: Box = {
    W_hv: matrix(value("rnn.weight_ih_l0"), inputs),
    W_hh: matrix(value("rnn.weight_hh_l0"), hidden),
    W_oh: matrix(value("head.weight"), hidden),
    b_h: Array.from(b_ih as Float32Array, (b, i) => b + Number(b_hh[i])),
    b_o: [...(value("head.bias") as Float32Array)],
    h_0: [...start],
  };
  return { model, outputs, h0, target, box, v: matrix(x, inputs) };
}

function expectClose(what: string, own: ArrayLike<number | bigint>, wanted: readonly number[]) {
  expect(own.length, what).toBe(wanted.length);
  // Terms of size 1 may cancel: float32's error stays theirs.
  const scale = Math.max(0.1, ...wanted.map(Math.abs));
  for (const [i, value] of wanted.entries())
    expect(Math.abs(Number(own[i]) - value) / scale, `${what}[${i}]`).toBeLessThan(1e-5);
}

describe("the lecture's algorithm, from T down to 1", () => {
  const size = (max: number) => fc.integer({ min: 1, max });
  const shapes = fc.record({
    seed: size(1000),
    steps: size(9),
    inputs: size(5),
    hidden: size(6),
    classes: fc.integer({ min: 2, max: 5 }),
  });

  test("gives all six gradients that the library gives", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ seed, steps, inputs, hidden, classes }) => {
        const { model, outputs, h0, target, box, v } = network(
          seed,
          steps,
          inputs,
          hidden,
          classes,
        );
        const labels = tensor(target, [steps], "int32");
        const loss = nn.crossEntropy(outputs, labels, { reduction: "sum" });
        const { rnn, head } = model;
        const names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"].map((n) => rnn.parameter(n)!);
        const wrt = [...names, head.weight, head.bias!, h0];
        const own = await evaluate(gradients(loss, wrt));
        const { all } = algorithmBox(box, v, target, () => true);
        const wanted = [all.dW_hv, all.dW_hh, all.db_h, all.dW_oh, all.db_o, all.dh_0];
        for (const [i, value] of wanted.entries()) expectClose(`${i}`, own[i].data, value.flat());
      }),
      { numRuns: 12 },
    );
  });

  test("gives the terms of bptt's sums over k", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ seed, steps, inputs, hidden, classes }) => {
        const { model, outputs, target, box, v } = network(seed, steps, inputs, hidden, classes);
        const t = 1 + (seed % steps);
        const label = tensor([target[t - 1]], [1], "int32");
        const E_t = nn.crossEntropy(outputs.slice([[t - 1, t]]), label);
        const { loops, outside } = await inspect.bptt(model, E_t);
        const { all, terms } = algorithmBox(box, v, target, (step) => step === t);
        const [loop] = loops;
        expect(loop.step).toBe(t - 1);
        const part = (key: "U" | "W" | "state") => terms.map((term) => term[key]);
        expectClose("U", loop.gradients["rnn.weight_ih_l0"], part("U"));
        expectClose("W", loop.gradients["rnn.weight_hh_l0"], part("W"));
        expectClose("state", loop.state, part("state"));
        expect(outside["head.weight"]).toBeCloseTo(normOf(all.dW_oh.flat()), 4);
      }),
      { numRuns: 8 },
    );
  });
});

test("products of Jacobians and the spectral radius, of a matrix whose eigenvalues are known", async () => {
  // relu keeps positive states linear: dS_t/dS_k is W^(t-k), here a scaled rotation by a permutation.
  const rnn = new nn.RNN({ inputSize: 1, hiddenSize: 3, nonlinearity: "relu" });
  for (const { data } of rnn.parameters()) (data as Float32Array).fill(0);
  (rnn.parameter("weight_hh_l0")!.data as Float32Array).set([0, 0.9, 0, 0, 0, 0.9, 0.9, 0, 0]);
  const { output } = rnn.forward(ops.zeros([12, 2, 1]), { state: { h: ops.ones([1, 2, 3]) } });
  const report = await inspect.bptt(rnn, output.select(9, 0).sum(), { sample: 1 });
  const [loop] = report.loops;
  expect(loop.name).toBe("l0");
  expect(loop.spectralRadius.weight_hh_l0).toBeCloseTo(0.9, 4);
  const wanted = Array.from({ length: 12 }, (_, k) => (k > 9 ? 0 : 0.9 ** (9 - k)));
  expectClose("jacobian", loop.jacobian!, wanted);
  const elsewhere = await inspect.bptt(rnn, output.select(9, 0).sum(), { step: 4 });
  expect(elsewhere.loops[0].jacobian![0]).toBeCloseTo(0.9 ** 4, 5);
  expect(inspect.bpttText(report)).toContain("weight_hh_l0 0.9000");
});

test("a gradient that vanishes far below float32's squares is still told", async () => {
  const rnn = new nn.RNN({ inputSize: 1, hiddenSize: 2, nonlinearity: "relu" });
  for (const { data } of rnn.parameters()) (data as Float32Array).fill(0);
  (rnn.parameter("weight_hh_l0")!.data as Float32Array).set([0.1, 0, 0, 0.1]);
  const { output } = rnn.forward(ops.zeros([31, 1, 1]), {
    state: { h: tensor([1e25, 0], [1, 1, 2]) },
  });
  const { loops } = await inspect.bptt(rnn, output.select(30, 0).sum());
  expect(loops[0].state[0] / 1e-30).toBeCloseTo(Math.SQRT1_2 * Math.SQRT2, 3);
  expect(loops[0].jacobian![0] / 1e-30).toBeCloseTo(1, 3);
});

/** The Jacobian dS_t/dS_k of a runner's cell by central differences of its state. */
async function jacobianByDifferences(
  cell: nn.LSTMCell,
  xs: readonly Tensor[],
  h: Float32Array,
  c: Float32Array,
) {
  const half = h.length;
  const run = async (s: Float32Array) => {
    let state = {
      h: tensor(s.slice(0, half), [1, half]),
      c: tensor(s.slice(half), [1, half]),
    };
    for (const x of xs) state = cell.forward(x, state);
    const [a, b] = await evaluate([state.h, state.c]);
    return [...(a.data as Float32Array), ...(b.data as Float32Array)];
  };
  const start = Float32Array.of(...h, ...c);
  const columns: number[][] = [];
  for (const j of start.keys()) {
    const [above, below] = [
      await run(start.with(j, start[j] + 2 ** -6)),
      await run(start.with(j, start[j] - 2 ** -6)),
    ];
    columns.push(above.map((value, i) => (value - below[i]) * 2 ** 5));
  }
  return columns;
}

test("Jacobians of a cell in a Runner, h and c together, agree with differences", async () => {
  nn.manualSeed(6);
  const cell = new nn.LSTMCell({ inputSize: 2, hiddenSize: 3, peepholes: true });
  const runner = new nn.Runner({ cell });
  const x = tensor(
    Float32Array.from({ length: 10 }, (_, i) => Math.sin(i)),
    [5, 1, 2],
  );
  const { output } = runner.forward(x);
  const { loops } = await inspect.bptt(runner, output.select(4, 0).square().sum());
  const xs = x.split(1, 0).map((slice) => slice.squeeze(0));
  let state = cell.initialState(1);
  for (const k of [0, 1, 2, 3, 4]) {
    state = cell.forward(xs[k], state);
    const [h, c] = (await evaluate([state.h, state.c])).map(({ data }) => data as Float32Array);
    const J = await jacobianByDifferences(cell, xs.slice(k + 1), h, c);
    // The norm of J is the root of the largest eigenvalue of JᵀJ: many plain power steps find it.
    let v = J.map(() => 1);
    let size = 0;
    for (let i = 0; i < 500; i++) {
      const image = J[0].map((_, row) => J.reduce((sum, col, j) => sum + col[row] * v[j], 0));
      v = J.map((col) => col.reduce((sum, value, row) => sum + value * image[row], 0));
      size = Math.sqrt(normOf(v));
      v = v.map((value) => value / normOf(v));
    }
    expect(loops[0].jacobian![k]).toBeCloseTo(size, 2);
  }
  expect(Object.keys(loops[0].spectralRadius)).toEqual(
    ["i", "f", "g", "o"].map((gate) => `cell.weight_hh[${gate}]`),
  );
});

test.each([
  ["gru", () => new nn.GRU({ inputSize: 2, hiddenSize: 3, numLayers: 2, bidirectional: true })],
  ["gru, reset before", () => new nn.GRU({ inputSize: 2, hiddenSize: 3, resetAfter: false })],
  ["lstm", () => new nn.LSTM({ inputSize: 2, hiddenSize: 4, projSize: 3, numLayers: 2 })],
] as const)(
  "%s: terms are the parts of the gradient in all layers and directions",
  async (_, make) => {
    nn.manualSeed(8);
    const model = make();
    const x = tensor(
      Float32Array.from({ length: 12 }, (_, i) => Math.sin(i * 1.3)),
      [6, 1, 2],
    );
    const parameters = model.namedParameters();
    const measure = async (input: Tensor, lengths?: readonly number[]) => {
      const loss = model.forward(input, { lengths }).output.square().sum();
      const { loops } = await inspect.bptt(model, loss, { jacobian: false });
      expect(loops.length).toBe(model.numLayers * (model.bidirectional ? 2 : 1));
      const wrt = parameters.map(([, parameter]) => parameter);
      const own = (await evaluate(gradients(loss, wrt))).map(({ data }) =>
        normOf([...(data as Float32Array)]),
      );
      const total = new Map(parameters.map(([name], i) => [name, own[i]]));
      return loops.flatMap((loop) =>
        Object.entries(loop.gradients).map(([name, norms]) => ({
          name,
          norms,
          total: total.get(name)!,
        })),
      );
    };
    // The one term of one step is the gradient; of several, the triangle inequality holds.
    const single = await measure(x.slice([[2, 3]]));
    expect(single.map(({ name }) => name).sort()).toEqual(parameters.map(([name]) => name).sort());
    for (const { name, norms, total } of single) expectClose(name, norms, [total]);
    for (const { name, norms, total } of await measure(x, [5])) {
      const sum = norms.reduce((a, b) => a + b, 0);
      expect(total, name).toBeLessThanOrEqual(sum * (1 + 1e-5));
      expect(total, name).toBeGreaterThan(0);
      // Step 5 lies beyond the end of the sequence.
      expect(norms[5]).toBe(0);
    }
  },
);

test("says what it needs", async () => {
  const head = new nn.Linear({ inFeatures: 2, outFeatures: 1 });
  await expect(inspect.bptt(head, head.forward(ops.ones([1, 2])).sum())).rejects.toThrow(
    /no recurrent layer/,
  );
  const rnn = new nn.RNN({ inputSize: 1, hiddenSize: 2 });
  const { output } = rnn.forward(ops.ones([3, 1, 1]));
  await expect(inspect.bptt(rnn, output)).rejects.toThrow(/must be a scalar/);
  await expect(inspect.bptt(rnn, output.sum(), { sample: 1 })).rejects.toThrow(/1 sequences/);
  await expect(inspect.bptt(rnn, output.sum(), { step: 3 })).rejects.toThrow(/has 3 steps/);
});
