// jax-js on WebAssembly, its only backend in Node. Every use of an array but the last needs `.ref`.

import { readFileSync } from "node:fs";
import { defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { servePeer } from "./serve.js";

await init("wasm");
defaultDevice("wasm");

const array = ({ data, shape }) => np.array(data).reshape(shape);
const names = ["c1", "c3", "c5", "f6", "out"];

/** (N, 1, 32, 32) -> (N, 10) */
function forward(p, images) {
  const convolve = (x, name) => {
    const y = lax.conv(x, p[`${name}.weight`], [1, 1], "VALID");
    return np.tanh(y.add(p[`${name}.bias`].reshape([1, -1, 1, 1])));
  };
  const pool = (x) => {
    const [n, c, h, w] = x.shape;
    return np.mean(x.reshape([n, c, h / 2, 2, w / 2, 2]), [3, 5]);
  };
  const linear = (x, name) => np.matmul(x, p[`${name}.weight`].transpose()).add(p[`${name}.bias`]);
  const maps = convolve(pool(convolve(pool(convolve(images, "c1")), "c3")), "c5");
  const flat = maps.reshape([maps.shape[0], 120]);
  return linear(np.tanh(linear(flat, "f6")), "out");
}

const loss = (p, images, labels) =>
  np.mean(np.sum(nn.logSoftmax(forward(p, images)).mul(labels), -1)).mul(-1);

/** SGD with momentum as PyTorch has it: v' = m v + g, p' = p - lr v'. */
const stepWith = (lr) =>
  jit((p, velocity, images, labels) => {
    const [value, gradient] = valueAndGrad(loss)(tree.ref(p), images, labels);
    const next = tree.map((v, g) => v.mul(0.9).add(g), velocity, gradient);
    const moved = tree.map((a, v) => a.sub(v.mul(lr)), p, tree.ref(next));
    return [value, moved, next];
  });

const { version } = JSON.parse(
  readFileSync(new URL("node_modules/@jax-js/jax/package.json", import.meta.url), "utf8"),
);

servePeer(
  (row, arrays) => {
    if (row.network !== "lenet5") throw new Error(`${row.network} is not written down for jax-js`);
    const keys = names.flatMap((name) => [`${name}.weight`, `${name}.bias`]);
    let parameters = Object.fromEntries(keys.map((key) => [key, array(arrays.get(key))]));
    let velocity = Object.fromEntries(keys.map((key) => [key, np.zeros(arrays.get(key).shape)]));
    const images = array(arrays.get("batch.x"));
    const { data } = arrays.get("batch.y");
    const labels = nn.oneHot(np.array(data, { dtype: np.int32 }), row.classes);
    const step = stepWith(row.lr);
    const run = jit(forward);
    return {
      async train() {
        const [value, moved, next] = step(parameters, velocity, images.ref, labels.ref);
        parameters = moved;
        velocity = next;
        return (await value.data())[0];
      },
      infer: () => run(tree.ref(parameters), images.ref).data(),
    };
  },
  () => ({ version, backend: defaultDevice() }),
);
