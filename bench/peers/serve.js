// What the libraries for JavaScript have in common: they read the row's file, then run steps of it.
import { readFile, writeFile } from "node:fs/promises";
import { weights } from "tensorlane";
import { serve } from "../serve.js";

/**
 * @typedef {import("../rows/index.js").Row} Row
 * @typedef {Map<string, { data: Float32Array | Int32Array, shape: number[] }>} Arrays
 * @typedef {{ train(): Promise<number>, infer(): Promise<Float32Array> }} Network
 * @param {(row: Row, arrays: Arrays) => Network} make
 * @param {() => object} info
 */
export function servePeer(make, info) {
  let run;
  const one = () => (run.kind === "train" ? run.network.train() : run.network.infer());
  return serve({
    async load({ row, kind, path }) {
      const { arrays } = weights.readSafetensors(await readFile(path));
      run = { kind, network: make(row, arrays) };
      return {};
    },
    async check({ steps, path }) {
      if (run.kind === "inference") {
        const output = await run.network.infer();
        await writeFile(path, new Uint8Array(output.buffer, output.byteOffset, output.byteLength));
        return { elements: output.length };
      }
      const losses = [];
      for (let i = 0; i < steps; i++) losses.push(await run.network.train());
      return { losses };
    },
    async time({ count }) {
      const times = [];
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        await one();
        times.push(performance.now() - start);
      }
      return { times };
    },
    close() {
      run = undefined;
      return {};
    },
    info,
  });
}
