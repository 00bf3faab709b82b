import { nn, ops, optim, type Tensor } from "tensorlane";
import { classificationLoss } from "../../classify/network.ts";
import { lossCurves } from "../../report/index.ts";
import { type Curve, percent } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import { inOrder, loadPictures, shuffled } from "../images.ts";

type Plan = {
  readonly data: string;
  readonly perClass: number;
  readonly testPerClass: number;
  readonly hidden: number;
  readonly batch: number;
  readonly epochs: number;
  readonly lr: number;
  /** Part of the hidden units and of the pixels that is left out. */
  readonly p: number;
  readonly inputP: number;
  /** Trainings with other random choices. */
  readonly repeats: number;
};

export type DropoutResult = {
  readonly without: readonly Curve[];
  readonly with: readonly Curve[];
};

/** Two wide hidden layers, as in the lecture's picture. */
class Wide extends nn.Module {
  readonly layers: nn.Sequential;

  constructor(
    inFeatures: number,
    hidden: number,
    numClasses: number,
    { p, inputP }: { readonly p: number; readonly inputP: number },
  ) {
    super();
    const layer = (from: number) => [
      new nn.Linear({ inFeatures: from, outFeatures: hidden }),
      new nn.ReLU(),
      new nn.Dropout({ p }),
    ];
    this.layers = new nn.Sequential(
      new nn.Dropout({ p: inputP }),
      ...[...layer(inFeatures), ...layer(hidden)],
      new nn.Linear({ inFeatures: hidden, outFeatures: numClasses }),
    );
  }

  forward(image: Tensor): Tensor {
    return this.layers.forward(ops.flatten(image, 1));
  }
}

/** Mean over the last fifth of the epochs, in which little moves, and over the trainings. */
export function lateMean(curves: readonly Curve[], part: "train" | "test", metric: string): number {
  const values = curves.flatMap(({ after }) => {
    const all = after[part]?.[metric] ?? [];
    return all.slice(Math.floor(0.8 * all.length));
  });
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const meanCurve = (curves: readonly Curve[], part: "train" | "test"): number[] =>
  (curves[0]?.after[part]?.error ?? []).map(
    (_, epoch) =>
      (100 * curves.reduce((sum, curve) => sum + curve.after[part]!.error![epoch]!, 0)) /
      curves.length,
  );

export const dropout: Experiment<Plan, DropoutResult> = {
  id: "dropout",
  title: "Dropout on and off",
  claim: {
    text:
      "Leaving out half of the hidden units and a fifth of the pixels at random while training narrows the gap between training and test error of a " +
      "network that has far more weights than it has examples, and lowers the test error.",
    source:
      "Hinton et al. 2012, Improving neural networks by preventing co-adaptation of feature detectors; " +
      "Krizhevsky et al. 2012, section 4.2",
  },
  setting:
    "Two hidden layers on few digits, AdamW without decay; both errors are measured in evaluation mode after each " +
    "epoch. Means over several trainings that differ in all random choices, and over the last fifth of the epochs.",
  plans: {
    full: {
      ...{ data: "mnist", perClass: 100, testPerClass: 200, hidden: 800, batch: 50, epochs: 40 },
      ...{ lr: 1e-3, p: 0.5, inputP: 0.2, repeats: 3 },
    },
    quick: {
      ...{ data: "mnist", perClass: 20, testPerClass: 50, hidden: 256, batch: 20, epochs: 10 },
      ...{ lr: 1e-3, p: 0.5, inputP: 0.2, repeats: 1 },
    },
  },

  async measure(bench, plan) {
    const pictures = await loadPictures(bench, { ...plan, size: 28 });
    const { train, test, classes, channels } = pictures;
    const curves = async (p: number, inputP: number) => {
      const all: Curve[] = [];
      for (let i = 0; i < plan.repeats; i++) {
        const seed = bench.seed + i;
        const curve = await bench.train({
          name: `dropout-${p}-${i + 1}`,
          model: () => new Wide(channels * 28 * 28, plan.hidden, classes, { p, inputP }),
          loss: (network, batch) => classificationLoss(network, batch, 0),
          optimizer: new optim.AdamW({ lr: plan.lr, weightDecay: 0 }),
          loader: shuffled(train, plan.batch, seed),
          after: { train: inOrder(train), test: inOrder(test) },
          ...{ epochs: plan.epochs, seed },
        });
        all.push(curve);
      }
      return all;
    };
    return { without: await curves(0, 0), with: await curves(plan.p, plan.inputP) };
  },

  judge(result) {
    const gap = (curves: readonly Curve[], metric: string) =>
      lateMean(curves, "test", metric) - lateMean(curves, "train", metric);
    const [plain, dropped] = [result.without, result.with];
    const [before, after] = [lateMean(plain, "test", "error"), lateMean(dropped, "test", "error")];
    const [gapBefore, gapAfter] = [gap(plain, "loss"), gap(dropped, "loss")];
    return [
      {
        expected: "dropout lowers the test error",
        seen: `${percent(before, 2)} without, ${percent(after, 2)} with`,
        holds: after < before,
      },
      {
        expected: "the gap between test and training error is narrower",
        seen: `${percent(gap(plain, "error"), 2)} without, ${percent(gap(dropped, "error"), 2)} with`,
        holds: gap(dropped, "error") < gap(plain, "error"),
      },
      {
        expected: "the gap between test and training loss is narrower",
        seen: `${gapBefore.toFixed(3)} without, ${gapAfter.toFixed(3)} with`,
        holds: gapAfter < gapBefore,
      },
    ];
  },

  show(result) {
    const rows = [
      ["off", result.without],
      ["on", result.with],
    ] as const;
    const row = (curves: readonly Curve[], part: "train" | "test") => ({
      [`${part}Error`]: 100 * lateMean(curves, part, "error"),
      [`${part}Loss`]: lateMean(curves, part, "loss"),
    });
    return {
      tables: [
        {
          caption: "Means over the last fifth of the epochs",
          columns: [
            { key: "name", label: "Dropout" },
            { key: "trainings", label: "Trainings" },
            { key: "trainError", label: "Training error", unit: "%", digits: 2 },
            { key: "testError", label: "Test error", unit: "%", digits: 2 },
            { key: "trainLoss", label: "Training loss", digits: 4 },
            { key: "testLoss", label: "Test loss", digits: 4 },
          ],
          rows: rows.map(([name, curves]) => ({
            cells: {
              ...{ name, trainings: curves.length },
              ...row(curves, "train"),
              ...row(curves, "test"),
            },
          })),
        },
      ],
      plots: [
        {
          figure: lossCurves({
            curves: rows.map(([name, curves]) => ({
              name: `dropout ${name}`,
              train: meanCurve(curves, "train"),
              validation: meanCurve(curves, "test"),
            })),
            ...{ label: "error", unit: "%" },
          }),
          caption:
            "Mean error over the trainings: on the training pictures (dashed) and on the test's (solid).",
        },
      ],
    };
  },
};
