import { describe, expect, test } from "vitest";
import { evaluate, inspect, nn, ops, type Tensor, tensor } from "../index.ts";

const x = tensor(
  Float32Array.from({ length: 6 * 2 * 3 }, (_, i) => Math.sin(i * 1.7)),
  [6, 2, 3],
);
const options = { inputSize: 3, hiddenSize: 4 };

/** h of every step from the gates alone, for one sequence and unit. */
const fromGates: Record<string, (at: (gate: string, t: number) => number, t: number) => number> = {
  lstm: (at, t) => {
    const c = at("f", t) * (t > 0 ? at("C", t - 1) : 0) + at("i", t) * at("g", t);
    expect(at("C", t)).toBeCloseTo(c, 5);
    return at("o", t) * Math.tanh(c);
  },
  gru: (at, t) => (1 - at("z", t)) * at("n", t) + at("z", t) * (t > 0 ? at("h", t - 1) : 0),
};

describe.each([
  ["lstm", () => new nn.LSTM(options)],
  ["gru", () => new nn.GRU(options)],
  ["gru", () => new nn.GRU({ ...options, resetAfter: false })],
] as const)("%s", (kind, make) => {
  test("the gates make up the layer's own output", async () => {
    const model = make();
    const [{ name, gates }] = await inspect.gates(model, x);
    const output = await evaluate(model.forward(x).output);
    expect(name).toBe("l0");
    expect(Object.keys(gates).sort()).toEqual(
      kind === "lstm" ? ["C", "f", "g", "h", "i", "o"] : ["h", "n", "r", "z"],
    );
    for (const { shape } of Object.values(gates)) expect(shape).toEqual([6, 2, 4]);
    for (let t = 0; t < 6; t++) {
      for (let unit = 0; unit < 8; unit++) {
        const at = (gate: string, step: number) => gates[gate].data[step * 8 + unit];
        const h = fromGates[kind](at, t);
        expect(at("h", t)).toBeCloseTo(h, 5);
        expect(Number(output.data[t * 8 + unit])).toBeCloseTo(h, 5);
      }
    }
  });
});

test("every layer and direction of a model, from embedded tokens, in evaluation mode", async () => {
  class Model extends nn.Module {
    embedding = new nn.Embedding({ numEmbeddings: 9, embeddingDim: 3 });
    lstm = new nn.LSTM({
      ...options,
      numLayers: 2,
      bidirectional: true,
      batchFirst: true,
      dropout: 0.9,
    });
    head = new nn.Linear({ inFeatures: 8, outFeatures: 9 });
    forward(tokens: Tensor): Tensor {
      return this.head.forward(this.lstm.forward(this.embedding.forward(tokens)).output);
    }
  }
  const model = new Model();
  const tokens = tensor([1, 2, 3, 4, 5], [1, 5], "int32");
  const found = await inspect.gates(model, tokens);
  expect(found.map(({ name, reverse }) => [name, reverse])).toEqual([
    ["lstm.l0", false],
    ["lstm.l0_reverse", true],
    ["lstm.l1", false],
    ["lstm.l1_reverse", true],
  ]);
  expect(model.training).toBe(true);
  const { output } = model.eval().lstm.forward(model.embedding.forward(tokens));
  const { data } = await evaluate(output);
  const [ahead, back] = [found[2].gates.h.data, found[3].gates.h.data];
  for (let t = 0; t < 5; t++) {
    for (let u = 0; u < 4; u++) {
      expect(ahead[t * 4 + u]).toBeCloseTo(Number(data[t * 8 + u]), 5);
      expect(back[t * 4 + u]).toBeCloseTo(Number(data[t * 8 + 4 + u]), 5);
    }
  }
});

test("a cell of one's own shows what it names; others are told how", async () => {
  class Decay extends nn.Cell<{ readonly s: Tensor }> {
    readonly rate: string | undefined;
    constructor(rate?: string) {
      super();
      this.rate = rate;
    }
    initialState = (batch: Tensor["shape"][number]) => ({ s: ops.zeros([batch, 3]) });
    forward(input: Tensor, { s } = this.initialState(input.shape[0])) {
      const rate = input.sigmoid();
      return { s: s.mul(this.rate ? nn.gate(this.rate, rate) : rate).add(input) };
    }
  }
  const [{ name, gates }] = await inspect.gates(new nn.Runner({ cell: new Decay("rate") }), x);
  expect(name).toBe("(itself)");
  const { data } = await evaluate(x.sigmoid());
  expect([...gates.rate.data]).toEqual([...(data as Float32Array)]);
  await expect(inspect.gates(new nn.Runner({ cell: new Decay() }), x)).rejects.toThrow(/nn\.gate/);
  const head = new nn.Linear({ inFeatures: 3, outFeatures: 1 });
  await expect(inspect.gates(head, x)).rejects.toThrow(/no recurrent layer/);
});

test("units are ranked by how they follow a signal", () => {
  // Unit 0 is noise, unit 1 the signal upside down, unit 2 the signal with noise, unit 3 constant.
  const signal = Float32Array.from({ length: 20 }, (_, t) => t % 5);
  const noise = (i: number) => Math.sin(i * i * 12.9);
  const data = Float32Array.from({ length: 80 }, (_, i) => {
    const t = Math.floor(i / 4);
    return [noise(i), -2 * signal[t] + 1, signal[t] + noise(i), 0.5][i % 4];
  });
  const ranks = inspect.rankUnits({ shape: [20, 1, 4], data }, signal);
  expect(ranks.map(({ unit }) => unit)).toEqual([1, 2, 0, 3]);
  expect(ranks[0].correlation).toBeCloseTo(-1, 6);
  expect(ranks[3].correlation).toBe(0);
  // Steps that do not count may hold anything.
  const spoilt = data.slice();
  spoilt.fill(99, 0, 4);
  const [best] = inspect.rankUnits({ shape: [20, 1, 4], data: spoilt }, signal.with(0, Number.NaN));
  expect(best.correlation).toBeCloseTo(-1, 6);
  expect(() => inspect.rankUnits({ shape: [20, 1, 4], data }, [1, 2])).toThrow(/20 or 20 numbers/);
});
