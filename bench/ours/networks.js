// The networks of bench/rows in Tensorlane.
import { data, models, nn, ops } from "tensorlane";

/** @typedef {import("../rows/index.js").Row} Row */
/** @typedef {import("tensorlane").Tensor} Tensor */

const recurrent = { RNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU };

/** (N, T, I) -> (N, T, directions · H) */
class Recurrent extends nn.Module {
  /** @param {Row} row */
  constructor({ network, inputSize, hiddenSize, numLayers, bidirectional }) {
    super();
    const sizes = { inputSize, hiddenSize, numLayers, bidirectional, batchFirst: true };
    this.layers = new recurrent[network](sizes);
  }

  /** @param {Tensor} x */
  forward(x) {
    return this.layers.forward(x).output;
  }
}

/** (N, T) characters -> (N, T, classes) */
class CharLM extends nn.Module {
  /** @param {Row} row */
  constructor({ inputSize, hiddenSize, numLayers, classes }) {
    super();
    this.classes = classes;
    this.lstm = new nn.LSTM({ inputSize, hiddenSize, numLayers, batchFirst: true });
    this.head = new nn.Linear({ inFeatures: hiddenSize, outFeatures: classes });
  }

  /** @param {Tensor} x */
  forward(x) {
    return this.head.forward(this.lstm.forward(ops.oneHot(x, this.classes)).output);
  }
}

/** Word vectors (1, L, I) and an order of nodes -> states of all words and inner nodes */
class TreeLSTM extends nn.Module {
  /** @param {Row} row */
  constructor({ inputSize, hiddenSize }) {
    super();
    this.tree = new nn.Recursive({ cell: new nn.TreeLSTMCell({ inputSize, hiddenSize }) });
  }

  /** @param {Tensor} x @param {Record<"leaf" | "slot" | "keep", Tensor>} order */
  forward(x, { leaf, slot, keep }) {
    const [words, ...order] = [x, leaf, slot, keep].map((pack) => ops.squeeze(pack, 0));
    return this.tree.forward(words, { leaf: order[0], slot: order[1], keep: order[2] });
  }
}

/** Source tokens (N, S), their numbers and the right tokens, one late -> logits (T, N, classes) */
class Seq2Seq extends nn.EncoderDecoder {
  /** @param {Row} row */
  constructor({ embeddingDim, hiddenSize, classes, steps }) {
    const tokens = { sourceTokens: classes, targetTokens: classes };
    super({ ...tokens, embeddingDim, hiddenSize, attention: "additive" });
    this.steps = steps;
  }

  /** @param {Tensor} x @param {Record<"lengths" | "given", Tensor>} target */
  forward(x, { lengths, given }) {
    return super.forward(x, lengths, { tokens: given }).logits;
  }

  /** What it writes after the first of the given tokens (N, T), as floats. */
  answer(x, { lengths, given }) {
    const { tokens } = this.write(x, lengths, ops.select(given, 0, 1), this.steps);
    return ops.cast(tokens, "float32");
  }
}

/** @param {Row} row */
export function build(row) {
  if (row.network === "seq2seq") return new Seq2Seq(row);
  if (row.network === "treeLSTM") return new TreeLSTM(row);
  if (row.network === "charLM") return new CharLM(row);
  if (row.family === "recurrent") return new Recurrent(row);
  return models.architecture(row.network).build({ numClasses: row.classes });
}

/** @param {Row} row @param {nn.Module} model @param {Record<string, Tensor>} batch */
export function lossOf(row, model, { x, y, ...rest }) {
  const output = model.forward(x, rest);
  if (row.network === "googlenet") return models.googlenetLoss(output, y);
  if (row.network === "charLM" || row.network === "seq2seq") {
    const labels = row.network === "seq2seq" ? ops.transpose(y, 0, 1) : y;
    return nn.crossEntropy(ops.reshape(output, [-1, row.classes]), ops.reshape(labels, [-1]));
  }
  if (row.family === "recurrent") return ops.mean(ops.mul(output, output));
  return nn.crossEntropy(output, y);
}

/** Values in [-1, 1), the same in every run. @param {number} size */
const noise = (size) => {
  let state = 1;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
};
/** @param {number} size @param {number} classes */
const classesOf = (size, classes) =>
  Int32Array.from(noise(size), (u) => Math.floor(((u + 1) / 2) * classes));

/** One pack of sentences of all lengths, every word beside all that follow. @param {Row} row */
function packOf({ inputSize }) {
  const lengths = Array.from({ length: 25 }, (_, i) => 8 + i);
  const trees = lengths.map((n) => data.treeOfWords(new Array(n).fill("w"), "right"));
  const packs = new data.TreePacks({ trees, token: () => 1, batchSize: trees.length });
  const { tokens, leaf, slot, keep } = packs.get([0]);
  const words = tokens.data.length;
  const x = { data: noise(words * inputSize), shape: [1, words, inputSize] };
  return { x, y: { data: new Float32Array(1), shape: [1] }, leaf, slot, keep };
}

/** Sources of half the length and more; the right tokens stand one place after those that are given. */
function sentencesOf({ batch, steps, classes }) {
  const tokens = classesOf(batch * (2 * steps + 1), classes);
  const lengths = Int32Array.from({ length: batch }, (_, i) => steps - (i % (steps / 2 + 1)));
  const target = tokens.subarray(batch * steps);
  const part = (from) =>
    Int32Array.from({ length: batch * steps }, (_, i) => target[i + Math.floor(i / steps) + from]);
  return {
    x: { data: tokens.slice(0, batch * steps), shape: [batch, steps] },
    y: { data: part(1), shape: [batch, steps] },
    lengths: { data: lengths, shape: [batch] },
    given: { data: part(0), shape: [batch, steps] },
  };
}

/** One batch: x, y, which recurrent rows do not read, and what else `forward` is given. @param {Row} row */
export function batchOf(row) {
  const { family, network, batch, input, classes, steps, inputSize } = row;
  if (network === "treeLSTM") return packOf(row);
  if (network === "seq2seq") return sentencesOf(row);
  const made = (data, ...shape) => ({ data, shape: [batch, ...shape] });
  if (network === "charLM") {
    const tokens = classesOf(batch * (steps + 1), classes);
    return {
      x: made(tokens.slice(0, batch * steps), steps),
      y: made(tokens.slice(batch), steps),
    };
  }
  if (family === "recurrent") {
    return {
      x: made(noise(batch * steps * inputSize), steps, inputSize),
      y: made(new Float32Array(batch)),
    };
  }
  const size = input.reduce((product, n) => product * n, batch);
  return { x: made(noise(size), ...input), y: made(classesOf(batch, classes)) };
}
