import { nn, ops, type Tensor } from "tensorlane";
import { UserError } from "../errors.ts";
import { CLASSES } from "./treebank.ts";
import type { WordVectors } from "./vocabulary.ts";

export type TreeModel = "treelstm" | "childsum" | "rntn" | "mv-rnn" | "recursive";
export type SequenceModel = "lstm" | "bilstm" | "average";
export type ModelName = TreeModel | SequenceModel;

/** What fixes a network's shape; kept in `run.json`. */
export interface NetworkSpec {
  readonly model: ModelName;
  readonly words: number;
  readonly embedding: number;
  readonly hidden: number;
}

/** How a network is trained; the sizes are those of networks without pre-trained vectors. */
export interface Recipe {
  readonly embedding: number;
  readonly hidden: number;
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
  readonly weightDecay: number;
  /** Of word vectors, and of the states that are judged. */
  readonly wordDropout: number;
  readonly dropout: number;
}

const common = { epochs: 8, lr: 0.002, weightDecay: 0.02, wordDropout: 0.5, dropout: 0.3 };
const tree = { ...common, batch: 25 };
const plain = { epochs: 6, lr: 0.005 };
const sequence = { ...common, embedding: 100, hidden: 120, batch: 50 };

export const recipes: Readonly<Record<ModelName, Recipe>> = {
  treelstm: { ...tree, embedding: 100, hidden: 120 },
  childsum: { ...tree, embedding: 100, hidden: 120 },
  rntn: { ...tree, ...plain, embedding: 30, hidden: 30, wordDropout: 0.1, dropout: 0.1 },
  "mv-rnn": {
    ...{ ...tree, ...plain, wordDropout: 0.1, dropout: 0.1 },
    ...{ embedding: nn.MatrixVectorCell.inputSize(25), hidden: 25 },
  },
  recursive: { ...tree, ...plain, embedding: 60, hidden: 60, wordDropout: 0.2, dropout: 0.2 },
  lstm: sequence,
  bilstm: sequence,
  average: sequence,
};

export const isTreeModel = (model: ModelName): model is TreeModel =>
  ["treelstm", "childsum", "rntn", "mv-rnn", "recursive"].includes(model);

type Fields = Readonly<Record<string, Tensor>>;

/** Word vectors and a linear layer over the classes; what lies between is the model's own. */
export abstract class SentimentNetwork extends nn.Module {
  readonly embedding: nn.Embedding;
  readonly wordDropout: nn.Dropout;
  readonly dropout: nn.Dropout;
  readonly spec: NetworkSpec;

  constructor(spec: NetworkSpec) {
    super();
    this.spec = spec;
    this.embedding = new nn.Embedding({ numEmbeddings: spec.words, embeddingDim: spec.embedding });
    nn.init.reset(this.embedding.weight, nn.init.normal(0, 0.1));
    const { wordDropout, dropout } = recipes[spec.model];
    this.wordDropout = new nn.Dropout({ p: wordDropout });
    this.dropout = new nn.Dropout({ p: dropout });
  }

  /** Logits (rows, 5): of every node's row for tree networks, of every sequence for the others. */
  abstract override forward(fields: Fields): Tensor;

  protected wordsOf(tokens: Tensor): Tensor {
    return this.wordDropout.forward(this.embedding.forward(tokens));
  }

  /** Takes over pre-trained vectors; words without one keep their random start. */
  setVectors({ size, vectors }: WordVectors): void {
    const weight = this.embedding.weight.data as Float32Array;
    for (const [token, vector] of vectors) weight.set(vector, token * size);
  }
}

const cells: Readonly<Record<TreeModel, new (sizes: nn.TreeCellOptions) => nn.TreeCell>> = {
  treelstm: nn.TreeLSTMCell,
  childsum: nn.ChildSumTreeLSTMCell,
  rntn: nn.TensorCell,
  "mv-rnn": nn.MatrixVectorCell,
  recursive: nn.RecursiveCell,
};

/** A recursive network; its fields are those of `data.TreePacks`, without the packs' axis. */
export class TreeNetwork extends SentimentNetwork {
  readonly tree: nn.Recursive;
  readonly head: nn.Linear;

  constructor(spec: NetworkSpec & { readonly model: TreeModel }) {
    super(spec);
    const { model, embedding: inputSize, hidden: hiddenSize } = spec;
    this.tree = new nn.Recursive({ cell: new cells[model]({ inputSize, hiddenSize }) });
    this.head = new nn.Linear({ inFeatures: hiddenSize, outFeatures: CLASSES.length });
  }

  forward({ tokens, leaf, slot, keep }: Fields): Tensor {
    const states = this.tree.forward(this.wordsOf(tokens), { leaf, slot, keep });
    return this.head.forward(this.dropout.forward(states));
  }
}

/** A network over the words in a row: tokens (N, T) and their number `length` (N). */
export class SequenceNetwork extends SentimentNetwork {
  readonly lstm?: nn.LSTM;
  readonly head: nn.Linear;

  constructor(spec: NetworkSpec & { readonly model: SequenceModel }) {
    super(spec);
    const { model, embedding: inputSize, hidden: hiddenSize } = spec;
    const bidirectional = model === "bilstm";
    if (model !== "average") {
      this.lstm = new nn.LSTM({ inputSize, hiddenSize, bidirectional, batchFirst: true });
    }
    const inFeatures = this.lstm ? hiddenSize * (bidirectional ? 2 : 1) : inputSize;
    this.head = new nn.Linear({ inFeatures, outFeatures: CLASSES.length });
  }

  forward({ tokens, length }: Fields): Tensor {
    const words = this.wordsOf(tokens);
    const read = this.lstm ? this.lastStates(words, length) : mean(words, length);
    return this.head.forward(this.dropout.forward(read));
  }

  /** The state after the last word, and in the other direction after the first. */
  private lastStates(words: Tensor, lengths: Tensor): Tensor {
    const { h } = this.lstm!.forward(words, { lengths }).state;
    return ops.concat(
      ops.split(h, 1, 0).map((state) => ops.squeeze(state, 0)),
      -1,
    );
  }
}

/** (N, T, E) and lengths (N) -> the mean over each sequence's own words (N, E). */
function mean(words: Tensor, lengths: Tensor): Tensor {
  const [rows, steps] = words.shape;
  const column = ops.cast(ops.reshape(lengths, [rows, 1]), "float32");
  const place = ops.cumsum(ops.ones([1, steps]), 1);
  const inside = ops.cast(ops.lessEqual(place, column), "float32");
  const sum = ops.sum(ops.mul(words, ops.unsqueeze(inside, 2)), { dim: 1 });
  return ops.div(sum, column);
}

export function buildNetwork(spec: NetworkSpec): SentimentNetwork {
  const { model, embedding, hidden } = spec;
  if (isTreeModel(model)) {
    if ((model === "rntn" || model === "recursive") && embedding !== hidden) {
      throw new UserError(
        `${model} has words and phrases in one space: --hidden ${hidden} and the word vectors' size ` +
          `${embedding} must be equal.`,
      );
    }
    const matrices = nn.MatrixVectorCell.inputSize(hidden);
    if (model === "mv-rnn" && embedding !== matrices) {
      throw new UserError(
        `mv-rnn keeps a vector and a matrix of every word: with --hidden ${hidden} they take ${matrices} numbers, ` +
          `received ${embedding}. Give --embedding ${matrices}; vectors of a file do not fit.`,
      );
    }
    return new TreeNetwork({ ...spec, model });
  }
  return new SequenceNetwork({ ...spec, model });
}
