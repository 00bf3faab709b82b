import { TensorlaneError } from "../../errors.ts";
import { equal, format, type Size } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { random, type Tensor } from "../../graph/tensor.ts";
import { Embedding, Linear } from "../layers.ts";
import { Module } from "../module.ts";
import { GRUCell } from "../recurrent/cells.ts";
import { GRU } from "../recurrent/layers.ts";
import { Attention, type AttentionScore, type Memory } from "./attention.ts";

export interface EncoderDecoderOptions {
  /** Number of different tokens that are read. */
  readonly sourceTokens: number;
  /** Number of different tokens that are written. */
  readonly targetTokens: number;
  /** Size of the learnt vectors that stand for tokens. */
  readonly embeddingDim: number;
  /** Units of the encoder in each direction, and of the decoder. */
  readonly hiddenSize: number;
  /**
   * Without it all that the decoder knows is the encoder's last state. No `dot`: the encoder's states, of two
   * directions, are twice as long as the decoder's.
   */
  readonly attention?: Exclude<AttentionScore, "dot">;
}

/** What the encoder makes of the source. */
export interface Encoded {
  /** The decoder's first state (N, hiddenSize). */
  readonly h: Tensor;
  /** Every place of the source, for attention. */
  readonly memory?: Memory;
}

/** One step of the decoder. */
export interface DecoderStep {
  /** (N, targetTokens) */
  readonly logits: Tensor;
  readonly h: Tensor;
  /** Where the step looked, (N, S); with attention only. */
  readonly weights?: Tensor;
}

export interface TeacherForcing {
  /** The tokens that the decoder is given, (N, T) int32: the right ones, one step late, behind the start token. */
  readonly tokens: Tensor;
  /**
   * Probability (N) with which a step is given the right token instead of the one found likeliest at the step
   * before (scheduled sampling, Bengio et al. 2015). An input like others: a schedule never recompiles. Always
   * the right one without it.
   */
  readonly ratio?: Tensor;
}

/**
 * Reads one sequence and writes another of any length: a bidirectional GRU as encoder, a GRU as decoder that is
 * given its own last token (Sutskever et al. 2014, Cho et al. 2014), with attention to the encoder's states where
 * wanted (Bahdanau et al. 2015).
 *
 * @example
 * const model = new nn.EncoderDecoder({ sourceTokens: 40, targetTokens: 12, embeddingDim: 32, hiddenSize: 64, attention: "additive" });
 * const { logits } = model.forward(source, lengths, { tokens }); // (N, S), (N), (N, T) -> (T, N, 12)
 */
export class EncoderDecoder extends Module {
  readonly options: EncoderDecoderOptions;
  readonly source: Embedding;
  readonly target: Embedding;
  readonly encoder: GRU;
  readonly bridge: Linear;
  readonly attention?: Attention;
  readonly decoder: GRUCell;
  readonly head: Linear;

  constructor(options: EncoderDecoderOptions) {
    super();
    const { sourceTokens, targetTokens, embeddingDim, hiddenSize, attention: score } = options;
    this.options = options;
    this.source = new Embedding({ numEmbeddings: sourceTokens, embeddingDim });
    this.target = new Embedding({ numEmbeddings: targetTokens, embeddingDim });
    this.encoder = new GRU({
      inputSize: embeddingDim,
      hiddenSize,
      bidirectional: true,
      batchFirst: true,
    });
    const memorySize = 2 * hiddenSize;
    this.bridge = new Linear({ inFeatures: memorySize, outFeatures: hiddenSize });
    if (score) this.attention = new Attention({ querySize: hiddenSize, memorySize, score });
    const seen = score ? memorySize : 0;
    this.decoder = new GRUCell({ inputSize: embeddingDim + seen, hiddenSize });
    this.head = new Linear({ inFeatures: hiddenSize + seen, outFeatures: targetTokens });
  }

  /** Source tokens (N, S) int32 and their numbers (N): what the decoder starts from. */
  encode(source: Tensor, lengths: Tensor): Encoded {
    const { output, state } = this.encoder.forward(this.source.forward(source), { lengths });
    const ends = ops.split(state.h, 1, 0).map((end) => ops.squeeze(end, 0));
    const h = ops.tanh(this.bridge.forward(ops.concat(ends, 1)));
    return this.attention ? { h, memory: this.attention.prepare(output, lengths) } : { h };
  }

  /** A token (N) int32 for each sequence and the state before it -> the next token's logits. */
  step(token: Tensor, { h, memory }: Encoded): DecoderStep {
    const { features, ...after } = this.advance(token, { h, memory });
    return { logits: this.head.forward(features), ...after };
  }

  private advance(token: Tensor, { h, memory }: Encoded) {
    const word = this.target.forward(token);
    if (!this.attention || !memory) {
      const next = this.decoder.forward(word, { h }).h;
      return { features: next, h: next };
    }
    const { context, weights } = this.attention.forward(h, memory);
    const next = this.decoder.forward(ops.concat([word, context], 1), { h }).h;
    return { features: ops.concat([next, context], 1), h: next, weights };
  }

  /** Source tokens (N, S), their numbers (N), and the target -> logits (T, N, targetTokens), weights (T, N, S). */
  forward(
    source: Tensor,
    lengths: Tensor,
    { tokens, ratio }: TeacherForcing,
  ): { readonly logits: Tensor; readonly weights?: Tensor } {
    if (tokens.rank !== 2 || !equal(tokens.shape[0], source.shape[0])) {
      throw new TensorlaneError(
        `EncoderDecoder: expected target tokens (${source.shape[0]}, time), received ${format(tokens.shape)}`,
      );
    }
    const encoded = this.encode(source, lengths);
    const right = ops.cast(ops.transpose(tokens, 0, 1), "int32");
    const { states, xs } = ratio
      ? { states: [ops.select(right, 0, 0)], xs: [right, this.coins(right.shape, ratio)] }
      : { states: [], xs: [right] };
    const { ys } = ops.scan([encoded.h, ...states], xs, ([h, own], [given, taught]) => {
      const token = own ? ops.where(taught, given, own) : given;
      const after = this.advance(token, { h, memory: encoded.memory });
      const found = own && likeliest(this.head.forward(after.features));
      return {
        states: found ? [after.h, found] : [after.h],
        ys: after.weights ? [after.features, after.weights] : [after.features],
      };
    });
    return { logits: this.head.forward(ys[0]), weights: ys[1] };
  }

  /**
   * Writes greedily, `steps` tokens for each source from the start token (N): tokens (N, steps) int32, and where
   * every step looked (steps, N, S). What stands behind an end token means nothing.
   */
  write(
    source: Tensor,
    lengths: Tensor,
    start: Tensor,
    steps: Size,
  ): { readonly tokens: Tensor; readonly weights?: Tensor } {
    const { h, memory } = this.encode(source, lengths);
    const { ys } = ops.scan([h, start], [ops.zeros([steps, 1])], ([before, token]) => {
      const { logits, h: after, weights } = this.step(token, { h: before, memory });
      const next = likeliest(logits);
      return { states: [after, next], ys: weights ? [next, weights] : [next] };
    });
    return { tokens: ops.transpose(ys[0], 0, 1), weights: ys[1] };
  }

  /** (T, N) bool: whether a step is given the right token, drawn anew for each. */
  private coins(shape: readonly Size[], ratio: Tensor): Tensor {
    const drawn = random(shape, { kind: "uniform", low: 0, high: 1 });
    return ops.less(drawn, ops.unsqueeze(ratio, 0));
  }
}

const likeliest = (logits: Tensor): Tensor => ops.cast(ops.argmax(logits, { dim: -1 }), "int32");
