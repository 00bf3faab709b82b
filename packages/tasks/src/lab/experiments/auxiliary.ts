import { models, optim } from "tensorlane";
import { classificationLoss } from "../../classify/network.ts";
import { lossCurves } from "../../report/index.ts";
import { type Curve, last, percent } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import { inOrder, loadPictures, shuffled } from "../images.ts";

type Plan = {
  readonly data: string;
  readonly size: number;
  readonly perClass: number;
  readonly testPerClass: number;
  readonly batch: number;
  readonly epochs: number;
  readonly lr: number;
  readonly weight: number;
};

type Use = "none" | "loss" | "fused" | "both";

export type AuxiliaryResult = { readonly curves: { readonly [use in Use]: Curve } };

const uses: Readonly<Record<Use, string>> = {
  none: "no heads",
  loss: "in the loss",
  fused: "fused into the prediction",
  both: "both",
};
const all = Object.keys(uses) as Use[];

/** Test error, mean of the last quarter of the epochs. */
export function lateTestError({ after }: Curve): number {
  const error = after.test?.error ?? [];
  const late = error.slice(Math.floor(0.75 * error.length));
  return late.reduce((sum, value) => sum + value, 0) / late.length;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export const auxiliary: Experiment<Plan, AuxiliaryResult> = {
  id: "auxiliary",
  title: "GoogLeNet's auxiliary heads",
  claim: {
    text:
      "Heads on features halfway, their loss added with weight 0.3 while training, bring gradient to the lower layers " +
      "and regularise: the network learns faster and better (Szegedy et al. later found the effect small). The " +
      "lecture fuses their scores into the prediction as well.",
    source:
      "Szegedy et al. 2014, Going deeper with convolutions, section 5; 2016, Rethinking the Inception architecture, section 4",
  },
  setting:
    "Torchvision's variant (batch norm; its heads take any size) on small pictures, SGD with momentum 0.9 and one " +
    "cycle of the rate, no variation of the pictures. Fused: the mean of all scores, those of the heads with the " +
    "weight; without them in the loss they learn through the fused scores only.",
  plans: {
    full: {
      ...{ data: "gtsrb-part", size: 48, perClass: 20, testPerClass: 20, batch: 32, epochs: 12 },
      ...{ lr: 0.01, weight: 0.3 },
    },
    quick: {
      ...{ data: "gtsrb-part", size: 32, perClass: 2, testPerClass: 2, batch: 16, epochs: 1 },
      ...{ lr: 0.01, weight: 0.3 },
    },
  },

  async measure(bench, plan) {
    const { train, test, classes, channels } = await loadPictures(bench, plan);
    const loader = shuffled(train, plan.batch, bench.seed);
    const curves: Partial<Record<Use, Curve>> = {};
    for (const use of all) {
      const fused = use === "fused" || use === "both";
      const inLoss = use === "loss" || use === "both";
      const optimizer = new optim.SGD({ lr: plan.lr, momentum: 0.9, weightDecay: 1e-4 });
      curves[use] = await bench.train({
        ...{ name: use, loader, optimizer, epochs: plan.epochs },
        model: () =>
          models.googlenet({
            ...{ numClasses: classes, inChannels: channels, auxLogits: use !== "none" },
            ...(fused && { auxFusion: plan.weight }),
          }),
        loss: (network, batch) => classificationLoss(network, batch, 0, inLoss ? plan.weight : 0),
        schedule: new optim.OneCycleLR(optimizer, {
          maxLr: plan.lr,
          totalSteps: plan.epochs * loader.length + 1,
        }),
        after: { test: inOrder(test, 100) },
      });
    }
    return { curves: curves as Record<Use, Curve> };
  },

  judge({ curves }) {
    const error = (use: Use) => lateTestError(curves[use]);
    const early = (use: Use) => mean(curves[use].train.error ?? []);
    const against = (use: Use, f: (use: Use) => number) =>
      `${percent(f("none"))} without heads, ${percent(f(use))} with them ${uses[use]}`;
    return [
      {
        expected:
          "with heads in the loss the network learns faster (training error, mean of all epochs)",
        seen: against("loss", early),
        holds: early("loss") < early("none"),
      },
      {
        expected: "heads in the loss lower the test error",
        seen: against("loss", error),
        holds: error("loss") < error("none"),
      },
      {
        expected: "heads fused into the prediction lower the test error",
        seen: against("fused", error),
        holds: error("fused") < error("none"),
      },
      {
        expected: "both lower the test error",
        seen: against("both", error),
        holds: error("both") < error("none"),
      },
    ];
  },

  show({ curves }) {
    return {
      tables: [
        {
          caption: "GoogLeNet with auxiliary heads",
          columns: [
            { key: "name", label: "Heads" },
            { key: "parameters", label: "Parameters" },
            { key: "early", label: "Training error, mean of all epochs", unit: "%", digits: 1 },
            { key: "train", label: "Training error, last epoch", unit: "%", digits: 1 },
            { key: "test", label: "Test error, last quarter", unit: "%", digits: 1 },
            { key: "seconds", label: "Time", unit: "s", digits: 0 },
          ],
          rows: all.map((use) => {
            const { parameters, seconds, train } = curves[use];
            return {
              cells: {
                ...{ name: uses[use], parameters, seconds },
                early: 100 * mean(train.error ?? []),
                train: 100 * last(train.error),
                test: 100 * lateTestError(curves[use]),
              },
            };
          }),
        },
      ],
      plots: [
        {
          figure: lossCurves({
            curves: all.map((use) => ({
              name: uses[use],
              train: curves[use].after.test?.error?.map((share) => 100 * share),
            })),
            ...{ label: "test error", unit: "%" },
          }),
          caption: "Test error after each epoch.",
        },
      ],
    };
  },
};
