import { nn, ops, type Tensor } from "tensorlane";
import { channelsOf, contextOf, type FeatureSettings } from "./features.ts";

/** How a model of a name reads the sequence. */
interface Recipe {
  readonly summary: string;
  readonly graph?: boolean;
  readonly encoder: (inputSize: number) => nn.RNN | nn.LSTM | nn.GRU;
}

const hiddenSize = 32;

/** The forecasters by name. They share inputs and head, so that the table compares the recurrence. */
export const recipes = {
  rnn: {
    summary: "Elman network, 32 units",
    encoder: (inputSize) => new nn.RNN({ inputSize, hiddenSize }),
  },
  lstm: {
    summary: "LSTM, 32 units",
    encoder: (inputSize) => new nn.LSTM({ inputSize, hiddenSize }),
  },
  gru: {
    summary: "GRU, 32 units",
    encoder: (inputSize) => new nn.GRU({ inputSize, hiddenSize }),
  },
  bilstm: {
    summary: "bidirectional LSTM, 2 x 32 units",
    encoder: (inputSize) => new nn.LSTM({ inputSize, hiddenSize, bidirectional: true }),
  },
  "deep-lstm": {
    summary: "LSTM of two layers, 32 units each",
    encoder: (inputSize) => new nn.LSTM({ inputSize, hiddenSize, numLayers: 2 }),
  },
  "graph-gru": {
    summary: "GRU, 32 units, that also reads the means of neighbours one and two edges away",
    graph: true,
    encoder: (inputSize) => new nn.GRU({ inputSize, hiddenSize }),
  },
} as const satisfies Record<string, Recipe>;

export type ModelName = keyof typeof recipes;

export const usesGraph = (name: ModelName): boolean => (recipes[name] as Recipe).graph ?? false;

/**
 * Sequence (N, T, channels) and context (N, K) -> change from the last value (N, stepsOut), in units of
 * the training part's spread.
 */
export class Forecaster extends nn.Module {
  readonly encoder: nn.RNN | nn.LSTM | nn.GRU;
  readonly hidden: nn.Linear;
  readonly out: nn.Linear;

  constructor(name: ModelName, settings: Pick<FeatureSettings, "stepsOut" | "graph" | "names">) {
    super();
    const channels = channelsOf(settings);
    const context = contextOf(settings);
    const { stepsOut: outFeatures } = settings;
    this.encoder = recipes[name].encoder(channels);
    const width = hiddenSize * (this.encoder.bidirectional ? 2 : 1);
    this.hidden = new nn.Linear({ inFeatures: width + context, outFeatures: 64 });
    this.out = new nn.Linear({ inFeatures: 64, outFeatures });
    // Start close to "nothing changes".
    const { data } = this.out.weight;
    for (let i = 0; i < data.length; i++) (data as Float32Array)[i] *= 0.1;
  }

  forward(sequence: Tensor, context: Tensor): Tensor {
    const { state } = this.encoder.forward(ops.transpose(sequence, 0, 1));
    const directions = this.encoder.bidirectional ? 2 : 1;
    // The last layer's final states, one for each direction.
    const finals = ops.split(state.h, 1, 0).slice(-directions);
    const read = ops.concat(
      finals.map((h) => h.squeeze(0)),
      -1,
    );
    const joined = ops.concat([read, context], -1);
    return this.out.forward(this.hidden.forward(joined).relu());
  }
}
