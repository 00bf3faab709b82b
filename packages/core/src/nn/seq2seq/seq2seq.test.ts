import { describe, expect, test } from "vitest";
import { evaluate, gradients, nn, tensor } from "../../index.ts";

const wave = (size: number, phase: number, scale = 1) =>
  Float32Array.from({ length: size }, (_, i) => scale * Math.sin(i * 1.7 + phase));
const [N, S, Q] = [2, 4, 3];
const scores = ["additive", "general", "dot"] as const;
const ints = (values: readonly number[], shape: readonly number[]) =>
  tensor(values, shape, "int32");

/** The papers' formulas place by place; weights are (out, in), row by row. */
function attendByHand(
  { state, score }: { state: Record<string, Float32Array>; score: string },
  q: readonly number[],
  places: readonly (readonly number[])[],
) {
  const apply = (name: string, x: readonly number[], units: number) =>
    Array.from({ length: units }, (_, row) =>
      x.reduce(
        (sum, value, i) => sum + value * state[`${name}.weight`][row * x.length + i],
        state[`${name}.bias`]?.[row] ?? 0,
      ),
    );
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, i) => sum + value * b[i], 0);
  const energies = places.map((m) => {
    if (score === "dot") return dot(q, m);
    const key = apply("key", m, Q);
    if (score === "general") return dot(q, key);
    const hidden = apply("query", q, Q).map((value, i) => Math.tanh(value + key[i]));
    return apply("energy", hidden, 1)[0];
  });
  const powers = energies.map((energy) => Math.exp(energy));
  const sum = powers.reduce((a, b) => a + b);
  const weights = powers.map((power) => power / sum);
  const context = places[0].map((_, i) =>
    dot(
      weights,
      places.map((m) => m[i]),
    ),
  );
  return { weights, context };
}

describe.each(scores)("attention, %s", (score) => {
  const memorySize = score === "dot" ? Q : 5;

  test("by the paper's formula; padding gets no weight, whatever stands in it", async () => {
    nn.manualSeed(1);
    const attention = new nn.Attention({ querySize: Q, memorySize, score });
    const [query, values] = [wave(N * Q, 1, 2), wave(N * S * memorySize, 2, 2)];
    const lengths = [S, 2];
    const { context, weights } = attention.forward(
      tensor(query, [N, Q]),
      attention.prepare(tensor(values, [N, S, memorySize]), ints(lengths, [N])),
    );
    const [c, w] = await evaluate([context, weights]);
    const state = Object.fromEntries(
      [...attention.stateDict()].map(([name, { data }]) => [name, data as Float32Array]),
    );
    for (const [n, length] of lengths.entries()) {
      const places = Array.from({ length }, (_, s) => {
        const at = (n * S + s) * memorySize;
        return [...values.subarray(at, at + memorySize)];
      });
      const wanted = attendByHand({ state, score }, [...query.subarray(n * Q, n * Q + Q)], places);
      for (let s = 0; s < S; s++) {
        if (s >= length) expect(w.data[n * S + s]).toBe(0);
        else expect(w.data[n * S + s]).toBeCloseTo(wanted.weights[s], 6);
      }
      for (const [i, value] of wanted.context.entries()) {
        expect(c.data[n * memorySize + i]).toBeCloseTo(value, 5);
      }
    }
  });
});

const sizes = { sourceTokens: 7, targetTokens: 6, embeddingDim: 3, hiddenSize: 4 };
const source = ints([1, 4, 2, 6, 3, 5, 0, 0], [2, 4]);
const lengths = ints([4, 2], [2]);
const tokens = ints([1, 3, 5, 1, 2, 2], [2, 3]);

describe.each([undefined, "additive", "general"] as const)(
  "encoder-decoder, attention %s",
  (score) => {
    const make = () => {
      nn.manualSeed(3);
      return new nn.EncoderDecoder({ ...sizes, ...(score && { attention: score }) });
    };

    test("gradients agree with differences", async () => {
      const model = make();
      const loss = () => {
        const { logits } = model.forward(source, lengths, { tokens });
        return logits.mul(tensor(wave(3 * 2 * 6, 4), [3, 2, 6])).sum();
      };
      const parameters = model.parameters();
      const grads = await evaluate(gradients(loss(), parameters));
      const step = 2 ** -8;
      for (const [i, { data }] of parameters.entries()) {
        const direction = wave(data.length, i);
        const before = (data as Float32Array).slice();
        const at = async (by: number) => {
          for (const k of data.keys()) data[k] = before[k] + by * direction[k];
          return Number((await evaluate(loss())).data[0]);
        };
        const quotient = ((await at(step)) - (await at(-step))) / (2 * step);
        await at(0);
        const slope = direction.reduce((sum, d, k) => sum + d * Number(grads[i].data[k]), 0);
        expect(slope).toBeCloseTo(quotient, 2);
      }
    });

    test("given its own tokens it writes what it writes greedily", async () => {
      const model = make();
      const forced = (ratio: readonly number[]) =>
        model.forward(source, lengths, { tokens, ratio: tensor(ratio, [2]) }).logits;
      const [own, written, right, taught, mixed] = await evaluate([
        forced([0, 0]).argmax({ dim: -1 }).transpose(0, 1),
        model.write(source, lengths, ints([1, 1], [2]), 3).tokens,
        forced([1, 1]),
        model.forward(source, lengths, { tokens }).logits,
        forced([1, 0]),
      ]);
      expect(Array.from(own.data, Number)).toEqual(Array.from(written.data, Number));
      for (const [i, value] of right.data.entries()) {
        expect(value).toBeCloseTo(Number(taught.data[i]), 6);
      }
      // Row 0 of every step is taught, row 1 is not.
      for (let t = 0; t < 3; t++) {
        const row = mixed.data.slice(t * 12, t * 12 + 6);
        for (const [i, value] of row.entries()) {
          expect(value).toBeCloseTo(Number(taught.data[t * 12 + i]), 6);
        }
      }
    });

    test("what stands behind a source's end has no effect", async () => {
      const model = make();
      const other = ints([1, 4, 2, 6, 3, 5, 6, 4], [2, 4]);
      const [a, b] = await evaluate(
        [source, other].map((x) => model.forward(x, lengths, { tokens }).logits),
      );
      expect(a.data).toEqual(b.data);
    });
  },
);

test("sizes that do not fit are told", () => {
  expect(() => new nn.Attention({ querySize: 2, memorySize: 3, score: "dot" })).toThrow(
    /"dot" needs equal sizes, received querySize 2 and memorySize 3/,
  );
  const attention = new nn.Attention({ querySize: 2, memorySize: 3 });
  expect(() => attention.prepare(tensor(wave(8, 0), [1, 4, 2]))).toThrow(
    /memory \(batch, places, 3\)/,
  );
  const memory = attention.prepare(tensor(wave(12, 0), [1, 4, 3]));
  expect(() => attention.forward(tensor(wave(3, 0), [1, 3]), memory)).toThrow(/query \(batch, 2\)/);
  const model = new nn.EncoderDecoder(sizes);
  expect(() => model.forward(source, lengths, { tokens: ints([1, 2, 3], [3, 1]) })).toThrow(
    /target tokens \(2, time\)/,
  );
});
