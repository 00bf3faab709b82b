import { optim } from "tensorlane";
import { buildNetwork, classificationLoss } from "../../classify/network.ts";
import { lossCurves } from "../../report/index.ts";
import { type Curve, last, percent } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import { inOrder, loadPictures, shuffled } from "../images.ts";

type Plan = {
  readonly data: string;
  readonly perClass: number;
  readonly testPerClass: number;
  readonly batch: number;
  readonly epochs: number;
  readonly lr: number;
};

type Network = "plain20" | "plain56" | "resnet20" | "resnet56";

export type DegradationResult = { readonly curves: { readonly [name in Network]: Curve } };

const networks = ["plain20", "resnet20", "plain56", "resnet56"] as const;

/** Mean training error of the last quarter of the epochs: less noisy than that of one. */
export function lateError({ train: { error = [] } }: Curve): number {
  const late = error.slice(Math.floor(0.75 * error.length));
  return late.reduce((sum, value) => sum + value, 0) / late.length;
}

export const degradation: Experiment<Plan, DegradationResult> = {
  id: "degradation",
  title: "Deeper plain networks train worse, residual ones do not",
  claim: {
    text:
      "With more layers a plain network has a higher training error, so the cause is not overfitting; " +
      "with shortcuts the deeper network is at least as good.",
    source:
      "He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition, figures 1 and 6",
  },
  setting:
    "The paper's CIFAR networks of 20 and 56 layers, SGD with momentum 0.9 and weight decay 0.0001, the rate " +
    "divided by 10 at half and at three quarters, as there; but far fewer pictures and epochs, no variation of the " +
    "pictures, and smaller batches, to which the rate is scaled. The same for all four. The error is that of the training pictures on " +
    "the way through each epoch.",
  plans: {
    full: {
      data: "cifar10-part",
      ...{ perClass: 100, testPerClass: 50, batch: 32, epochs: 20, lr: 0.025 },
    },
    quick: {
      data: "cifar10-part",
      ...{ perClass: 20, testPerClass: 10, batch: 20, epochs: 2, lr: 0.025 },
    },
  },

  async measure(bench, plan) {
    const pictures = await loadPictures(bench, { ...plan, size: 32 });
    const loader = shuffled(pictures.train, plan.batch, bench.seed);
    const sizes = { numClasses: pictures.classes, inChannels: pictures.channels };
    const curves: Partial<Record<Network, Curve>> = {};
    for (const name of networks) {
      const optimizer = new optim.SGD({ lr: plan.lr, momentum: 0.9, weightDecay: 1e-4 });
      curves[name] = await bench.train({
        ...{ name, loader, optimizer, epochs: plan.epochs },
        model: () => buildNetwork({ model: name, ...sizes }),
        loss: (network, batch) => classificationLoss(network, batch, 0),
        schedule: new optim.MultiStepLR(optimizer, {
          milestones: [Math.round(0.5 * plan.epochs), Math.round(0.75 * plan.epochs)],
        }),
        after: { test: inOrder(pictures.test) },
      });
    }
    return { curves: curves as Record<Network, Curve> };
  },

  judge({ curves }) {
    const [p20, p56, r20, r56] = (["plain20", "plain56", "resnet20", "resnet56"] as const).map(
      (name) => lateError(curves[name]),
    ) as [number, number, number, number];
    const compared = (a: string, x: number, b: string, y: number) =>
      `${a} ${percent(x)}, ${b} ${percent(y)} training error over the last quarter`;
    return [
      {
        expected: "the plain network of 56 layers has a higher training error than that of 20",
        seen: compared("plain-56", p56, "plain-20", p20),
        holds: p56 > p20,
      },
      {
        expected: "with shortcuts 56 layers lose less against 20 than without",
        seen: `${points(r56 - r20)} with, ${points(p56 - p20)} without`,
        holds: r56 - r20 < p56 - p20,
      },
      {
        expected: "ResNet-56 has no higher training error than ResNet-20",
        seen: compared("ResNet-56", r56, "ResNet-20", r20),
        holds: r56 <= r20,
      },
      {
        expected: "at 56 layers the residual network has the lower training error",
        seen: compared("ResNet-56", r56, "plain-56", p56),
        holds: r56 < p56,
      },
    ];
  },

  show({ curves }) {
    const rows = networks.map((id) => ({ id, curve: curves[id] }));
    return {
      tables: [
        {
          caption: "Error in the end",
          columns: [
            { key: "name", label: "Network" },
            { key: "parameters", label: "Parameters" },
            { key: "late", label: "Training, last quarter", unit: "%", digits: 1 },
            { key: "train", label: "Training, last epoch", unit: "%", digits: 1 },
            { key: "test", label: "Test", unit: "%", digits: 1 },
            { key: "seconds", label: "Time", unit: "s", digits: 0 },
          ],
          rows: rows.map(({ id, curve }) => ({
            cells: {
              ...{ name: id, parameters: curve.parameters, seconds: curve.seconds },
              late: 100 * lateError(curve),
              train: 100 * last(curve.train.error),
              test: 100 * last(curve.after.test?.error),
            },
          })),
        },
      ],
      plots: [
        {
          figure: lossCurves({
            curves: rows.map(({ id, curve }) => ({
              name: id,
              train: curve.train.error?.map((share) => 100 * share),
            })),
            label: "training error",
            unit: "%",
          }),
          caption: "Training error on the way through each epoch.",
        },
      ],
    };
  },
};

const points = (share: number): string =>
  `${share < 0 ? "-" : "+"}${Math.abs(100 * share).toFixed(1)} points`;
