import { optim } from "tensorlane";
import { lossCurves } from "../../report/index.ts";
import { type Curve, last } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import { type MemoryPlan, trainMemory } from "../memory.ts";

type Plan = Omit<MemoryPlan, "lr"> & {
  readonly length: number;
  readonly rates: readonly number[];
  readonly clipNorm: number;
  readonly momentum: number;
  /** Trainings at each rate, which differ in all random choices. */
  readonly repeats: number;
};

type Run = { readonly lr: number; readonly clip: boolean; readonly curve: Curve };

export type ClippingResult = { readonly runs: readonly Run[] };

/** Mean squared error of always answering 1. */
const BASELINE = 1 / 6;

/** Whether a training knows of both numbers: one alone leaves half of the error. */
export const learned = ({ curve }: Run): boolean =>
  curve.diverged === undefined && last(curve.after.held?.loss) < BASELINE / 2;

/** Whether the error leapt far above what knowing nothing gives. */
export const leapt = ({ curve }: Run): boolean =>
  curve.diverged !== undefined || Math.max(...(curve.train.loss ?? [])) > 10 * BASELINE;

const count = (runs: readonly Run[], test: (run: Run) => boolean): string =>
  `${runs.filter(test).length} of ${runs.length}`;

export const clipping: Experiment<Plan, ClippingResult> = {
  id: "clipping",
  title: "Clipping the exploding gradient",
  claim: {
    text:
      "Where the recurrent weights stretch the state, the gradient explodes now and then, and one step throws the " +
      "network far off; scaling gradients down to a largest norm keeps training going.",
    source:
      "Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks",
  },
  setting:
    "A ReLU network that starts from the identity, on the adding problem, by SGD with momentum at several rates; " +
    "clipping on and off, all else equal. The error leapt where an epoch's mean (or a number beyond all bounds) is ten " +
    "times that of always answering 1 (0.167); a training learned where it ends below half of that.",
  plans: {
    full: {
      ...{ hidden: 64, batch: 32, samples: 20_000, heldSamples: 200 },
      ...{ stepsPerEpoch: 100, epochs: 20, symbols: 5, alphabet: 4 },
      ...{ length: 20, rates: [0.01, 0.03, 0.1, 0.3], clipNorm: 1, momentum: 0.9, repeats: 2 },
    },
    quick: {
      ...{ hidden: 32, batch: 32, samples: 3000, heldSamples: 100 },
      ...{ stepsPerEpoch: 20, epochs: 4, symbols: 5, alphabet: 4 },
      ...{ length: 20, rates: [0.01], clipNorm: 1, momentum: 0.9, repeats: 1 },
    },
  },

  async measure(bench, plan) {
    const runs: Run[] = [];
    for (const lr of plan.rates) {
      for (const clip of [true, false]) {
        for (let i = 0; i < plan.repeats; i++) {
          const curve = await trainMemory(
            bench,
            { ...plan, lr },
            {
              ...{ problem: "adding", cell: "irnn", length: plan.length, toTheEnd: true },
              ...{ name: `${clip ? "on" : "off"}-${lr}-${i + 1}`, seed: bench.seed + i },
              ...(clip && { clipNorm: plan.clipNorm }),
              optimizer: new optim.SGD({ lr, momentum: plan.momentum }),
            },
          );
          runs.push({ lr, clip, curve });
        }
      }
    }
    return { runs };
  },

  judge({ runs }) {
    const on = runs.filter(({ clip }) => clip);
    const off = runs.filter(({ clip }) => !clip);
    return [
      {
        expected: "without clipping the error leaps in some trainings",
        seen: `in ${count(off, leapt)}`,
        holds: off.some(leapt),
      },
      {
        expected: "with clipping it leaps in none",
        seen: `in ${count(on, leapt)}`,
        holds: !on.some(leapt),
      },
      {
        expected: "with clipping more trainings learn",
        seen: `${count(on, learned)} with, ${count(off, learned)} without`,
        holds: on.filter(learned).length > off.filter(learned).length,
      },
    ];
  },

  show({ runs }) {
    const name = ({ clip, lr }: Run) => `${clip ? "on" : "off"}, rate ${lr}`;
    return {
      tables: [
        {
          caption: "Adding problem, mean squared error",
          columns: [
            { key: "clip", label: "Clipping" },
            { key: "lr", label: "Learning rate" },
            { key: "worst", label: "Largest mean of an epoch", digits: 3 },
            { key: "held", label: "In the end", digits: 4 },
            { key: "outcome", label: "Outcome" },
          ],
          rows: runs.map((run) => ({
            cells: {
              ...{ clip: run.clip ? "on" : "off", lr: run.lr },
              // A training that diverged in its first epoch has no mean.
              worst: run.curve.train.loss ? Math.max(...run.curve.train.loss) : null,
              held: run.curve.after.held?.loss?.at(-1),
              outcome: run.curve.diverged
                ? `beyond all bounds after ${run.curve.steps} steps`
                : `${learned(run) ? "learned" : "not learned"}${leapt(run) ? ", leapt" : ""}`,
            },
          })),
        },
      ],
      plots: [true, false].map((clip) => ({
        figure: lossCurves({
          curves: runs
            .filter((run) => run.clip === clip)
            .map((run) => ({ name: name(run), train: run.curve.train.loss })),
          ...{ label: "mean squared error", log: true },
        }),
        caption: `Mean training error of each epoch, clipping ${clip ? "on" : "off"}.`,
      })),
    };
  },
};
