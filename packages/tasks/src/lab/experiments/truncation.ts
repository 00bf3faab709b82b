import { lossCurves } from "../../report/index.ts";
import { type Curve, last, percent } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import { isSolved, type MemoryPlan, trainMemory } from "../memory.ts";

type Plan = MemoryPlan & {
  readonly clipNorm: number;
  /** Of the copy problem. */
  readonly delay: number;
  /** Steps through which gradients flow; 0 for all. */
  readonly windows: readonly number[];
};

export type TruncationResult = {
  readonly delay: number;
  /** A guess is right this often. */
  readonly chance: number;
  readonly runs: readonly { readonly window: number; readonly curve: Curve }[];
};

const accuracyOf = ({ after }: Curve): number => last(after.held?.accuracy);

export const truncation: Experiment<Plan, TruncationResult> = {
  id: "truncation",
  title: "Back-propagation through time, truncated with carried state",
  claim: {
    text:
      "Cutting the gradient every few steps while the state is carried on makes long sequences affordable, but what " +
      "must be remembered for longer than the window is not learned.",
    source:
      "Williams & Peng 1990; Williams & Zipser 1995, Gradient-based learning algorithms for recurrent networks",
  },
  setting:
    "An LSTM on the copy problem, whose loss counts the recalled symbols only; windows are cut from the sequence's " +
    "beginning, states pass from one to the next as numbers. All else is equal.",
  plans: {
    full: {
      ...{ hidden: 64, batch: 32, lr: 3e-3, samples: 20_000, heldSamples: 200 },
      ...{ stepsPerEpoch: 100, epochs: 30, symbols: 5, alphabet: 4, clipNorm: 1 },
      ...{ delay: 15, windows: [0, 13, 5] },
    },
    quick: {
      ...{ hidden: 32, batch: 32, lr: 5e-3, samples: 5000, heldSamples: 100 },
      ...{ stepsPerEpoch: 50, epochs: 4, symbols: 2, alphabet: 3, clipNorm: 1 },
      ...{ delay: 4, windows: [0, 4] },
    },
  },

  async measure(bench, plan) {
    const runs: TruncationResult["runs"][number][] = [];
    for (const window of plan.windows) {
      const curve = await trainMemory(bench, plan, {
        ...{ problem: "copy", cell: "lstm", length: plan.delay, clipNorm: plan.clipNorm },
        name: window === 0 ? "full" : `window-${window}`,
        ...(window > 0 && { window }),
      });
      runs.push({ window, curve });
    }
    return { delay: plan.delay, chance: 1 / plan.alphabet, runs };
  },

  judge({ runs, chance }) {
    const full = runs.find(({ window }) => window === 0)!;
    const cut = runs.filter(({ window }) => window > 0);
    const told = cut.map(
      ({ window, curve }) => `${percent(accuracyOf(curve))} with ${window} steps`,
    );
    return [
      {
        expected: "with the whole gradient the problem is solved",
        seen: `${percent(accuracyOf(full.curve))} of the symbols recalled after ${full.curve.steps} steps`,
        holds: isSolved(full.curve),
      },
      {
        expected: "no truncated training solves it within the same steps",
        seen: `${told.join(", ")}; guessing gives ${percent(chance)}`,
        holds: cut.length > 0 && cut.every(({ curve }) => !isSolved(curve)),
      },
      {
        expected: "the whole gradient recalls more than any truncated one",
        seen: `${percent(accuracyOf(full.curve))} against ${told.join(", ")}`,
        holds: cut.every(({ curve }) => accuracyOf(curve) < accuracyOf(full.curve)),
      },
    ];
  },

  show({ runs }) {
    const name = (window: number) => (window === 0 ? "all steps" : `${window} steps`);
    return {
      tables: [
        {
          caption: "Copy problem",
          columns: [
            { key: "name", label: "Gradient through" },
            { key: "steps", label: "Training steps" },
            { key: "accuracy", label: "Recalled", unit: "%", digits: 1 },
            { key: "seconds", label: "Time", unit: "s", digits: 0 },
          ],
          rows: runs.map(({ window, curve }) => ({
            cells: {
              ...{ name: name(window), steps: curve.steps, seconds: curve.seconds },
              accuracy: 100 * accuracyOf(curve),
            },
          })),
        },
      ],
      plots: [
        {
          figure: lossCurves({
            curves: runs.map(({ window, curve }) => ({
              name: name(window),
              train: curve.after.held?.accuracy?.map((share) => 100 * share),
            })),
            ...{ label: "symbols recalled", unit: "%", countedBy: "evaluation" },
          }),
          caption: "Recalled symbols of sequences that were not trained on.",
        },
      ],
    };
  },
};
