/**
 * What is measured, once for both sides: `bench/ours/networks.js` and `bench/pytorch/networks.py` build a
 * row's network from these fields. Convolutional rows train with SGD (momentum 0.9), recurrent ones with
 * Adam: forward, loss, backward and update of every parameter, no gradient of the input.
 *
 * @typedef {object} Row
 * @property {string} name unique, as the tables show it
 * @property {"conv" | "recurrent" | "data"} family what PyTorch's setting is chosen by in a quick run
 * @property {string} network
 * @property {number} batch
 * @property {"sgd" | "adam"} [optimizer]
 * @property {number} [lr]
 * @property {number[]} [input] shape of an image (C, H, W)
 * @property {number} [classes]
 * @property {number} [steps] T
 * @property {number} [inputSize]
 * @property {number} [hiddenSize]
 * @property {number} [numLayers]
 * @property {boolean} [bidirectional]
 * @property {number} [embeddingDim]
 * @property {number} [pictures] of which a pass over the data consists
 * @property {number} [tolerance] of outputs, where it is not that of sums in another order
 * @property {readonly ("train" | "inference" | "data")[]} [kinds] training and inference, unless given
 */

const imagenet = [3, 224, 224];

/** @type {(name: string, network: string, batch: number, input?: number[], classes?: number) => Row} */
const image = (name, network, batch, input = imagenet, classes = 1000) => ({
  name: `${name} (${batch})`,
  family: "conv",
  network,
  batch,
  input,
  classes,
  optimizer: "sgd",
  // Small: at 0.01 ResNet-50's first steps leap so far that two memory layouts of PyTorch differ by 1 %.
  lr: 0.001,
});

/** @type {(network: string, steps: number, more?: Partial<Row>, title?: string) => Row} */
const sequence = (network, steps, more = {}, title = network) => {
  const row = { batch: 64, inputSize: 128, hiddenSize: 256, numLayers: 1, bidirectional: false };
  const sizes = { ...row, ...more };
  return {
    name: `${title} T${steps} N${sizes.batch} I${sizes.inputSize} H${sizes.hiddenSize}`,
    family: "recurrent",
    network,
    steps,
    ...sizes,
    optimizer: "adam",
    lr: 0.001,
  };
};

const convolutional = [
  image("LeNet-5", "lenet5", 64, [1, 32, 32], 10),
  image("AlexNet", "alexnet", 8),
  image("VGG-16", "vgg16", 4),
  image("GoogLeNet", "googlenet", 8),
  image("ResNet-18", "resnet18", 8),
  image("ResNet-50", "resnet50", 4),
  image("ResNet-20 CIFAR", "resnet20", 128, [3, 32, 32], 10),
];

const recurrent = ["RNN", "LSTM", "GRU"].flatMap((network) => [
  ...[50, 100, 500].map((steps) => sequence(network, steps)),
  sequence(network, 100, { numLayers: 3 }, `${network} 3 layers`),
  sequence(network, 100, { bidirectional: true }, `${network} bidirectional`),
]);

const character = sequence(
  "charLM",
  100,
  { batch: 32, inputSize: 65, hiddenSize: 512, classes: 65 },
  "char-LM",
);

/** 25 sentences of 8 to 32 words, one pack: the same order of nodes on both sides, 16 at a time. */
const tree = {
  name: "tree-LSTM, 25 trees I100 H120",
  family: "recurrent",
  network: "treeLSTM",
  batch: 1,
  inputSize: 100,
  hiddenSize: 120,
  optimizer: "adam",
  lr: 0.001,
  kinds: ["train"],
};

/**
 * Encoder and decoder with additive attention, sources of 10 to 20 tokens. A training step is told the right
 * tokens; inference writes 20 of its own, each the likeliest after those before.
 */
const translation = {
  ...sequence("seq2seq", 20, { batch: 32, hiddenSize: 256, classes: 4000 }),
  name: "seq2seq, attention, T20 N32 E128 H256 V4000",
  embeddingDim: 128,
};

/**
 * JPEG files of 500 x 400 -> (32, 3, 224, 224): decoded, the shorter side shrunk to 256 by a triangle filter as
 * wide as an output pixel (bilinear with antialias, Pillow's BILINEAR), the middle, normalised. A step is a pass over all
 * files, so that neither side reads ahead in the other's time. Pillow rounds between its two directions and we
 * do not: pixels may be two of 255 levels apart, of values up to 2.6.
 */
const loading = {
  name: "JPEG folder to batches, 64 pictures (32)",
  family: "data",
  network: "pictures",
  batch: 32,
  pictures: 64,
  input: imagenet,
  tolerance: 0.015,
  kinds: ["data"],
};

/** @type {readonly Row[]} */
export const rows = [...convolutional, ...recurrent, character, tree, translation, loading];

/** A quick run chooses PyTorch's setting for all rows of a family by these. */
export const probes = { conv: "AlexNet (8)", recurrent: "LSTM T50 N64 I128 H256" };

/** Families of rows along one size, for the curves of cost. @type {Record<string, readonly Row[]>} */
export const scaling = {
  batch: [1, 2, 4, 8, 16].map((batch) => image("ResNet-18", "resnet18", batch)),
  "sequence length": [25, 50, 100, 200, 400].map((steps) => sequence("LSTM", steps)),
  width: [64, 128, 256, 512].map((hiddenSize) => sequence("LSTM", 50, { hiddenSize })),
  depth: [20, 32, 44, 56].map((depth) =>
    image(`ResNet-${depth} CIFAR`, `resnet${depth}`, 32, [3, 32, 32], 10),
  ),
};
