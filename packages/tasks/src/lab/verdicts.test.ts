import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Curve } from "./bench.ts";
import { type ActivationsResult, activationsExperiment } from "./experiments/activations.ts";
import { auxiliary } from "./experiments/auxiliary.ts";
import { clipping } from "./experiments/clipping.ts";
import { degradation } from "./experiments/degradation.ts";
import { dropout } from "./experiments/dropout.ts";
import { gradientNorms, passedBack } from "./experiments/gradientNorms.ts";
import { inception } from "./experiments/inception.ts";
import { truncation } from "./experiments/truncation.ts";
import { twoDirections } from "./experiments/twoDirections.ts";
import { vanishing } from "./experiments/vanishing.ts";
import {
  type Experiment,
  experiments,
  labPage,
  type Plan,
  type Result,
  verdictOf,
} from "./index.ts";
import type { LabRecord } from "./run.ts";

type Values = Readonly<Record<string, readonly number[]>>;
const curve = (train: Values, after: Curve["after"] = {}, more: Partial<Curve> = {}): Curve => ({
  ...{ name: "", parameters: 100, steps: 10, seconds: 1, train, after },
  ...more,
});
const falling = (to: number) => ({ error: [0.9, (0.9 + to) / 2, to, to] });
const held = (values: Values) => curve({}, { held: values });

const outcome = <R extends Result>(experiment: Pick<Experiment<Plan, R>, "judge">, result: R) =>
  verdictOf(experiment.judge(result)).outcome;

test("degradation: by the training error of the last quarter", () => {
  const curves = (plain20: number, plain56: number, resnet20: number, resnet56: number) => ({
    curves: {
      plain20: curve(falling(plain20)),
      plain56: curve(falling(plain56)),
      resnet20: curve(falling(resnet20)),
      resnet56: curve(falling(resnet56)),
    },
  });
  expect(outcome(degradation, curves(0.2, 0.4, 0.15, 0.1))).toBe("reproduced");
  expect(outcome(degradation, curves(0.2, 0.4, 0.15, 0.18))).toBe("partly reproduced");
  expect(outcome(degradation, curves(0.2, 0.1, 0.1, 0.4))).toBe("not reproduced");
});

test("gradient norms: by what is left at the first layers", () => {
  const going = (factor: number) => Array.from({ length: 12 }, (_, i) => factor ** (11 - i));
  expect(passedBack(going(0.5))).toBeCloseTo(0.5 ** 8, 8);
  expect(passedBack([0, 0, 0, 0, 0, 1, 1, 1])).toBe(0);
  const norms = (kept: number, lost: number, normed: number, residual: number) => ({
    weights: {},
    norms: {
      "tanh, Xavier": going(kept),
      "ReLU, small": going(lost),
      "ReLU, Xavier": going(lost),
      "ReLU, He": going(kept),
      "sigmoid, Xavier": going(lost),
      "ReLU, small, batch norm": going(normed),
      "plain-8, batch norm": going(normed),
      "ResNet-8, batch norm": going(residual),
    },
  });
  expect(outcome(gradientNorms, norms(0.95, 0.1, 1.2, 1.05))).toBe("reproduced");
  const exploding = verdictOf(gradientNorms.judge(norms(0.95, 0.1, 3, 1.05)));
  expect(exploding.checks.filter(({ holds }) => !holds).map(({ expected }) => expected)).toEqual([
    expect.stringContaining("grow"),
  ]);
  const even = verdictOf(gradientNorms.judge(norms(0.5, 0.5, 0.3, 0.2)));
  // What vanishes does not grow: nothing else holds.
  expect(even.checks.filter(({ holds }) => holds).map(({ expected }) => expected)).toEqual([
    expect.stringContaining("grow"),
  ]);
});

test("inception: by counts and times", () => {
  const cost = (factor: number) => ({
    ...{ name: "", parameters: 10 * factor, macs: 100 * factor, outChannels: 7 * factor },
    ...{ forwardMs: factor, trainingMs: 3 * factor },
  });
  const total = (factor: number) => ({ parameters: factor, macs: factor });
  const result = (naive: number, whole: number) => ({
    naive: cost(naive),
    reduced: cost(1),
    network: { naive: total(whole), reduced: total(1) },
  });
  expect(outcome(inception, result(2, 8))).toBe("reproduced");
  expect(outcome(inception, result(0.5, 0.4))).toBe("not reproduced");
});

test("auxiliary heads: against the network without", () => {
  const one = (error: number) => curve(falling(error), { test: falling(error) });
  const result = (none: number, loss: number, fused: number, both: number) => ({
    curves: { none: one(none), loss: one(loss), fused: one(fused), both: one(both) },
  });
  expect(outcome(auxiliary, result(0.4, 0.3, 0.35, 0.2))).toBe("reproduced");
  expect(outcome(auxiliary, result(0.4, 0.3, 0.45, 0.2))).toBe("partly reproduced");
  expect(outcome(auxiliary, result(0.1, 0.3, 0.45, 0.2))).toBe("not reproduced");
});

test("dropout: by test error and gap", () => {
  const part = (value: number) => ({ error: Array(5).fill(value), loss: Array(5).fill(value) });
  const curves = (train: number, test: number) => [
    curve({}, { train: part(train), test: part(test) }),
  ];
  const result = (off: [number, number], on: [number, number]) => ({
    without: curves(...off),
    with: curves(...on),
  });
  expect(outcome(dropout, result([0, 0.12], [0.01, 0.1]))).toBe("reproduced");
  expect(outcome(dropout, result([0, 0.12], [0.05, 0.13]))).toBe("partly reproduced");
  expect(outcome(dropout, result([0, 0.1], [0, 0.11]))).toBe("not reproduced");
});

describe("activations", () => {
  type Activation = ActivationsResult["runs"][number]["activation"];
  const run = (activation: Activation, epochs: number | "diverged", lr = 0.01) => {
    const error = Array.from({ length: 30 }, (_, i) => (i + 1 === epochs ? 0.2 : 0.9));
    const more = epochs === "diverged" ? { diverged: "the loss is NaN" } : {};
    return { activation, lr, curve: curve({ error }, {}, more) };
  };
  const judged = (...runs: ActivationsResult["runs"]) =>
    outcome(activationsExperiment, { target: 0.25, runs });

  test("the best rate of each counts", () => {
    expect(judged(run("relu", 5), run("tanh", 6), run("tanh", 20), run("sigmoid", 0))).toBe(
      "partly reproduced",
    );
    expect(judged(run("relu", 5), run("tanh", 12), run("tanh", 20), run("sigmoid", 0))).toBe(
      "reproduced",
    );
  });

  test("who never arrives is not first", () => {
    expect(judged(run("relu", 0), run("tanh", 20), run("sigmoid", 15))).toBe("not reproduced");
    expect(judged(run("relu", "diverged"), run("tanh", 0), run("sigmoid", 0))).toBe(
      "not reproduced",
    );
  });
});

describe("vanishing", () => {
  const solved = held({ loss: [0.2, 0.001] });
  const unsolved = held({ loss: [0.2, 0.17] });
  const recalled = (accuracy: number) => held({ loss: [1], accuracy: [accuracy] });
  const result = (tanh: boolean, others: boolean, vanishes: boolean) => {
    const run = (cell: "tanh" | "irnn" | "lstm" | "gru", good: boolean) => [
      { problem: "adding" as const, cell, length: 20, curve: good ? solved : unsolved },
      { problem: "copy" as const, cell, length: 5, curve: recalled(good ? 1 : 0.3) },
    ];
    const norms = (share: number) => ({ before: [share, 0.5, 1], after: [] });
    return {
      gradients: {
        tanh: norms(vanishes ? 1e-9 : 0.1),
        irnn: norms(vanishes ? 0.9 : 0.01),
        lstm: norms(vanishes ? 1e-3 : 0.01),
        gru: norms(1e-9),
      },
      runs: [
        ...[...run("tanh", tanh), ...run("irnn", others)],
        ...[...run("lstm", others), ...run("gru", others)],
      ],
    };
  };

  test("by what arrives and by the lengths that are solved", () => {
    expect(outcome(vanishing, result(false, true, true))).toBe("reproduced");
    expect(outcome(vanishing, result(true, true, true))).toBe("partly reproduced");
    expect(outcome(vanishing, result(true, false, false))).toBe("not reproduced");
  });
});

test("clipping: by leaps and by trainings that learn", () => {
  const run = (clip: boolean, worst: number, end: number, diverged = false) => ({
    ...{ clip, lr: 0.1 },
    curve: curve(
      { loss: [worst] },
      { held: { loss: [end] } },
      diverged ? { diverged: "the loss is Infinity" } : {},
    ),
  });
  const judged = (...runs: ReturnType<typeof run>[]) => outcome(clipping, { runs });
  expect(judged(run(true, 0.2, 0.01), run(false, 0.2, 0.01, true))).toBe("reproduced");
  expect(judged(run(true, 0.2, 0.17), run(false, 5, 0.17))).toBe("partly reproduced");
  expect(judged(run(true, 5, 0.17), run(false, 0.2, 0.01))).toBe("not reproduced");
});

test("truncation: by who solves the problem", () => {
  const recalled = (accuracy: number) => held({ loss: [1], accuracy: [accuracy] });
  const result = (full: number, cut: number) => ({
    ...{ delay: 5, chance: 0.25 },
    runs: [
      { window: 0, curve: recalled(full) },
      { window: 5, curve: recalled(cut) },
    ],
  });
  expect(outcome(truncation, result(1, 0.3))).toBe("reproduced");
  expect(outcome(truncation, result(0.9, 0.3))).toBe("partly reproduced");
  expect(outcome(truncation, result(0.9, 1))).toBe("not reproduced");
});

test("two directions: by blanks filled and by size", () => {
  const result = (forward: number, both: number, parameters: number) => ({
    baseline: 0.15,
    curves: {
      forward: held({ error: [1 - forward], loss: [1] }),
      backward: held({ error: [1 - forward], loss: [1] }),
      both: { ...held({ error: [1 - both], loss: [1] }), parameters },
    },
  });
  expect(outcome(twoDirections, result(0.4, 0.6, 90))).toBe("reproduced");
  expect(outcome(twoDirections, result(0.4, 0.6, 200))).toBe("partly reproduced");
  expect(outcome(twoDirections, result(0.1, 0.1, 200))).toBe("not reproduced");
});

const root = new URL("../../../../", import.meta.url);
const recordOf = (id: string): LabRecord | undefined => {
  const path = new URL(`bench/results/lab/${id}.json`, root);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
};

describe("committed results", () => {
  test.each(experiments.map((experiment) => [experiment.id, experiment] as const))(
    "%s: of the full plan, and the verdict is that of the numbers",
    (id, experiment) => {
      const record = recordOf(id);
      if (record === undefined) return;
      expect(record).toMatchObject({ experiment: id, quick: false, plan: experiment.plans.full });
      expect(record.verdict).toEqual(verdictOf(experiment.judge(record.result)));
    },
  );

  test("docs/lab.md is what they give", () => {
    const entries = experiments.map((experiment) => ({
      experiment,
      record: recordOf(experiment.id),
    }));
    expect(readFileSync(new URL("docs/lab.md", root), "utf8")).toBe(labPage(entries));
  });
});
