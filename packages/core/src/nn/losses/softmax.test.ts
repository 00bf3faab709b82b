import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { evaluate, gradients, nn, ops, tensor } from "../../index.ts";

const wave = (size: number, phase: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + phase));

interface Case {
  readonly cutoffs: number[];
  readonly divValue: number;
  readonly headBias: boolean;
  readonly names: string[];
  readonly target: number[];
  readonly output: number[];
  readonly loss: number;
  readonly logProb: number[];
  readonly predict: number[];
  readonly dx: number[];
  readonly grads: number[][];
}
const { cases } = JSON.parse(
  readFileSync(new URL("testing/adaptive.json", import.meta.url), "utf8"),
) as { cases: Case[] };

function expectClose(own: ArrayLike<number | bigint>, wanted: readonly number[], digits = 5) {
  expect(own.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) expect(Number(own[i])).toBeCloseTo(value, digits);
}

describe.each(cases)("adaptive softmax as PyTorch's, cutoffs $cutoffs", (given) => {
  test("values, probabilities, gradients and names", async () => {
    const { cutoffs, divValue, headBias } = given;
    const model = new nn.AdaptiveLogSoftmaxWithLoss({
      inFeatures: 8,
      nClasses: 12,
      cutoffs,
      divValue,
      headBias,
    });
    const named = model.namedParameters();
    expect(named.map(([name]) => name)).toEqual(given.names);
    for (const [i, [, { data }]] of named.entries())
      (data as Float32Array).set(wave(data.length, i));
    const x = tensor(wave(48, 0.5), [6, 8]);
    const { output, loss } = model.forward(x, tensor(given.target, [6], "int32"));
    const [o, l, all, best, dx, ...grads] = await evaluate([
      output,
      loss,
      model.logProb(x),
      model.predict(x),
      ...gradients(loss, [x, ...model.parameters()]),
    ]);
    expectClose(o.data, given.output);
    expectClose(l.data, [given.loss]);
    expectClose(all.data, given.logProb);
    expectClose(best.data, given.predict);
    expectClose(dx.data, given.dx);
    for (const [i, { data }] of grads.entries()) expectClose(data, given.grads[i]);
  });
});

test("adaptive softmax refuses what PyTorch refuses, and classes outside its range", async () => {
  const make = (cutoffs: number[]) =>
    new nn.AdaptiveLogSoftmaxWithLoss({ inFeatures: 4, nClasses: 6, cutoffs });
  expect(() => make([])).toThrow(/rising whole numbers/);
  expect(() => make([3, 2])).toThrow(/rising whole numbers/);
  expect(() => make([6])).toThrow(/below nClasses.*received 6/);
  const x = tensor(wave(4, 0), [1, 4]);
  for (const outside of [6, -1])
    await expect(
      evaluate(make([2]).forward(x, tensor([outside], [1], "int32")).loss),
    ).rejects.toThrow();
  expect(() => make([2]).forward(x, tensor([1], [1, 1], "int32"))).toThrow(/classes \(N\)/);
});

const sampledHead = (numSampled: number, sampler: "logUniform" | "uniform" = "logUniform") =>
  new nn.SampledSoftmaxLoss({ inFeatures: 4, numClasses: 30, numSampled, sampler });
const x = tensor(wave(20, 1), [5, 4]);
const target = tensor([0, 29, 3, 12, 3], [5], "int32");

test("sampled softmax is exact in evaluation mode", async () => {
  const head = sampledHead(8).eval();
  const linear = new nn.Linear({ inFeatures: 4, outFeatures: 30 });
  linear.loadStateDict(head.stateDict());
  const logits = linear.forward(x);
  const [own, wanted, all, allWanted, best, bestWanted] = await evaluate([
    head.forward(x, target),
    nn.crossEntropy(logits, target),
    head.logProb(x),
    logits.logSoftmax(1),
    head.predict(x),
    logits.argmax({ dim: 1 }),
  ]);
  expectClose(own.data, [Number(wanted.data[0])]);
  expectClose(all.data, [...(allWanted.data as Float32Array)]);
  expect(best.data).toEqual(bestWanted.data);
});

test.each(["logUniform", "uniform"] as const)(
  "with many %s samples the loss and its gradient come close to the exact ones",
  async (sampler) => {
    nn.manualSeed(5);
    const head = sampledHead(20_000, sampler);
    const measure = async () => {
      const loss = head.forward(x, target);
      return evaluate([loss, ...gradients(loss, [x, ...head.parameters()])], { seed: 4 });
    };
    const sampled = await measure();
    head.eval();
    const exact = await measure();
    for (const [i, { data }] of sampled.entries())
      expectClose(data, [...(exact[i].data as Float32Array)], 1.5);
  },
);

test("samples follow the logarithmic law, anew for every seed", async () => {
  // With weights of 0 and biases k the loss tells which classes were drawn: counted one class at a time.
  const head = new nn.SampledSoftmaxLoss({ inFeatures: 1, numClasses: 5, numSampled: 4000 });
  head.weight.data.fill(0 as never);
  const row = ops.zeros([1, 1]);
  const expected = [0, 1, 2, 3].map((k) => Math.log((k + 2) / (k + 1)) / Math.log(6));
  for (const [k, p] of expected.entries()) {
    // Only class k counts: the loss of target 4 is ln(1 + count_k / expected count_k).
    (head.bias.data as Float32Array)
      .fill(-60)
      .fill(0, k, k + 1)
      .fill(0, 4, 5);
    const values = [];
    for (const seed of [1, 2]) {
      const { data } = await evaluate(head.forward(row, tensor([4], [1], "int32")), { seed });
      values.push((Math.exp(Number(data[0])) - 1) * 4000 * p);
    }
    for (const count of values) expect(count / 4000).toBeCloseTo(p, 1);
    expect(Math.abs(values[0] - Math.round(values[0]))).toBeLessThan(0.05);
    if (k < 3) expect(values[0]).not.toBeCloseTo(values[1], 0);
  }
});

test("sampled softmax says what is wrong", () => {
  expect(() => sampledHead(0)).toThrow(/numSampled must be a whole number from 1/);
  expect(() => sampledHead(1, "zipf" as never)).toThrow(/"logUniform" or "uniform"/);
  expect(() => sampledHead(3).forward(tensor(wave(15, 0), [5, 3]), target)).toThrow(
    /expected rows \(N, 4\).*received \[5, 3\]/,
  );
});
