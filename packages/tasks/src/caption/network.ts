import { models, nn, ops, scan, type Tensor, tensor } from "tensorlane";

export type ModelName = "show-tell" | "show-attend";

/** What fixes a captioner's shape; kept in `run.json`. */
export interface CaptionerSpec {
  readonly model: ModelName;
  /** Number of tokens. */
  readonly words: number;
  readonly embedding: number;
  readonly hidden: number;
  readonly dropout: number;
}

/** Places of the feature map along a side, and features of each. */
export const GRID = 8;
export const FEATURES = 64;

/** What a picture tells, and what was said of it so far: a row for each caption that is being written. */
export type Sight = Readonly<Record<"grid" | "h" | "c", Tensor>>;

/** The convolutional body of ResNet-20 with its names, so that a classifier's weights fit. */
class Encoder extends nn.Module {
  readonly conv1;
  readonly bn1;
  readonly layer1;
  readonly layer2;
  readonly layer3;
  readonly pool = new nn.AdaptiveAvgPool2d({ outputSize: GRID });

  constructor() {
    super();
    const body = models.resnet20();
    this.conv1 = body.conv1;
    this.bn1 = body.bn1;
    this.layer1 = body.layer1;
    this.layer2 = body.layer2;
    this.layer3 = body.layer3;
  }

  /** Pictures (N, 3, S, S) -> 64 features of 8 x 8 places (N, 64, 64), the places row by row. */
  forward(image: Tensor): Tensor {
    const stem = ops.relu(this.bn1.forward(this.conv1.forward(image)));
    const body = [this.layer1, this.layer2, this.layer3];
    const map = body.reduce((value, layer) => layer.forward(value), stem);
    return ops.flatten(this.pool.forward(map), 2);
  }
}

/** One step of a decoder: its states, what the next word is read from, and where it looked. */
interface Told {
  readonly h: Tensor;
  readonly c: Tensor;
  readonly seen: Tensor;
  /** Share of each place (N, P), where the decoder attends. */
  readonly weights?: Tensor;
}

/** A picture as the steps of a caption read it. */
type Prepared = Readonly<Record<string, Tensor>>;

/** A convolutional encoder and an LSTM that says what it sees, word by word. */
export abstract class Captioner extends nn.Module {
  readonly spec: CaptionerSpec;
  readonly encoder = new Encoder();
  /** What a decoder is told must be of the size of its words: features as they come saturate its gates. */
  readonly norm = new nn.BatchNorm1d({ numFeatures: FEATURES });
  readonly embedding: nn.Embedding;
  readonly dropout: nn.Dropout;
  readonly head: nn.Linear;

  constructor(spec: CaptionerSpec, readout: number) {
    super();
    this.spec = spec;
    const { words, embedding, dropout } = spec;
    this.embedding = new nn.Embedding({ numEmbeddings: words, embeddingDim: embedding });
    this.dropout = new nn.Dropout({ p: dropout });
    this.head = new nn.Linear({ inFeatures: readout, outFeatures: words });
  }

  /** Pictures (N, 3, S, S) -> what a caption begins with. */
  look(image: Tensor): Sight {
    const grid = ops.transpose(this.norm.forward(this.encoder.forward(image)), 1, 2);
    return { grid, ...this.begin(ops.mean(grid, { dim: 1 })) };
  }

  /** Mean features (N, 64) -> states before the first word. */
  protected abstract begin(mean: Tensor): { readonly h: Tensor; readonly c: Tensor };

  /** What all steps need of a grid (N, P, 64). */
  protected abstract prepare(grid: Tensor): Prepared;

  /** One word (N, E) further. */
  protected abstract tell(word: Tensor, h: Tensor, c: Tensor, picture: Prepared): Told;

  /** Words (..., E) and what was seen -> what the head reads. */
  protected abstract readout(word: Tensor, seen: Tensor): Tensor;

  /**
   * Pictures (N, 3, S, S) and K captions of each (N, K, T) -> logits (T, N K, V) of the words that follow each
   * token, and where the decoder looked, (T, N K, P).
   */
  forward(image: Tensor, tokens: Tensor): { readonly logits: Tensor; readonly weights?: Tensor } {
    const [n, k, steps] = tokens.shape as readonly number[];
    const rows = (x: Tensor) => {
      const [, ...rest] = x.shape;
      return ops.reshape(ops.expand(ops.unsqueeze(x, 1), [n, k, ...rest]), [n * k, ...rest]);
    };
    const { grid, h, c } = this.look(image);
    const prepared = Object.entries(this.prepare(grid)).map(([name, x]) => [name, rows(x)]);
    const picture = Object.fromEntries(prepared) as Prepared;
    const words = this.dropout.forward(
      this.embedding.forward(ops.transpose(ops.reshape(tokens, [n * k, steps]), 0, 1)),
    );
    const { ys } = scan([rows(h), rows(c)], [words], ([h, c], [word]) => {
      const next = this.tell(word, h, c, picture);
      return {
        states: [next.h, next.c],
        ys: [next.seen, ...(next.weights ? [next.weights] : [])],
      };
    });
    const [seen, weights] = ys;
    const logits = this.head.forward(this.dropout.forward(this.readout(words, seen)));
    return { logits, ...(weights && { weights }) };
  }

  /**
   * One token (N) of each caption -> logits (N, V) of the next one, the states after it, and where the decoder
   * looked (N, P). Tokens that captions may not hold are out of reach.
   */
  next(token: Tensor, { grid, h, c }: Sight, banned: readonly number[]) {
    const word = this.embedding.forward(token);
    const { seen, weights, ...state } = this.tell(word, h, c, this.prepare(grid));
    const out = new Float32Array(this.spec.words);
    for (const id of banned) out[id] = -1e9;
    const logits = ops.add(
      this.head.forward(this.readout(word, seen)),
      tensor(out, [this.spec.words]),
    );
    return { logits, state, ...(weights && { weights }) };
  }
}

/** The LSTM of a decoder, its forget gate open at the start: what was seen must outlast a sentence. */
function decoderCell(inputSize: number, hiddenSize: number): nn.LSTMCell {
  const cell = new nn.LSTMCell({ inputSize, hiddenSize });
  nn.init.reset(cell.bias_ih!, nn.init.forgetGate());
  nn.init.reset(cell.bias_hh!, nn.init.zeros);
  return cell;
}

/** Vinyals et al. 2015: the picture is the first input of the LSTM, and never seen again. */
export class ShowTell extends Captioner {
  readonly picture: nn.Linear;
  readonly cell: nn.LSTMCell;

  constructor(spec: CaptionerSpec) {
    super(spec, spec.hidden);
    const { embedding, hidden } = spec;
    this.picture = new nn.Linear({ inFeatures: FEATURES, outFeatures: embedding });
    this.cell = decoderCell(embedding, hidden);
  }

  protected begin(mean: Tensor) {
    return this.cell.forward(this.picture.forward(mean));
  }

  protected prepare(): Prepared {
    return {};
  }

  protected tell(word: Tensor, h: Tensor, c: Tensor): Told {
    const next = this.cell.forward(word, { h, c });
    return { ...next, seen: next.h };
  }

  protected readout(_: Tensor, seen: Tensor): Tensor {
    return seen;
  }
}

/**
 * Xu et al. 2015, soft attention: before each word the decoder looks at the places of the picture, with shares
 * softmax(v·tanh(W h + U a)), through the gate β; the word is read from what was seen, the state and the word before
 * (the paper's deep output).
 */
export class ShowAttend extends Captioner {
  readonly init_h: nn.Linear;
  readonly init_c: nn.Linear;
  readonly attention: nn.Attention;
  readonly beta: nn.Linear;
  readonly cell: nn.LSTMCell;
  readonly out_h: nn.Linear;
  readonly out_z: nn.Linear;

  constructor(spec: CaptionerSpec) {
    super(spec, spec.embedding);
    const { embedding, hidden } = spec;
    const linear = (inFeatures: number, outFeatures: number, bias = true) =>
      new nn.Linear({ inFeatures, outFeatures, bias });
    this.init_h = linear(FEATURES, hidden);
    this.init_c = linear(FEATURES, hidden);
    this.attention = new nn.Attention({
      ...{ querySize: hidden, memorySize: FEATURES, attentionSize: FEATURES },
    });
    this.beta = linear(hidden, FEATURES);
    this.cell = decoderCell(embedding + FEATURES, hidden);
    this.out_h = linear(hidden, embedding);
    this.out_z = linear(FEATURES, embedding, false);
  }

  protected begin(mean: Tensor) {
    const [h, c] = [this.init_h, this.init_c].map((layer) => ops.tanh(layer.forward(mean)));
    return { h, c };
  }

  protected prepare(grid: Tensor): Prepared {
    const { values, keys } = this.attention.prepare(grid);
    return { values, keys };
  }

  protected tell(word: Tensor, h: Tensor, c: Tensor, { values, keys }: Prepared): Told {
    const { context, weights } = this.attention.forward(h, { values, keys });
    const z = ops.mul(ops.sigmoid(this.beta.forward(h)), context);
    const next = this.cell.forward(ops.concat([word, z], 1), { h, c });
    return { ...next, seen: ops.concat([next.h, z], 1), weights };
  }

  protected readout(word: Tensor, seen: Tensor): Tensor {
    const { hidden } = this.spec;
    const [h, z] = ops.split(seen, [hidden, FEATURES], -1);
    return ops.tanh(ops.add(ops.add(this.out_h.forward(h), this.out_z.forward(z)), word));
  }
}

export const buildCaptioner = (spec: CaptionerSpec): Captioner =>
  spec.model === "show-tell" ? new ShowTell(spec) : new ShowAttend(spec);
