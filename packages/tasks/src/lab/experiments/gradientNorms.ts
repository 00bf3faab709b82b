import { evaluate, gradients, inspect, models, nn, type Tensor, tensor } from "tensorlane";
import { lossCurves } from "../../report/index.ts";
import { significant } from "../bench.ts";
import type { Experiment } from "../experiment.ts";
import { ConvStack, type StackOptions } from "../networks.ts";

type Plan = {
  readonly layers: number;
  readonly channels: number;
  readonly images: number;
  readonly size: number;
  /** Depth of the networks for CIFAR. */
  readonly depth: number;
};

/** Norms by convolution, the first layer first. */
type Norms = { readonly [name: string]: readonly number[] };

export type GradientNorms = {
  /** Of the loss's gradient with respect to each convolution's output: what is passed back. */
  readonly norms: Norms;
  /** Of its gradient with respect to the weights. */
  readonly weights: Norms;
};

const variants: Readonly<Record<string, Pick<StackOptions, "activation" | "rule" | "batchNorm">>> =
  {
    "tanh, Xavier": { activation: "tanh", rule: "xavier", batchNorm: false },
    "ReLU, small": { activation: "relu", rule: "small", batchNorm: false },
    "ReLU, Xavier": { activation: "relu", rule: "xavier", batchNorm: false },
    "ReLU, He": { activation: "relu", rule: "he", batchNorm: false },
    "sigmoid, Xavier": { activation: "sigmoid", rule: "xavier", batchNorm: false },
    "ReLU, small, batch norm": { activation: "relu", rule: "small", batchNorm: true },
  };

type Network = nn.Module & { forward(x: Tensor): Tensor };

/**
 * How much of the gradient at the last convolutions is left at the first ones: the ratio of the mean logarithms of
 * three layers each. The very first layer is left out, since its input has other channels.
 */
export function passedBack(norms: readonly number[]): number {
  const mean = (values: readonly number[]) =>
    Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
  return mean(norms.slice(1, 4)) / mean(norms.slice(-3));
}

/** The outputs of a network's convolutions, in the order of its forward pass, which is still to come. */
function convolutionOutputs(network: nn.Module): Tensor[] {
  const outputs: Tensor[] = [];
  for (const [, module] of network.namedModules()) {
    if (!(module instanceof nn.Conv2d)) continue;
    const forward = module.forward.bind(module);
    module.forward = (x) => {
      const y = forward(x);
      outputs.push(y);
      return y;
    };
  }
  return outputs;
}

export const gradientNorms: Experiment<Plan, GradientNorms> = {
  id: "gradient-norms",
  title: "Gradients by layer at the start",
  claim: {
    text:
      "Xavier's rule keeps gradients alive through layers of tanh; behind ReLU it halves their variance in every " +
      "layer, which He's rule makes good; with small weights or sigmoids they vanish. Batch norm makes them " +
      "independent of the weights' size and healthy, in plain networks too.",
    source:
      "Glorot & Bengio 2010; He, Zhang, Ren & Sun 2015, Delving deep into rectifiers, section 2.2; Ioffe & " +
      "Szegedy 2015; He et al. 2016, section 4.1 (plain networks with batch norm have healthy gradients)",
  },
  setting:
    "Untrained networks, one batch of noise with random labels: convolutions of 3x3 of one width, and the paper's " +
    "networks for CIFAR with batch norm, with shortcuts and without. What is left of the gradient is the ratio of " +
    "its norm at the outputs of the second to fourth convolution to that at the last three (geometric means).",
  plans: {
    full: { layers: 30, channels: 16, images: 16, size: 32, depth: 56 },
    quick: { layers: 20, channels: 8, images: 4, size: 12, depth: 20 },
  },

  async measure({ seed, ui }, { layers, channels, images, size, depth }) {
    const pixels = new Float32Array(images * 3 * size * size);
    nn.init.drawFor(seed, "images")(pixels, { kind: "normal", mean: 0, std: 1 });
    const x = tensor(pixels, [images, 3, size, size]);
    const labels = tensor(
      Int32Array.from({ length: images }, (_, i) => i % 10),
      [images],
    );
    const builders: Record<string, () => Network> = {
      ...Object.fromEntries(
        Object.entries(variants).map(([name, variant]) => [
          name,
          () => new ConvStack({ layers, channels, ...variant }),
        ]),
      ),
      [`plain-${depth}, batch norm`]: () => models.cifarResnet({ depth, shortcut: "none" }),
      [`ResNet-${depth}, batch norm`]: () => models.cifarResnet({ depth }),
    };
    const norms: Record<string, number[]> = {};
    const weights: Record<string, number[]> = {};
    const bar = ui.progress("networks", Object.keys(builders).length);
    for (const [name, build] of Object.entries(builders)) {
      nn.manualSeed(seed);
      const network = build();
      const outputs = convolutionOutputs(network);
      const loss = nn.crossEntropy(network.forward(x), labels);
      const sizes = gradients(loss, outputs).map((gradient) => gradient.square().sum().sqrt());
      norms[name] = (await evaluate(sizes, { seed })).map(({ data }) =>
        significant(Number(data[0])),
      );
      const shapes = new Map(network.namedParameters().map(([path, { shape }]) => [path, shape]));
      weights[name] = (await inspect.gradientFlow(network, loss, { seed }))
        .filter((one) => shapes.get(one.name)?.length === 4)
        .map(({ gradient }) => significant(gradient));
      bar.update(Object.keys(norms).length);
    }
    bar.stop();
    return { norms, weights };
  },

  judge({ norms }) {
    const kept = (name: string) => passedBack(norms[name]!);
    const named = (start: string) => Object.keys(norms).find((name) => name.startsWith(start))!;
    const [plain, residual] = [named("plain-"), named("ResNet-")];
    const normed = Object.keys(norms).filter((name) => name.includes("batch norm"));
    const factor = (ratio: number) => (ratio > 1 ? ratio : 1 / ratio);
    const both = (a: string, b: string) =>
      `${ratioText(kept(a))} (${a}), ${ratioText(kept(b))} (${b})`;
    return [
      {
        expected: "tanh with Xavier's rule keeps gradients within a factor of 10",
        seen: ratioText(kept("tanh, Xavier")),
        holds: factor(kept("tanh, Xavier")) < 10,
      },
      {
        expected: "ReLU with He's rule keeps gradients within a factor of 10",
        seen: ratioText(kept("ReLU, He")),
        holds: factor(kept("ReLU, He")) < 10,
      },
      {
        expected: "behind ReLU Xavier's rule passes on far less than He's (under a hundredth)",
        seen: both("ReLU, Xavier", "ReLU, He"),
        holds: kept("ReLU, Xavier") < 0.01 * kept("ReLU, He"),
      },
      {
        expected: "small weights and sigmoids lose more than a factor of 10,000",
        seen: both("ReLU, small", "sigmoid, Xavier"),
        holds: Math.max(kept("ReLU, small"), kept("sigmoid, Xavier")) < 1e-4,
      },
      {
        expected:
          "no network with batch norm loses more than a factor of 100, small weights or not",
        seen: normed.map((name) => `${ratioText(kept(name))} (${name})`).join(", "),
        holds: normed.length > 0 && normed.every((name) => kept(name) > 0.01),
      },
      {
        expected: "nor do its gradients grow by more than that on their way back",
        seen: normed.map((name) => `${ratioText(kept(name))} (${name})`).join(", "),
        holds: normed.length > 0 && normed.every((name) => kept(name) < 100),
      },
      {
        expected:
          "with shortcuts gradients stay more even than in the plain network of the same depth",
        seen: both(plain, residual),
        holds: factor(kept(residual)) < factor(kept(plain)),
      },
    ];
  },

  show({ norms, weights }) {
    const entries = Object.entries(norms);
    return {
      tables: [
        {
          caption: "Norm of the gradient with respect to convolutions' outputs and weights",
          columns: [
            { key: "name", label: "Network" },
            { key: "layers", label: "Convolutions" },
            { key: "first", label: "Second output" },
            { key: "last", label: "Last output" },
            { key: "kept", label: "Left at the first layers" },
            { key: "weights", label: "Second layer's weights" },
          ],
          notes: ["0: below what float32 holds."],
          rows: entries.map(([name, values]) => ({
            cells: {
              ...{ name, layers: values.length, kept: ratioText(passedBack(values)) },
              ...{ first: shortText(values[1]!), last: shortText(values.at(-1)!) },
              weights: shortText(weights[name]![1]!),
            },
          })),
        },
      ],
      plots: [
        {
          figure: lossCurves({
            // What is 0 has no place on a logarithmic axis.
            curves: entries.map(([name, values]) => ({
              name,
              train: values.map((value) => value || Number.NaN),
            })),
            ...{ label: "norm of the gradient", log: true, countedBy: "layer" },
          }),
          caption: "Norm of the loss's gradient with respect to each convolution's output.",
        },
      ],
    };
  },
};

const shortText = (value: number): string => {
  if (value === 0) return "0";
  return value < 1e-3 || value >= 1e4 ? value.toExponential(1) : value.toPrecision(3);
};
const ratioText = (ratio: number): string => `x ${shortText(ratio)}`;
