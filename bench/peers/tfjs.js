// TensorFlow.js on one of its backends: node tfjs.js cpu | wasm
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { servePeer } from "./serve.js";

// Its greetings must not get among the answers.
console.log = console.info = console.warn = () => {};
await tf.setBackend(process.argv[2]);
await tf.ready();

const variable = ({ data, shape }, permutation) => {
  const value = tf.tensor(data, shape);
  return tf.variable(permutation ? value.transpose(permutation) : value);
};

/** Images are (N, H, W, C) and kernels (h, w, in, out) here: permuted once, before anything is timed. */
function lenet5(arrays) {
  const kernel = (name) => variable(arrays.get(`${name}.weight`), [2, 3, 1, 0]);
  const matrix = (name) => variable(arrays.get(`${name}.weight`), [1, 0]);
  const bias = (name) => variable(arrays.get(`${name}.bias`));
  const convolutions = ["c1", "c3", "c5"].map((name) => [kernel(name), bias(name)]);
  const linear = ["f6", "out"].map((name) => [matrix(name), bias(name)]);
  const images = variable(arrays.get("batch.x"), [0, 2, 3, 1]);
  const forward = () => {
    const maps = convolutions.reduce((x, [w, b], i) => {
      const y = tf.tanh(tf.add(tf.conv2d(x, w, 1, "valid"), b));
      return i < 2 ? tf.avgPool(y, 2, 2, "valid") : y;
    }, images);
    const hidden = tf.tanh(
      tf.add(tf.matMul(maps.reshape([maps.shape[0], -1]), linear[0][0]), linear[0][1]),
    );
    return tf.add(tf.matMul(hidden, linear[1][0]), linear[1][1]);
  };
  const y = arrays.get("batch.y");
  const labels = tf.oneHot(tf.tensor1d(y.data, "int32"), 10);
  return {
    forward,
    loss: () => tf.losses.softmaxCrossEntropy(labels, forward()),
    variables: [...convolutions, ...linear].flat(),
  };
}

const builders = { lenet5 };

servePeer(
  (row, arrays) => {
    const build = builders[row.network];
    if (!build) throw new Error(`${row.network} is not written down for TensorFlow.js`);
    const { forward, loss, variables } = build(arrays);
    const optimizer = tf.train.momentum(row.lr, 0.9);
    return {
      async train() {
        const value = optimizer.minimize(loss, true, variables);
        const [number] = await value.data();
        value.dispose();
        return number;
      },
      async infer() {
        const output = tf.tidy(forward);
        const data = await output.data();
        output.dispose();
        return data;
      },
    };
  },
  () => ({ version: tf.version.tfjs, backend: tf.getBackend() }),
);
