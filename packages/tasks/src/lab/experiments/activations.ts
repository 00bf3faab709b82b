import { nn, ops, optim, type Tensor } from "tensorlane";
import { classificationLoss } from "../../classify/network.ts";
import { lossCurves } from "../../report/index.ts";
import { type Curve, last, percent } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import { loadPictures, shuffled } from "../images.ts";
import { type Activation, activations } from "../networks.ts";

type Plan = {
  readonly data: string;
  readonly perClass: number;
  readonly batch: number;
  readonly maxEpochs: number;
  /** Learning rates tried for each function; the fastest counts, as in the paper. */
  readonly rates: readonly number[];
  /** Training error to reach. */
  readonly target: number;
};

export type ActivationsResult = {
  readonly target: number;
  readonly runs: readonly {
    readonly activation: Activation;
    readonly lr: number;
    readonly curve: Curve;
  }[];
};

/** Three convolutions with pooling and a linear layer, for 32 x 32. */
class FourLayers extends nn.Module {
  readonly features: nn.Sequential;
  readonly fc: nn.Linear;

  constructor(activation: Activation, inChannels: number, numClasses: number) {
    super();
    const stage = (from: number, to: number) => [
      new nn.Conv2d({ inChannels: from, outChannels: to, kernelSize: 5, padding: 2 }),
      activations[activation](),
      new nn.MaxPool2d({ kernelSize: 2 }),
    ];
    this.features = new nn.Sequential(
      ...[...stage(inChannels, 16), ...stage(16, 32), ...stage(32, 32)],
    );
    this.fc = new nn.Linear({ inFeatures: 32 * 16, outFeatures: numClasses });
  }

  forward(image: Tensor): Tensor {
    return this.fc.forward(ops.flatten(this.features.forward(image), 1));
  }
}

const functions: readonly Activation[] = ["relu", "tanh", "sigmoid"];

/** Epochs until the training error is reached; undefined where it never was. */
export function epochsTo({ train: { error = [] } }: Pick<Curve, "train">, target: number) {
  const at = error.findIndex((value) => value <= target);
  return at < 0 ? undefined : at + 1;
}

/** The run of a function that came first to the target, or nearest to it. */
export function fastest({ runs, target }: ActivationsResult, activation: Activation) {
  const own = runs.filter((run) => run.activation === activation && !run.curve.diverged);
  const rank = ({ curve }: (typeof own)[number]) =>
    epochsTo(curve, target) ?? 1e6 + last(curve.train.error);
  return own.sort((a, b) => rank(a) - rank(b))[0];
}

export const activationsExperiment: Experiment<Plan, ActivationsResult> = {
  id: "activations",
  title: "ReLU against tanh and sigmoid",
  claim: {
    text:
      "A four-layer convolutional network with ReLU reaches 25 % training error on CIFAR-10 several times (there six " +
      "times) faster than the same network with tanh; units that saturate learn slowly.",
    source: "Krizhevsky, Sutskever & Hinton 2012, figure 1",
  },
  setting:
    "Three convolutions of 5x5 and a linear layer, SGD with momentum 0.9, no variation of the pictures and no other " +
    "regularisation, as there; far fewer pictures and a smaller network. Each function takes the learning rate " +
    "that is best for it, of those listed.",
  plans: {
    full: {
      data: "cifar10-part",
      ...{ perClass: 200, batch: 50, maxEpochs: 30, rates: [0.003, 0.01, 0.03], target: 0.25 },
    },
    quick: {
      data: "cifar10-part",
      ...{ perClass: 20, batch: 20, maxEpochs: 3, rates: [0.01], target: 0.25 },
    },
  },

  async measure(bench, plan) {
    const { train, channels, classes } = await loadPictures(bench, {
      ...{ data: plan.data, size: 32, perClass: plan.perClass, testPerClass: 1 },
    });
    const runs: ActivationsResult["runs"][number][] = [];
    for (const activation of functions) {
      for (const lr of plan.rates) {
        const curve = await bench.train({
          name: `${activation}-${lr}`,
          model: () => new FourLayers(activation, channels, classes),
          loss: (network, batch) => classificationLoss(network, batch, 0),
          optimizer: new optim.SGD({ lr, momentum: 0.9 }),
          loader: shuffled(train, plan.batch, bench.seed),
          epochs: plan.maxEpochs,
          reached: (curve) => epochsTo(curve, plan.target) !== undefined,
        });
        runs.push({ activation, lr, curve });
      }
    }
    return { target: plan.target, runs };
  },

  judge(result) {
    const { target } = result;
    const best = (activation: Activation) => fastest(result, activation);
    const time = (activation: Activation) => {
      const run = best(activation);
      return (run && epochsTo(run.curve, target)) ?? Number.POSITIVE_INFINITY;
    };
    const told = (activation: Activation) => {
      const run = best(activation);
      if (!run) return `${activation} diverged`;
      const epochs = epochsTo(run.curve, target);
      return epochs === undefined
        ? `${activation} stands at ${percent(last(run.curve.train.error))} after ${run.curve.train.error?.length} epochs`
        : `${activation} after ${epochs} epochs`;
    };
    return [
      {
        expected: `ReLU reaches ${percent(target, 0)} training error before tanh`,
        seen: `${told("relu")}, ${told("tanh")}`,
        holds: time("relu") < time("tanh"),
      },
      {
        expected: "tanh takes at least twice as many epochs as ReLU",
        seen: `${told("relu")}, ${told("tanh")}`,
        holds: Number.isFinite(time("relu")) && time("tanh") >= 2 * time("relu"),
      },
      {
        expected: "sigmoid is slower still",
        seen: told("sigmoid"),
        holds: Number.isFinite(time("tanh")) && time("sigmoid") > time("tanh"),
      },
    ];
  },

  show(result) {
    const { target, runs } = result;
    const chosen = functions.flatMap((activation) => fastest(result, activation) ?? []);
    return {
      tables: [
        {
          caption: `Epochs to a training error of ${percent(target, 0)}`,
          columns: [
            { key: "name", label: "Function" },
            { key: "lr", label: "Learning rate" },
            { key: "epochs", label: "Epochs" },
            { key: "error", label: "Training error in the end", unit: "%", digits: 1 },
            { key: "seconds", label: "Time", unit: "s", digits: 0 },
          ],
          rows: runs.map(({ activation, lr, curve }) => ({
            cells: {
              ...{ name: activation, lr, seconds: curve.seconds },
              epochs: curve.diverged ? "diverged" : (epochsTo(curve, target) ?? "never"),
              error: 100 * last(curve.train.error),
            },
          })),
        },
      ],
      plots: [
        {
          figure: lossCurves({
            curves: chosen.map(({ activation, lr, curve }) => ({
              name: `${activation}, rate ${lr}`,
              train: curve.train.error?.map((share) => 100 * share),
            })),
            ...{ label: "training error", unit: "%" },
          }),
          caption: `Each function with its best learning rate; a training ends at ${percent(target, 0)}.`,
        },
      ],
    };
  },
};
