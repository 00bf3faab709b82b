import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluate } from "../evaluate.ts";
import { mul, sub } from "../graph/ops/index.ts";
import { placeholder, type Tensor, tensor } from "../graph/tensor.ts";
import {
  Adadelta,
  Adagrad,
  Adam,
  AdamW,
  groupOf,
  type Optimizer,
  RMSprop,
  SGD,
  type UpdateInputs,
} from "./index.ts";
import { inPlaceHazards, statePairs } from "./inPlace.ts";
import { biasCorrection } from "./optimizer.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../../tests/golden/optim.json", import.meta.url), "utf8"),
);
const makers = { SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta } as unknown as Record<
  string,
  new (
    options: object,
  ) => Optimizer
>;

const camel = (name: string) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const camelCased = (config: object) =>
  Object.fromEntries(Object.entries(config).map(([key, value]) => [camel(key), value]));

/** The parameter after each step. */
async function trajectory(
  optimizer: Optimizer,
  start: readonly number[],
  gradients: readonly (readonly number[])[],
): Promise<number[][]> {
  let parameter = tensor(start);
  let slots: Record<string, Tensor> = Object.fromEntries(
    optimizer.slots.map(({ name, initial }) => [name, tensor(start.map(() => initial))]),
  );
  const path: number[][] = [];
  for (const [i, row] of gradients.entries()) {
    const next = optimizer.update({
      parameter,
      gradient: tensor(row),
      slots,
      lr: tensor([optimizer.lr], []),
      step: tensor([i + 1], []),
    });
    expect(Object.keys(next.slots)).toEqual(optimizer.slots.map(({ name }) => name));
    const names = Object.keys(next.slots);
    const results = await evaluate([next.parameter, ...names.map((name) => next.slots[name])]);
    parameter = tensor(results[0].data);
    slots = Object.fromEntries(names.map((name, k) => [name, tensor(results[k + 1].data)]));
    path.push([...(results[0].data as Float32Array)]);
  }
  return path;
}

function worstError(actual: readonly number[][], expected: readonly number[][]): number {
  const size = Math.max(...expected.flat().map(Math.abs));
  return (
    Math.max(
      ...actual.flatMap((row, i) => row.map((value, j) => Math.abs(value - expected[i][j]))),
    ) / size
  );
}

describe("PyTorch's trajectories", () => {
  const rows = golden.gradients.map((row: number[] | number[][]) => row.flat());
  for (const { name, optimizer, config, ...wanted } of golden.optimizers) {
    test(name, async () => {
      const path = await trajectory(
        new makers[optimizer](camelCased(config)),
        golden.parameter,
        rows,
      );
      expect(worstError(path, wanted.trajectory)).toBeLessThan(8 * wanted.float32_error + 1e-7);
    });
  }
});

/** Every optimiser with every combination of the options that change its graph. */
const variants: Optimizer[] = [
  ...[0, 0.01].flatMap((weightDecay) =>
    [false, true].flatMap((maximize) => {
      const common = { lr: 0.1, weightDecay, maximize };
      return [
        new SGD(common),
        new SGD({ ...common, momentum: 0.9 }),
        new SGD({ ...common, momentum: 0.9, dampening: 0.3 }),
        new SGD({ ...common, momentum: 0.9, nesterov: true }),
        ...[false, true].flatMap((amsgrad) => [
          new Adam({ ...common, amsgrad }),
          new Adam({ ...common, amsgrad, betas: [0, 0] }),
          new AdamW({ ...common, amsgrad }),
        ]),
        ...[0, 0.9].flatMap((momentum) =>
          [false, true].map((centered) => new RMSprop({ ...common, momentum, centered })),
        ),
        new Adagrad(common),
        new Adagrad({ ...common, lrDecay: 0.1, initialAccumulatorValue: 0.5 }),
        new Adadelta(common),
      ];
    }),
  ),
];
const describeVariant = ({ name, options }: Optimizer) => `${name} ${JSON.stringify(options)}`;

const symbols = (optimizer: Optimizer): UpdateInputs => ({
  parameter: placeholder("parameter", [6]),
  gradient: placeholder("gradient", [6]),
  slots: Object.fromEntries(optimizer.slots.map(({ name }) => [name, placeholder(name, [6])])),
  lr: placeholder("lr", []),
  step: placeholder("step", []),
});

describe("updates can run in place", () => {
  test.each(variants.map((v) => [describeVariant(v), v] as const))("%s", (_, optimizer) => {
    const inputs = symbols(optimizer);
    const outputs = optimizer.update(inputs);
    const pairs = statePairs(optimizer, inputs, outputs);
    expect(inPlaceHazards(pairs)).toEqual([]);
    for (const { before, after } of pairs) expect(after.shape).toEqual(before.shape);
  });

  test("the check finds a reader that may come too late", () => {
    const [p, m] = [placeholder("p", [3]), placeholder("m", [3])];
    const hazards = inPlaceHazards([
      { name: "p", before: p, after: sub(p, m) },
      { name: "m", before: m, after: mul(m, 0.9) },
    ]);
    expect(hazards.map(({ name, reader }) => [name, reader.op.name])).toEqual([["m", "sub"]]);
  });
});

test("updates are elementwise: a buffer of two parameters moves as they do alone", async () => {
  const start = [0.5, -0.25, 1, 2];
  const rows = [
    [0.1, -0.2, 0.3, 4],
    [-0.3, 0.1, 0, 2],
  ];
  const part = (from: number, to: number) =>
    [start.slice(from, to), rows.map((row) => row.slice(from, to))] as const;
  for (const optimizer of variants) {
    const whole = await trajectory(optimizer, start, rows);
    const [left, right] = [
      await trajectory(optimizer, ...part(0, 1)),
      await trajectory(optimizer, ...part(1, 4)),
    ];
    expect(whole, describeVariant(optimizer)).toEqual(left.map((row, i) => [...row, ...right[i]]));
  }
});

test("maximize climbs where the plain optimiser falls", async () => {
  const rows = [
    [0.3, -2],
    [0.1, 0.5],
  ];
  for (const maker of Object.values(makers)) {
    const down = await trajectory(new maker({ lr: 0.1 }), [0, 0], rows);
    const up = await trajectory(new maker({ lr: 0.1, maximize: true }), [0, 0], rows);
    if (maker !== (AdamW as unknown)) expect(up).toEqual(down.map((row) => row.map((v) => -v)));
    else
      expect(
        worstError(
          up,
          down.map((row) => row.map((v) => -v)),
        ),
      ).toBeLessThan(1e-6);
  }
});

test("1 - beta^t is exact to a few units in the last place", async () => {
  for (const beta of [0.5, 0.9, 0.99, 0.999, 0.9999, 0.999999]) {
    const steps = [1, 2, 3, 7, 10, 100, 1000, 12345, 1e6, 2 ** 24];
    const correction = biasCorrection(beta, tensor(steps)) as Tensor;
    const { data } = await evaluate(correction);
    for (const [i, t] of steps.entries()) {
      const exact = -Math.expm1(t * Math.log(beta));
      expect(Math.abs(Number(data[i]) / exact - 1), `${beta}^${t}`).toBeLessThan(6e-7);
    }
  }
});

test("centred RMSprop stays finite where rounding makes the variance negative", async () => {
  const rows = Array.from({ length: 30 }, () => [0.1, 1 / 3, 1e4]);
  const path = await trajectory(new RMSprop({ alpha: 0.5, centered: true }), [0, 0, 0], rows);
  expect(path.flat().every(Number.isFinite)).toBe(true);
});

describe("options", () => {
  test("defaults are PyTorch's", () => {
    expect(new SGD({ lr: 0.1 }).options).toEqual({
      lr: 0.1,
      momentum: 0,
      dampening: 0,
      weightDecay: 0,
      nesterov: false,
      maximize: false,
    });
    expect(new Adam().options).toMatchObject({ lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8 });
    expect(new AdamW().options).toMatchObject({ weightDecay: 0.01 });
    expect(new RMSprop().options).toMatchObject({ lr: 0.01, alpha: 0.99, eps: 1e-8 });
    expect(new Adagrad().options).toMatchObject({ lr: 0.01, eps: 1e-10 });
    expect(new Adadelta().options).toMatchObject({ lr: 1, rho: 0.9, eps: 1e-6 });
  });

  test("survive JSON, for checkpoints", () => {
    for (const optimizer of variants) {
      const again = new makers[optimizer.name](JSON.parse(JSON.stringify(optimizer.options)));
      expect(again.options).toEqual(optimizer.options);
      expect(again.slots).toEqual(optimizer.slots);
    }
  });

  test.each([
    [() => new SGD({ lr: -1 }), /SGD: lr must be at least 0, received -1/],
    [() => new SGD({} as { lr: number }), /SGD: lr must be at least 0, received NaN/],
    [() => new SGD({ lr: 1, momentum: -0.1 }), /momentum must be at least 0/],
    [() => new SGD({ lr: 1, nesterov: true }), /nesterov needs a momentum above 0/],
    [() => new SGD({ lr: 1, momentum: 0.9, dampening: 0.1, nesterov: true }), /dampening 0.1/],
    [
      () => new SGD({ lr: 1, weight_decay: 0.1 } as { lr: number }),
      /no option is called "weight_decay"; there are lr, momentum/,
    ],
    [() => new SGD({ lr: "0.1" as unknown as number }), /lr must be a number, received 0.1/],
    [() => new Adam({ betas: [0.9, 1] }), /betas\[1\] must be at least 0 and below 1, received 1/],
    [() => new Adam({ betas: [0.9] as unknown as [number, number] }), /betas must be two numbers/],
    [() => new Adam({ eps: -1 }), /eps must be at least 0/],
    [() => new AdamW({ weightDecay: -1 }), /weightDecay must be at least 0/],
    [() => new AdamW({ weightDecay: Number.NaN }), /weightDecay must be a number, received NaN/],
    [() => new RMSprop({ alpha: -1 }), /alpha must be at least 0/],
    [() => new Adagrad({ lrDecay: -1 }), /lrDecay must be at least 0/],
    [() => new Adadelta({ rho: 1.5 }), /rho must be between 0 and 1, received 1.5/],
    [
      () => new Adam({ groups: [{ match: () => true, lrScale: -1 }] }),
      /lrScale must be at least 0/,
    ],
  ] as const)("refuses %#", (make, message) => {
    expect(make).toThrow(message);
  });
});

test("groups: the first match decides about rate and decay", () => {
  const optimizer = new AdamW({
    weightDecay: 0.1,
    groups: [
      { match: (name) => name.endsWith("bias"), weightDecay: 0 },
      { match: (name) => name.startsWith("head."), lrScale: 10 },
    ],
  });
  const bias = groupOf(optimizer, "head.bias");
  expect([bias.index, bias.lrScale, bias.optimizer.options.weightDecay]).toEqual([1, 1, 0]);
  const head = groupOf(optimizer, "head.weight");
  expect([head.index, head.lrScale, head.optimizer.options.weightDecay]).toEqual([2, 10, 0.1]);
  expect(groupOf(optimizer, "body.weight")).toEqual({ index: 0, lrScale: 1, optimizer });
  expect(bias.optimizer.slots).toEqual(optimizer.slots);
});

test("Adam's first step is lr in the direction of the gradient's sign, whatever its size", async () => {
  const gradient = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(gradient, { minLength: 4, maxLength: 4 }), async (row) => {
      const signed = row.map((g, i) => (i % 2 === 0 ? g : -g));
      const [first] = await trajectory(new Adam({ lr: 0.5 }), [0, 0, 0, 0], [signed]);
      for (const [i, value] of first.entries()) {
        expect(value).toBeCloseTo(-0.5 * Math.sign(signed[i]), 4);
      }
    }),
    { numRuns: 20 },
  );
});
