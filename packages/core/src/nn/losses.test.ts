import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultEngine } from "#engine";
import "../graph/methods.ts";
import { gradients } from "../autodiff/gradients.ts";
import { evaluate } from "../evaluate.ts";
import { Dim } from "../graph/dim.ts";
import { mul, sum } from "../graph/ops/index.ts";
import { placeholder, type Tensor, tensor } from "../graph/tensor.ts";
import { encodeModel, lowerGraph } from "../onnx/lowering.ts";
import {
  bce,
  bceWithLogits,
  crossEntropy,
  huberLoss,
  klDiv,
  type LossOptions,
  l1Loss,
  mseLoss,
  nllLoss,
  poissonNll,
  smoothL1Loss,
} from "./losses.ts";

type Loss = (x: Tensor, target: Tensor, options?: LossOptions) => Tensor;

const numbersOf = async (t: Tensor) => [...((await evaluate(t)).data as Float32Array)];
const wave = (size: number, shift: number, low: number, high: number) =>
  Float32Array.from(
    { length: size },
    (_, i) => low + ((high - low) * (1 + Math.sin(2.3 * i + shift))) / 2,
  );

/** Loss and gradient of x, in that order, as plain numbers. */
async function both(loss: Tensor, x: Tensor): Promise<[number[], number[]]> {
  const [value, slope] = await evaluate([loss, ...gradients(loss, [x])]);
  return [[...(value.data as Float32Array)], [...(slope.data as Float32Array)]];
}

function expectNear(actual: readonly number[], expected: readonly number[], limit = 2e-6): void {
  expect(actual.length).toBe(expected.length);
  const size = Math.max(1e-3, ...expected.map(Math.abs));
  for (const [i, value] of actual.entries()) {
    expect(Math.abs(value - expected[i]), `${i}: ${value} for ${expected[i]}`).toBeLessThan(
      limit * size,
    );
  }
}

const classes = tensor([4, 0, 3, 1, 2, 1], [6], "int32");
const classWeight = tensor([0.5, 2, 1, 0.25, 3]);
const probability: Loss = (x, t, o) => bce(x, t, o);

/** Every loss of x (6, 5), with inputs for which float32 differences are exact enough. */
const smoothLosses: Record<string, { loss: Loss; x?: Float32Array; target: Tensor }> = {
  mse: { loss: mseLoss, target: tensor(wave(30, 1, -1, 1), [6, 5]) },
  l1: {
    loss: l1Loss,
    target: tensor(
      Float32Array.from({ length: 30 }, (_, i) => (i % 3) * 3 - 3.5),
      [6, 5],
    ),
  },
  smoothL1: {
    loss: (x, t, o) => smoothL1Loss(x, t, { ...o, beta: 0.5 }),
    target: tensor(wave(30, 1, -1, 1), [6, 5]),
  },
  huber: {
    loss: (x, t, o) => huberLoss(x, t, { ...o, delta: 0.5 }),
    target: tensor(wave(30, 1, -1, 1), [6, 5]),
  },
  bceWithLogits: {
    loss: (x, t, o) => bceWithLogits(x, t, { ...o, posWeight: classWeight, weight: classWeight }),
    target: tensor(wave(30, 1, 0, 1), [6, 5]),
  },
  bce: { loss: probability, x: wave(30, 4, 0.3, 0.7), target: tensor(wave(30, 1, 0, 1), [6, 5]) },
  klDiv: { loss: (x, t, o) => klDiv(x, t, o), target: tensor(wave(30, 1, 0, 1), [6, 5]) },
  klDivOfLogarithms: {
    loss: (x, t, o) => klDiv(x, t, { ...o, logTarget: true }),
    target: tensor(wave(30, 1, -3, 0), [6, 5]),
  },
  poisson: {
    loss: (x, t, o) => poissonNll(x, t, { ...o, full: true }),
    target: tensor(wave(30, 1, 0, 5), [6, 5]),
  },
  poissonOfRates: {
    loss: (x, t, o) => poissonNll(x, t, { ...o, logInput: false }),
    x: wave(30, 4, 0.5, 3),
    target: tensor(wave(30, 1, 0, 5), [6, 5]),
  },
  crossEntropy: {
    loss: (x, t, o) =>
      crossEntropy(x, t, { ...o, weight: classWeight, labelSmoothing: 0.1, ignoreIndex: 3 }),
    target: classes,
  },
  crossEntropyOfProbabilities: {
    loss: (x, t, o) => crossEntropy(x, t, { ...o, weight: classWeight, labelSmoothing: 0.1 }),
    target: tensor(wave(30, 1, 0, 1), [6, 5]),
  },
  nll: { loss: (x, t, o) => nllLoss(x, t, { ...o, weight: classWeight }), target: classes },
};
const cases = Object.entries(smoothLosses);

describe("gradients agree with finite differences", () => {
  test.each(cases)("%s", async (_, { loss, x: given = wave(30, 0, -1.5, 1.5), target }) => {
    for (const reduction of ["mean", "sum", "none"] as const) {
      const of = (data: Float32Array) => {
        const leaf = tensor(data, [6, 5]);
        const value = loss(leaf, target, { reduction });
        const factors = tensor(wave(Number(value.size), 9, 0.5, 1), value.shape as number[]);
        return { leaf, total: sum(mul(value, factors)) };
      };
      const { leaf, total } = of(given);
      const [, slope] = await both(total, leaf);
      const step = 2 ** -6;
      const moved = (i: number, by: number) => given.with(i, given[i] + by);
      const expected: number[] = [];
      for (const i of given.keys()) {
        const [[above], [below]] = [
          await numbersOf(of(moved(i, step)).total),
          await numbersOf(of(moved(i, -step)).total),
        ];
        expected.push((above - below) / (2 * step));
      }
      expectNear(slope, expected, 5e-3);
    }
  });
});

describe("a padded batch counts as the short one", () => {
  test.each(cases)("%s", async (_, { loss, x: given = wave(30, 0, -1.5, 1.5), target }) => {
    const short = tensor(given.slice(0, 20), [4, 5]);
    const rows = target.rank === 1 ? target.slice([[0, 4]]) : undefined;
    const { data } = await evaluate(rows ?? target);
    const shortTarget = rows ? tensor(data) : tensor(data.slice(0, 20), [4, 5]);
    const full = tensor(given, [6, 5]);
    const sampleWeight = tensor([1, 1, 1, 1, 0, 0]);
    for (const reduction of ["mean", "sum"] as const) {
      const [value, slope] = await both(loss(full, target, { reduction, sampleWeight }), full);
      const [wanted, wantedSlope] = await both(loss(short, shortTarget, { reduction }), short);
      expectNear(value, wanted);
      expectNear(slope, [...wantedSlope, ...Array<number>(10).fill(0)]);
    }
    const single = loss(full, target, { reduction: "none" });
    const weighted = await numbersOf(loss(full, target, { reduction: "none", sampleWeight }));
    const plain = await numbersOf(single);
    const width = plain.length / 6;
    expectNear(
      weighted,
      plain.map((value, i) => (i < 4 * width ? value : 0)),
    );
  });

  test("weights other than 0 and 1 make a weighted mean", async () => {
    const loss = mseLoss(
      tensor([
        [1, 1],
        [2, 2],
      ]),
      tensor([
        [0, 0],
        [0, 0],
      ]),
      {
        sampleWeight: tensor([3, 1]),
      },
    );
    expect(await numbersOf(loss)).toEqual([(3 * 1 + 1 * 4) / 4]);
  });
});

describe("cross entropy", () => {
  test("is ln of the number of classes where all logits are equal", async () => {
    const loss = crossEntropy(
      tensor(new Float32Array(20).fill(7), [4, 5]),
      tensor([0, 1, 2, 4], [4], "int64"),
    );
    expectNear(await numbersOf(loss), [Math.log(5)]);
  });

  test("stays exact and finite for logits far apart", async () => {
    const x = tensor([
      [1e4, 0, -1e4],
      [0, 1e4, 0],
    ]);
    const [value, slope] = await both(crossEntropy(x, tensor([2, 1], [2], "int32")), x);
    expect(value).toEqual([1e4]);
    expect(slope).toEqual([0.5, 0, -0.5, 0, 0, 0]);
  });

  test("of one-hot probabilities is that of the classes", async () => {
    const x = tensor(wave(30, 0, -3, 3), [6, 5]);
    const hot = tensor(
      [...(await numbersOf(classes))].flatMap((k) => [0, 1, 2, 3, 4].map((c) => Number(c === k))),
      [6, 5],
    );
    for (const labelSmoothing of [0, 0.2]) {
      const [a, da] = await both(crossEntropy(x, classes, { labelSmoothing }), x);
      const [b, db] = await both(crossEntropy(x, hot, { labelSmoothing }), x);
      expectNear(a, b);
      expectNear(da, db);
    }
  });

  test("of positions is that of their rows", async () => {
    const data = wave(30, 0, -3, 3);
    const positions = tensor(data, [2, 5, 3]);
    const target = tensor([0, 4, 1, 3, 2, 2], [2, 3], "int64");
    // (2, 5, 3) -> (2, 3, 5) -> (6, 5)
    const rows = positions.permute([0, 2, 1]).reshape([6, 5]);
    const [a] = await both(crossEntropy(positions, target), positions);
    const [b] = await both(crossEntropy(rows, target.reshape([6])), rows);
    expectNear(a, b);
  });

  test("has second derivatives: the Hessian of a row is diag(p) - p pᵀ", async () => {
    const x = tensor([0.3, -1, 0.5]);
    const loss = crossEntropy(x, tensor([1], [], "int32"));
    const [g] = gradients(loss, [x]);
    const v = [1, -2, 0.5];
    const [hv] = gradients(g.mul(tensor(v)).sum(), [x]);
    const e = [0.3, -1, 0.5].map(Math.exp);
    const p = e.map((value) => value / (e[0] + e[1] + e[2]));
    const pv = p.reduce((total, value, i) => total + value * v[i], 0);
    expectNear(
      await numbersOf(hv),
      p.map((value, i) => value * (v[i] - pv)),
    );
  });

  test("subtracts exactly what the target class gains: slopes of a row add up to 0", async () => {
    const row = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), {
      minLength: 5,
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(row, fc.nat(4), async (logits, target) => {
        const x = tensor([logits]);
        const [[value], slope] = await both(crossEntropy(x, tensor([target], [1], "int32")), x);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(Math.abs(slope.reduce((a, b) => a + b, 0))).toBeLessThan(1e-6);
        expect(slope[target]).toBeLessThanOrEqual(0);
      }),
      { numRuns: 30 },
    );
  });

  test.each([5, -1])("a class %i of 5 is an error when the graph runs", async (wrong) => {
    const loss = crossEntropy(tensor(new Float32Array(5), [1, 5]), tensor([wrong], [1], "int32"));
    await expect(evaluate(loss)).rejects.toThrow();
  });

  test("ignored targets count nothing, whatever their number", async () => {
    const x = tensor(wave(20, 0, -1, 1), [4, 5]);
    for (const ignoreIndex of [-100, -1, 2, 255]) {
      const target = tensor([ignoreIndex, 1, ignoreIndex, 3], [4], "int32");
      const [value, slope] = await both(crossEntropy(x, target, { ignoreIndex }), x);
      const kept = tensor(
        [...wave(20, 0, -1, 1).slice(5, 10), ...wave(20, 0, -1, 1).slice(15)],
        [2, 5],
      );
      const [wanted] = await both(crossEntropy(kept, tensor([1, 3], [2], "int32")), kept);
      expectNear(value, wanted);
      expect(slope.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    }
  });
});

test("a batch of symbolic size: one graph for every number of rows", async () => {
  const batch = new Dim("batch");
  const x = placeholder("x", [batch, 3]);
  const target = placeholder("target", [batch], "int32");
  const sampleWeight = placeholder("weight", [batch]);
  const loss = crossEntropy(x, target, { sampleWeight, labelSmoothing: 0.1 });
  const { model, outputs } = lowerGraph([loss, ...gradients(loss, [x])]);
  const executable = await (await defaultEngine()).compile(encodeModel(model));
  for (const n of [1, 4]) {
    const rows = tensor(wave(3 * n, 0, -1, 1), [n, 3]);
    const ids = tensor(new Int32Array(n).fill(2));
    const weights = tensor(wave(n, 0, 0.5, 1));
    const ours = crossEntropy(rows, ids, { sampleWeight: weights, labelSmoothing: 0.1 });
    const [value, slope] = await both(ours, rows);
    const results = await executable.run({
      x: await evaluate(rows),
      target: await evaluate(ids),
      weight: await evaluate(weights),
    });
    expectNear([...(results[outputs[0]].data as Float32Array)], value);
    expectNear([...(results[outputs[1]].data as Float32Array)], slope);
  }
  executable.release();
});

describe("at ties and extremes as in PyTorch", () => {
  test("equal elements have slope 0", async () => {
    const x = tensor([1, 2]);
    for (const loss of [l1Loss, mseLoss, smoothL1Loss, huberLoss]) {
      expect(await both(loss(x, tensor([1, 2])), x)).toEqual([[0], [0, 0]]);
    }
  });

  test("where the parabola meets the line the slope is 1", async () => {
    const x = tensor([1, -1]);
    const [, slope] = await both(smoothL1Loss(x, tensor([0, 0]), { reduction: "sum" }), x);
    expect(slope).toEqual([1, -1]);
  });

  test("binary cross entropy of certain and wrong predictions", async () => {
    const x = tensor([0, 1, 0, 1]);
    const target = tensor([0, 1, 1, 0]);
    const [value, slope] = await both(bce(x, target, { reduction: "sum" }), x);
    expect(value).toEqual([200]);
    expectNear(slope, [0, 0, -1e12, 1e12]);
    const far = tensor([-1000, 1000, -1000, 1000]);
    const [loss, slopes] = await both(bceWithLogits(far, target, { reduction: "sum" }), far);
    expect(loss).toEqual([2000]);
    expectNear(slopes, [0, 0, -1, 1]);
  });

  test("divergence from a probability of 0 is finite", async () => {
    const x = tensor([[-1, -2]]);
    const [value] = await both(klDiv(x, tensor([[0, 1]]), { reduction: "batchmean" }), x);
    expect(value).toEqual([2]);
  });
});

describe("errors", () => {
  const x = tensor(new Float32Array(6), [2, 3]);
  const ids = tensor([0, 1], [2], "int32");
  test.each([
    [
      () => mseLoss(x, tensor([1, 2])),
      /mseLoss: input \[2, 3\] and target \[2\] must have the same shape/,
    ],
    [
      () => mseLoss(x, x, { reduction: "avg" as "mean" }),
      /reduction must be "mean", "sum" or "none", received "avg"/,
    ],
    [
      () => mseLoss(x, x, { sampleWeight: tensor([1, 2, 3]) }),
      /one weight for each sample, \[2\], received \[3\]/,
    ],
    [
      () => crossEntropy(x, tensor([0, 1, 2], [3], "int32")),
      /needs a target of shape \[2\], received \[3\]/,
    ],
    [
      () => crossEntropy(x, tensor([0, 1])),
      /class probabilities must have the shape of the logits/,
    ],
    [() => crossEntropy(x, x, { ignoreIndex: 1 }), /ignoreIndex needs classes/],
    [
      () => crossEntropy(x, ids, { weight: tensor([1, 2]) }),
      /one entry for each of 3 classes, received \[2\]/,
    ],
    [() => crossEntropy(x, ids, { labelSmoothing: 2 }), /labelSmoothing must be between 0 and 1/],
    [() => nllLoss(x, tensor([0, 1])), /nllLoss: classes must be int32 or int64, received float32/],
    [() => smoothL1Loss(x, x, { beta: -1 }), /beta must be at least 0/],
    [() => huberLoss(x, x, { delta: 0 }), /delta must be above 0/],
    [
      () => bceWithLogits(x, x, { weight: tensor(new Float32Array(6), [2, 1, 3]) }),
      /does not broadcast/,
    ],
  ] as const)("refuses %#", (make, message) => {
    expect(make).toThrow(message);
  });
});
