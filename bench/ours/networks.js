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

/** @param {Row} row */
export function build(row) {
  if (row.network === "treeLSTM") return new TreeLSTM(row);
  if (row.network === "charLM") return new CharLM(row);
  if (row.family === "recurrent") return new Recurrent(row);
  return models.architecture(row.network).build({ numClasses: row.classes });
}

/** @param {Row} row @param {nn.Module} model @param {Record<string, Tensor>} batch */
export function lossOf(row, model, { x, y, ...order }) {
  const output = row.network === "treeLSTM" ? model.forward(x, order) : model.forward(x);
  if (row.network === "googlenet") return models.googlenetLoss(output, y);
  if (row.network === "charLM") {
    return nn.crossEntropy(ops.reshape(output, [-1, row.classes]), ops.reshape(y, [-1]));
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

/** One batch: x, y, which recurrent rows do not read, and the order of trees. @param {Row} row */
export function batchOf(row) {
  const { family, network, batch, input, classes, steps, inputSize } = row;
  if (network === "treeLSTM") return packOf(row);
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
