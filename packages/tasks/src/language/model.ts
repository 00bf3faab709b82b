import { nn, ops, random, type Size, type Tensor } from "tensorlane";

export type RecurrentKind = "rnn" | "lstm" | "gru";

/** How the probabilities of many words are learnt: over all of them, against a sample, or in clusters. */
export type Softmax = "full" | "sampled" | "adaptive";

type Head = nn.Linear | nn.SampledSoftmaxLoss | nn.AdaptiveLogSoftmaxWithLoss;

/** What a language model is made of; kept in `run.json`, so that the model can be built again. */
export interface LanguageModelOptions {
  readonly kind: RecurrentKind;
  /** Number of different tokens, V. */
  readonly tokens: number;
  /** Units of a recurrent layer, H. */
  readonly hidden: number;
  readonly layers: number;
  /** Size of the learnt vectors that stand for tokens; 0: one-hot vectors of size V. */
  readonly embedding: number;
  /** Output weights are the embedding's (Press & Wolf 2017): the last layer has `embedding` units. */
  readonly tied: boolean;
  /** Share of a layer's outputs, and of the learnt input vectors, that is left out while training. */
  readonly dropout: number;
  /** Leave the same units out at all steps of a window (Gal & Ghahramani 2016), not others at each. */
  readonly variational: boolean;
  /** Share of the weights from state to state that is left out for a window (Merity et al. 2018). */
  readonly weightDropout: number;
  /** "full" where it is absent. The two others want tokens in the order of their frequency. */
  readonly softmax?: Softmax;
}

/** Carried states by name, `h0`, `c0`, `h1`, ... for the layers from below, (N, units) each. */
export type ModelState = Readonly<Record<string, Tensor>>;

const layerOf = { rnn: nn.RNN, lstm: nn.LSTM, gru: nn.GRU } as const;

/**
 * A recurrent language model: which token follows. Token ids (N, T) and the states before them ->
 * logits (T, N, V) and the states after them.
 *
 * @example
 * const { logits, state } = model.forward(tokens); // (N, T) int32, from zero states
 */
export class LanguageModel extends nn.Module {
  readonly options: LanguageModelOptions;
  readonly embedding?: nn.Embedding;
  readonly layers: readonly (nn.RNN | nn.LSTM | nn.GRU)[];
  readonly head: Head;

  constructor(options: LanguageModelOptions) {
    super();
    this.options = options;
    const { kind, tokens, embedding, tied, weightDropout } = options;
    if (embedding > 0) {
      this.embedding = new nn.Embedding({ numEmbeddings: tokens, embeddingDim: embedding });
    }
    const sizes = layerSizes(options);
    this.layers = sizes.map((hiddenSize, i) => {
      const inputSize = sizes[i - 1] ?? (embedding || tokens);
      return new layerOf[kind]({ inputSize, hiddenSize, weightDropout });
    });
    this.head = headOf(options, sizes.at(-1)!);
    if (tied && this.embedding) {
      // The embedding's normal distribution of spread 1 would saturate the softmax as output weights.
      nn.init.reset(this.embedding.weight, nn.init.uniform(-0.1, 0.1));
      Object.assign(this.head, { weight: this.embedding.weight });
    }
  }

  forward(
    tokens: Tensor,
    state: ModelState = this.zeroState(tokens.shape[0]!),
  ): { readonly logits: Tensor; readonly state: ModelState } {
    const { output, state: after } = this.read(tokens, state);
    return { logits: this.logits(output), state: after };
  }

  /** What `forward` predicts from: token ids (N, T) -> (T, N, units) and the states after them. */
  read(tokens: Tensor, state: ModelState): { readonly output: Tensor; readonly state: ModelState } {
    const steps = ops.transpose(tokens, 0, 1);
    const x = this.embedding
      ? this.leaveOut(this.embedding.forward(steps), this.options.dropout)
      : ops.oneHot(steps, this.options.tokens);
    const { output, state: after } = this.climb(x, state);
    return { output: this.leaveOut(output, this.options.dropout), state: after };
  }

  /** Mean nats of the ids (N, T) that follow what was read; a sampled softmax estimates them while training. */
  loss(output: Tensor, targets: Tensor): Tensor {
    if (this.head instanceof nn.Linear) return tokenLoss(this.head.forward(output), targets);
    const rows = ops.flatten(output, 0, 1);
    const loss = this.head.forward(rows, ops.flatten(ops.transpose(targets, 0, 1)));
    return "loss" in loss ? loss.loss : loss;
  }

  /** Exact with every softmax: (T, N, units) -> (T, N, V). */
  private logits(output: Tensor): Tensor {
    if (this.head instanceof nn.Linear) return this.head.forward(output);
    const logs = this.head.logProb(ops.flatten(output, 0, 1));
    return ops.reshape(logs, [...output.shape.slice(0, 2), this.options.tokens]);
  }

  /** Inputs (T, N, V or embedding) through the layers -> (T, N, units) of the last, and the states after. */
  protected climb(
    inputs: Tensor,
    state: ModelState,
  ): { readonly output: Tensor; readonly state: ModelState } {
    let x = inputs;
    const next: Record<string, Tensor> = {};
    for (const [i, layer] of this.layers.entries()) {
      if (i > 0) x = this.leaveOut(x, this.options.dropout);
      const { output, state: after } = layer.forward(x, { state: stateOf(state, i) });
      for (const [name, value] of Object.entries(after)) {
        if (value) next[`${name}${i}`] = ops.squeeze(value, 0);
      }
      x = output;
    }
    return { output: x, state: next };
  }

  /** Units of each state, by name. */
  stateSizes(): Readonly<Record<string, number>> {
    const names = this.options.kind === "lstm" ? ["h", "c"] : ["h"];
    const entries = this.layers.flatMap(({ hiddenSize }, i) =>
      names.map((name) => [`${name}${i}`, hiddenSize] as const),
    );
    return Object.fromEntries(entries);
  }

  /** The states before the first token, for a batch of n. */
  zeroState(n: Size): ModelState {
    const sizes = Object.entries(this.stateSizes());
    return Object.fromEntries(sizes.map(([name, size]) => [name, ops.zeros([n, size])]));
  }

  /** Dropout over (T, N, units), with one mask for all steps where it is variational. */
  protected leaveOut(x: Tensor, p: number): Tensor {
    if (!this.training || p === 0) return x;
    const shape = this.options.variational ? [1, ...x.shape.slice(1)] : x.shape;
    const mask = random(shape, { kind: "bernoulli", p: 1 - p });
    return ops.mul(x, ops.mul(mask, 1 / (1 - p)));
  }
}

/** Samples of a sampled softmax at each step. */
const SAMPLES = 1024;

function headOf({ tokens, softmax = "full" }: LanguageModelOptions, inFeatures: number): Head {
  if (softmax === "full") return new nn.Linear({ inFeatures, outFeatures: tokens });
  if (softmax === "sampled") {
    const numSampled = Math.min(SAMPLES, Math.ceil(tokens / 8));
    return new nn.SampledSoftmaxLoss({ inFeatures, numClasses: tokens, numSampled });
  }
  // Of 40,000 words the 2000 most frequent, the next 8000, and the others.
  const cutoffs = [Math.ceil(tokens / 20), Math.ceil(tokens / 4)];
  return new nn.AdaptiveLogSoftmaxWithLoss({ inFeatures, nClasses: tokens, cutoffs });
}

/** Mean cross entropy in nats of logits (T, N, V) with the ids (N, T) that follow; those of -100 are left out. */
export function tokenLoss(
  logits: Tensor,
  targets: Tensor,
  reduction: "mean" | "sum" = "mean",
): Tensor {
  const classes = logits.shape.at(-1)!;
  const flat = ops.reshape(ops.transpose(targets, 0, 1), [targets.size]);
  return nn.crossEntropy(ops.reshape(logits, [targets.size, classes]), flat, { reduction });
}

/** Units of each layer. */
const layerSizes = ({ hidden, layers, tied, embedding }: LanguageModelOptions): number[] =>
  Array.from({ length: layers }, (_, i) => (tied && i === layers - 1 ? embedding : hidden));

function stateOf(state: ModelState, layer: number): nn.RecurrentState {
  const [h, c] = ["h", "c"].map((name) => state[`${name}${layer}`]);
  return { h: ops.unsqueeze(h!, 0), ...(c && { c: ops.unsqueeze(c, 0) }) };
}
