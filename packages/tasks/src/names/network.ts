import { nn, ops, type Tensor } from "tensorlane";

export type ModelName = "bilstm" | "bigru" | "lstm" | "gru";

/** What fixes a network's shape; kept in `run.json`. */
export interface Spec {
  readonly model: ModelName;
  readonly characters: number;
  readonly languages: number;
  readonly embedding: number;
  readonly hidden: number;
  /** Characters that a name is padded to. */
  readonly length: number;
}

/** Reads a name character by character, in both directions where the model's name begins with "bi". */
export class NameNetwork extends nn.Module {
  readonly spec: Spec;
  readonly embedding: nn.Embedding;
  readonly layer: nn.LSTM | nn.GRU;
  /** A letter's vector says little: few of its numbers can be missed. */
  readonly letterDropout = new nn.Dropout({ p: 0.1 });
  readonly dropout = new nn.Dropout({ p: 0.4 });
  readonly head: nn.Linear;

  constructor(spec: Spec) {
    super();
    const { model, characters, languages, embedding: inputSize, hidden: hiddenSize } = spec;
    this.spec = spec;
    this.embedding = new nn.Embedding({ numEmbeddings: characters, embeddingDim: inputSize });
    const bidirectional = model.startsWith("bi");
    const Layer = model.endsWith("lstm") ? nn.LSTM : nn.GRU;
    this.layer = new Layer({ inputSize, hiddenSize, bidirectional, batchFirst: true });
    const inFeatures = hiddenSize * (bidirectional ? 2 : 1);
    this.head = new nn.Linear({ inFeatures, outFeatures: languages });
  }

  /** Characters (N, T) int32 and their number (N) -> logits (N, languages). */
  forward({ tokens, length }: Readonly<Record<string, Tensor>>): Tensor {
    const x = this.letterDropout.forward(this.embedding.forward(tokens));
    const { h } = this.layer.forward(x, { lengths: length }).state;
    const ends = ops.split(h, 1, 0).map((end) => ops.squeeze(end, 0));
    return this.head.forward(this.dropout.forward(ops.concat(ends, -1)));
  }
}
