import { compile, data, gradients, inspect, models, nn, ops } from "tensorlane";
import { bars } from "../../report/index.ts";
import type { Experiment } from "../experiment.ts";

type Plan = { readonly batch: number; readonly size: number; readonly repeats: number };

type Cost = {
  readonly name: string;
  readonly parameters: number;
  /** Multiply-adds for one image. */
  readonly macs: number;
  readonly outChannels: number;
  /** Median time for a batch, in milliseconds. */
  readonly forwardMs: number;
  readonly trainingMs: number;
};

export type InceptionResult = {
  readonly naive: Cost;
  readonly reduced: Cost;
  /** The same for the network of nine modules; nothing is timed. */
  readonly network: {
    readonly naive: { readonly parameters: number; readonly macs: number };
    readonly reduced: { readonly parameters: number; readonly macs: number };
  };
};

/** Row "inception (3a)" of the paper's table, and the channels that come in. */
const ROW = [64, 96, 128, 16, 32, 32] as const;
const IN = 192;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

const total = (network: nn.Module, shape: readonly number[]) => {
  const { parameters, macs } = inspect.summary(network, shape);
  return { parameters, macs };
};

async function timed(repeats: number, run: () => Promise<unknown>): Promise<number> {
  await run();
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const began = performance.now();
    await run();
    times.push(performance.now() - began);
  }
  return Number(median(times).toFixed(2));
}

async function costOf(
  name: string,
  module: models.Inception | models.NaiveInception,
  { batch, size, repeats }: Plan,
): Promise<Cost> {
  const fields = { x: { dtype: "float32", shape: [IN, size, size] } } as const;
  const input = data.allocateBatch(fields, batch);
  nn.init.drawFor(1, "input")(input.x!.data as Float32Array, { kind: "normal", mean: 0, std: 1 });
  const forward = await compile(fields, batch, ({ x }) => ({ y: module.forward(x!).mean() }));
  const training = await compile(fields, batch, ({ x }) => {
    const wrt = [x!, ...module.parameters()];
    // Sums, so that nothing but a number is handed back.
    const sums = gradients(module.forward(x!).square().mean(), wrt).map((g) => ops.sum(g));
    return { all: sums.reduce((a, b) => a.add(b)) };
  });
  return {
    name,
    ...total(module, [IN, size, size]),
    outChannels: module.outChannels,
    forwardMs: await timed(repeats, () => forward(input)),
    trainingMs: await timed(repeats, () => training(input)),
  };
}

export const inception: Experiment<Plan, InceptionResult> = {
  id: "inception",
  title: "The Inception module, naive and with reduced dimensions",
  claim: {
    text:
      "Without reduction the 5x5 convolutions are too expensive and the channels grow with every module; 1x1 " +
      "convolutions before the 3x3 and 5x5 ones make the module cheap.",
    source: "Szegedy et al. 2014, Going deeper with convolutions, sections 3 and 4, figure 2",
  },
  setting:
    "Module 3a of the paper's table: 192 channels come in. Time is the median for a batch, forward and with the " +
    "gradients of all weights and of the input. Parameters and multiply-adds do not depend on the machine, time does.",
  plans: {
    full: { batch: 16, size: 28, repeats: 15 },
    quick: { batch: 2, size: 14, repeats: 3 },
  },

  async measure(bench, plan) {
    nn.manualSeed(bench.seed);
    const image = [3, 224, 224];
    const whole = (naive: boolean) =>
      total(models.googlenet({ variant: "paper", auxLogits: false, naive }), image);
    return {
      naive: await costOf("naive", new models.NaiveInception(IN, ROW), plan),
      reduced: await costOf("reduced", new models.Inception("paper", IN, ROW), plan),
      network: { naive: whole(true), reduced: whole(false) },
    };
  },

  judge({ naive, reduced, network }) {
    const times = (a: number, b: number) => `${(a / b).toFixed(2)} times`;
    return [
      {
        expected: "the reduced module has fewer parameters and multiply-adds than the naive one",
        seen:
          `the naive one has ${times(naive.parameters, reduced.parameters)} the parameters and ` +
          `${times(naive.macs, reduced.macs)} the multiply-adds`,
        holds: naive.parameters > reduced.parameters && naive.macs > reduced.macs,
      },
      {
        expected: "the reduced module is faster, forward and in training",
        seen:
          `the naive one takes ${times(naive.forwardMs, reduced.forwardMs)} as long forward, ` +
          `${times(naive.trainingMs, reduced.trainingMs)} in training`,
        holds: naive.forwardMs > reduced.forwardMs && naive.trainingMs > reduced.trainingMs,
      },
      {
        expected: "channels grow in the naive module, since pooling passes all of them on",
        seen: `${naive.outChannels} channels leave the naive module, ${reduced.outChannels} the reduced one`,
        holds: naive.outChannels > reduced.outChannels,
      },
      {
        expected: "over nine modules the difference is larger than in one",
        seen: `${times(network.naive.macs, network.reduced.macs)} the multiply-adds for the whole network`,
        holds: network.naive.macs / network.reduced.macs > naive.macs / reduced.macs,
      },
    ];
  },

  show({ naive, reduced, network }) {
    return {
      tables: [
        {
          caption: "Module 3a",
          columns: [
            { key: "name", label: "Module" },
            { key: "parameters", label: "Parameters" },
            { key: "macs", label: "MACs" },
            { key: "outChannels", label: "Channels out" },
            { key: "forwardMs", label: "Forward", unit: "ms", digits: 1 },
            { key: "trainingMs", label: "With gradients", unit: "ms", digits: 1 },
          ],
          rows: [naive, reduced].map((cells) => ({ cells })),
        },
        {
          caption: "GoogLeNet without heads",
          columns: [
            { key: "name", label: "Modules" },
            { key: "parameters", label: "Parameters" },
            { key: "macs", label: "MACs" },
          ],
          rows: (["naive", "reduced"] as const).map((name) => ({
            cells: { name, ...network[name] },
          })),
        },
      ],
      plots: [
        {
          figure: bars({
            items: [naive, reduced].flatMap(({ name, forwardMs, trainingMs }) => [
              { name: `${name}, forward`, value: forwardMs },
              { name: `${name}, with gradients`, value: trainingMs },
            ]),
            ...{ label: "time for a batch", unit: "ms", digits: 1 },
          }),
          caption: "Median time on the machine that measured.",
        },
      ],
    };
  },
};
