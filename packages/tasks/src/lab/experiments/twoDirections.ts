import { data, nn, ops, optim, type Tensor } from "tensorlane";
import { openText, readCorpus, type TokenIds } from "../../language/index.ts";
import { lossCurves } from "../../report/index.ts";
import { type Curve, last, percent } from "../bench.ts";
import type { Experiment } from "../experiment.ts";

type Plan = {
  readonly data: string;
  /** Characters on either side of the blank. */
  readonly context: number;
  readonly oneHidden: number;
  readonly twoHidden: number;
  readonly batch: number;
  readonly lr: number;
  readonly samples: number;
  readonly heldSamples: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
};

type Reading = "forward" | "backward" | "both";

export type TwoDirectionsResult = {
  /** Part of the blanks that the most frequent character fills. */
  readonly baseline: number;
  readonly curves: { readonly [reading in Reading]: Curve };
};

const readings: Readonly<Record<Reading, string>> = {
  forward: "from the left",
  backward: "from the right",
  both: "in both directions",
};
const all = Object.keys(readings) as Reading[];

/** Says from the states at the blank which character it hides. */
class BlankFiller extends nn.Module {
  readonly embedding: nn.Embedding;
  readonly lstm: nn.LSTM;
  readonly head: nn.Linear;
  readonly #reading: Reading;

  constructor(reading: Reading, hidden: number, characters: number) {
    super();
    const bidirectional = reading === "both";
    this.embedding = new nn.Embedding({ numEmbeddings: characters + 1, embeddingDim: 32 });
    this.lstm = new nn.LSTM({ inputSize: 32, hiddenSize: hidden, bidirectional });
    const inFeatures = bidirectional ? 2 * hidden : hidden;
    this.head = new nn.Linear({ inFeatures, outFeatures: characters });
    this.#reading = reading;
  }

  /** Characters (N, T) with a blank in the middle -> scores (N, characters). */
  forward(characters: Tensor): Tensor {
    const steps = Number(characters.shape[1]);
    const order = Int32Array.from({ length: steps }, (_, t) =>
      this.#reading === "backward" ? steps - 1 - t : t,
    );
    const input = this.embedding.forward(ops.transpose(characters, 0, 1));
    const { output } = this.lstm.forward(ops.take(input, ops.constant(order, "int32", [steps]), 0));
    return this.head.forward(output.select((steps - 1) / 2, 0));
  }
}

/** Windows of a text, drawn at random, each with its middle character taken out. */
function blanks(ids: TokenIds, blank: number, context: number, samples: number, seed: number) {
  const width = 2 * context + 1;
  const x = new Int32Array(samples * width);
  const y = new Int32Array(samples);
  const random = data.randomStream(seed, 0x626c616e);
  for (let i = 0; i < samples; i++) {
    const at = random.integer(ids.length - width + 1);
    x.set(ids.subarray(at, at + width), i * width);
    y[i] = ids[at + context]!;
    x[i * width + context] = blank;
  }
  return new data.ArrayDataset({
    x: { data: x, shape: [samples, width] },
    y: { data: y, shape: [samples] },
  });
}

const errorOf = ({ after }: Curve): number => last(after.held?.error);

export const twoDirections: Experiment<Plan, TwoDirectionsResult> = {
  id: "two-directions",
  title: "Why two directions: fill in the blank",
  claim: {
    text:
      "What belongs into a gap depends on what stands before it and behind it, so a network that reads in both " +
      "directions fills it better than one that reads in one.",
    source: "Schuster & Paliwal 1997, Bidirectional recurrent neural networks",
  },
  setting:
    "LSTMs that name the missing character in the middle of a piece of text, judged on the last tenth of it. The network of two " +
    "directions has fewer parameters than those of one.",
  plans: {
    full: {
      ...{ data: "tiny-shakespeare", context: 20, oneHidden: 128, twoHidden: 80, batch: 64 },
      ...{ lr: 3e-3, samples: 100_000, heldSamples: 4000, stepsPerEpoch: 100, epochs: 20 },
    },
    quick: {
      ...{ data: "tiny-shakespeare", context: 8, oneHidden: 48, twoHidden: 28, batch: 32 },
      ...{ lr: 5e-3, samples: 5000, heldSamples: 500, stepsPerEpoch: 50, epochs: 4 },
    },
  },

  async measure(bench, plan) {
    const { ids, vocabulary } = await readCorpus(
      await openText(plan.data),
      "character",
      Number.POSITIVE_INFINITY,
    );
    const cut = Math.floor(0.9 * ids.length);
    const blank = vocabulary.size;
    const { seed } = bench;
    const set = blanks(ids.subarray(0, cut), blank, plan.context, plan.samples, seed);
    const held = blanks(ids.subarray(cut), blank, plan.context, plan.heldSamples, seed + 1);
    const curves: Partial<Record<Reading, Curve>> = {};
    for (const reading of all) {
      const hidden = reading === "both" ? plan.twoHidden : plan.oneHidden;
      curves[reading] = await bench.train({
        ...{ name: reading, epochs: plan.epochs },
        model: () => new BlankFiller(reading, hidden, vocabulary.size),
        loss: (net, { x, y }) => {
          const scores = net.forward(x!);
          const guess = ops.cast(ops.argmax(scores, { dim: 1 }), "int32");
          const error = ops.mean(ops.cast(ops.notEqual(guess, y!), "float32"));
          return { loss: nn.crossEntropy(scores, y!), metrics: { error } };
        },
        optimizer: new optim.Adam({ lr: plan.lr }),
        clipNorm: 1,
        loader: new data.DataLoader(set, {
          ...{ batchSize: plan.batch, shuffle: true, seed, dropLast: true },
          batchesPerEpoch: plan.stepsPerEpoch,
        }),
        after: { held: new data.DataLoader(held, { batchSize: plan.heldSamples / 4 }) },
      });
    }
    return {
      baseline: mostFrequent(ids.subarray(cut)),
      curves: curves as Record<Reading, Curve>,
    };
  },

  judge({ curves, baseline }) {
    const right = (reading: Reading) => 1 - errorOf(curves[reading]);
    const told = all.map((reading) => `${percent(right(reading))} ${readings[reading]}`).join(", ");
    const one = Math.max(right("forward"), right("backward"));
    const { both, forward, backward } = curves;
    return [
      {
        expected: "reading in both directions fills more blanks than reading in either one",
        seen: told,
        holds: right("both") > one,
      },
      {
        expected: "and not because the network is larger",
        seen: `${both.parameters} parameters against ${forward.parameters} and ${backward.parameters}`,
        holds: both.parameters <= Math.min(forward.parameters, backward.parameters),
      },
      {
        expected: "all do better than the most frequent character",
        seen: `${told}; the most frequent character ${percent(baseline)}`,
        holds: all.every((reading) => right(reading) > baseline),
      },
    ];
  },

  show({ curves, baseline }) {
    return {
      tables: [
        {
          caption: "Blanks filled rightly",
          columns: [
            { key: "name", label: "Reads" },
            { key: "parameters", label: "Parameters" },
            { key: "right", label: "Right", unit: "%", digits: 1, best: "max" },
            { key: "loss", label: "Loss", unit: "nats", digits: 3, best: "min" },
            { key: "seconds", label: "Time", unit: "s", digits: 0 },
          ],
          rows: [
            ...all.map((reading) => {
              const { parameters, seconds, after } = curves[reading];
              return {
                cells: {
                  ...{ name: readings[reading], parameters, seconds, loss: last(after.held?.loss) },
                  right: 100 * (1 - errorOf(curves[reading])),
                },
              };
            }),
            {
              cells: { name: "most frequent character", right: 100 * baseline },
              kind: "baseline" as const,
            },
          ],
        },
      ],
      plots: [
        {
          figure: lossCurves({
            curves: all.map((reading) => ({
              name: readings[reading],
              train: curves[reading].after.held?.error?.map((share) => 100 * (1 - share)),
            })),
            ...{ label: "blanks filled rightly", unit: "%", countedBy: "evaluation" },
          }),
          caption: "On the last tenth of the text, which was not trained on.",
        },
      ],
    };
  },
};

/** Part of a text that its most frequent character makes up. */
function mostFrequent(ids: TokenIds): number {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return Math.max(...counts.values()) / ids.length;
}
