import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as schedules from "./index.ts";
import {
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  CyclicLR,
  ExponentialLR,
  type JsonObject,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  OneCycleLR,
  PolynomialLR,
  ReduceLROnPlateau,
  type Schedule,
  SequentialLR,
  StepLR,
} from "./index.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../../../../tests/golden/optim.json", import.meta.url), "utf8"),
);
const makers = schedules as unknown as Record<
  string,
  new (
    rate: number,
    options: object,
  ) => Schedule
>;

// T_max -> tMax, step_size -> stepSize.
const camel = (name: string) =>
  name.replace(/^T_/, "t_").replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const camelCased = (config: object) =>
  Object.fromEntries(Object.entries(config).map(([key, value]) => [camel(key), value]));

function ratesOf(schedule: Schedule, count: number, metrics: readonly number[] = []): number[] {
  return Array.from({ length: count }, (_, i) => {
    const rate = schedule.rate();
    schedule.advance(metrics[i]);
    return rate;
  });
}

function expectRates(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, rate] of actual.entries()) {
    expect(Math.abs(rate - expected[i]), `count ${i}: ${rate} for ${expected[i]}`).toBeLessThan(
      1e-9 * Math.abs(expected[i]) + 1e-15,
    );
  }
}

describe("PyTorch's rates", () => {
  for (const { name, scheduler, lr, config, lr_by_epoch } of golden.schedules) {
    test(name, () => {
      const schedule = new makers[scheduler](lr, camelCased(config));
      expectRates(ratesOf(schedule, golden.epochs, golden.losses), lr_by_epoch);
    });
  }
});

const every: Record<string, () => Schedule> = {
  StepLR: () => new StepLR(0.1, { stepSize: 3 }),
  MultiStepLR: () => new MultiStepLR(0.1, { milestones: [2, 5, 5] }),
  ExponentialLR: () => new ExponentialLR(0.1, { gamma: 0.9 }),
  LinearLR: () => new LinearLR(0.1, { startFactor: 0.1, totalIters: 7 }),
  ConstantLR: () => new ConstantLR(0.1, { totalIters: 4 }),
  PolynomialLR: () => new PolynomialLR(0.1, { totalIters: 9, power: 2 }),
  LambdaLR: () => new LambdaLR(0.1, { lrLambda: (n) => 1 / (n + 1) }),
  CosineAnnealingLR: () => new CosineAnnealingLR(0.1, { tMax: 6, etaMin: 0.01 }),
  CosineAnnealingWarmRestarts: () => new CosineAnnealingWarmRestarts(0.1, { t0: 3, tMult: 2 }),
  OneCycleLR: () => new OneCycleLR(0.1, { maxLr: 1, totalSteps: 20, threePhase: true }),
  CyclicLR: () => new CyclicLR(0.1, { baseLr: 0.1, maxLr: 1, stepSizeUp: 4, mode: "triangular2" }),
  ReduceLROnPlateau: () => new ReduceLROnPlateau(0.1, { patience: 1, cooldown: 1 }),
  SequentialLR: () =>
    new SequentialLR({
      schedules: [
        new LinearLR(0.1, { startFactor: 0.1, totalIters: 5 }),
        new CosineAnnealingLR(0.1, { tMax: 10 }),
        new StepLR(0.1, { stepSize: 2 }),
      ],
      milestones: [5, 13],
    }),
};
const metrics = [3, 2, 2.5, 2.4, 2.3, 1.9, 1.9, 1.95, 2, 1.8, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9];

describe("continues bit for bit from its state after any number of advances", () => {
  test.each(Object.entries(every))("%s", (_, make) => {
    for (let stop = 0; stop < 16; stop++) {
      const straight = make();
      const before = make();
      ratesOf(straight, stop, metrics);
      ratesOf(before, stop, metrics);
      const after = make();
      after.load(JSON.parse(JSON.stringify(before.state())) as JsonObject);
      const rest = metrics.slice(stop);
      expect(ratesOf(after, 16 - stop, rest)).toEqual(ratesOf(straight, 16 - stop, rest));
    }
  });
});

test("reading the rate changes nothing", () => {
  for (const make of Object.values(every)) {
    const [once, often] = [make(), make()];
    for (let i = 0; i < 5; i++) often.rate();
    expect(ratesOf(often, 8, metrics)).toEqual(ratesOf(once, 8, metrics));
  }
});

test("a warm-up, then a decay from the full rate", () => {
  const schedule = every.SequentialLR();
  const rates = ratesOf(schedule, 18);
  expectRates(rates.slice(0, 5), [0.01, 0.028, 0.046, 0.064, 0.082]);
  expectRates(rates.slice(5, 13), ratesOf(new CosineAnnealingLR(0.1, { tMax: 10 }), 8));
  expectRates(rates.slice(13), [0.1, 0.1, 0.01, 0.01, 0.001]);
});

test("the optimiser's rate is the initial one", () => {
  expect(new StepLR({ lr: 0.3 }, { stepSize: 1 }).rate()).toBe(0.3);
  expect(new ReduceLROnPlateau({ lr: 0.3 }).rate()).toBe(0.3);
});

test("one cycle goes by steps, the others by epochs unless told otherwise", () => {
  expect(every.OneCycleLR().interval).toBe("step");
  expect(every.StepLR().interval).toBe("epoch");
  expect(new LinearLR(0.1, { interval: "step" }).interval).toBe("step");
});

describe("errors", () => {
  test.each([
    [() => new StepLR(0.1, { stepSize: 0 }), /stepSize must be a whole number from 1, received 0/],
    [() => new StepLR(Number.NaN, { stepSize: 1 }), /the initial rate must be/],
    [() => new MultiStepLR(0.1, { milestones: [1.5] }), /each milestone must be a whole number/],
    [() => new LinearLR(0.1, { startFactor: 0 }), /startFactor must be above 0/],
    [() => new CosineAnnealingLR(0.1, { tMax: 0 }), /tMax must be/],
    [() => new CosineAnnealingWarmRestarts(0.1, { t0: 2, tMult: 0.5 }), /tMult must be/],
    [() => new OneCycleLR(0.1, { maxLr: 1 }), /totalSteps must be .* or epochs and stepsPerEpoch/],
    [
      () => new OneCycleLR(0.1, { maxLr: 1, totalSteps: 5, cycleMomentum: true as false }),
      /cycleMomentum must be false/,
    ],
    [() => new ReduceLROnPlateau(0.1, { factor: 1 }), /factor must be at least 0 and below 1/],
    [() => new ReduceLROnPlateau(0.1, { mode: "less" as "min" }), /mode must be min or max/],
    [() => new ReduceLROnPlateau(0.1).advance(), /needs the value to watch/],
    [
      () => new SequentialLR({ schedules: [new StepLR(0.1, { stepSize: 1 })], milestones: [3] }),
      /milestones must be 0 counts, received 1/,
    ],
    [
      () => ratesOf(new OneCycleLR(0.1, { maxLr: 1, totalSteps: 3 }), 6),
      /advanced 4 times, but the cycle has 3 steps/,
    ],
    [
      () => new StepLR(0.1, { stepSize: 1 }).load(new ExponentialLR(0.1, { gamma: 1 }).state()),
      /the saved state is of ExponentialLR/,
    ],
    [() => every.StepLR().load({ schedule: "StepLR", count: "3" }), /no number "count"/],
  ] as const)("refuses %#", (make, message) => {
    expect(make).toThrow(message);
  });
});
