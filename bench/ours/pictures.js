// Data loading: JPEG files decoded, shrunk, cropped and normalised by threads, batch after batch.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import encode, { init } from "@jsquash/jpeg/encode.js";
import { ImageDataset, ImagePool } from "@tensorlane/tasks/images";
import { data } from "tensorlane";

/** @typedef {import("../rows/index.js").Row} Row */

const [WIDTH, HEIGHT] = [500, 400];
/** What the shorter side is shrunk to before the middle is cut out. */
const SIDE = 256;
const [MEAN, STD] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
];

const fileOf = (folder, i) => join(folder, "class", `${String(i).padStart(4, "0")}.jpg`);

/** Waves under a grid of sharp edges under grain: about as many bytes as a photograph of this size. */
function draw(number) {
  const pixels = new Uint8ClampedArray(4 * WIDTH * HEIGHT);
  let grain = number + 1;
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const edge = ((x >> 5) + (y >> 5) + number) % 3;
      for (let c = 0; c < 3; c++) {
        grain = (Math.imul(grain, 1664525) + 1013904223) >>> 0;
        const wave = Math.sin(x / (9 + c + (number % 7)) + y / 23);
        pixels[4 * (y * WIDTH + x) + c] = 110 + 60 * wave + 25 * edge + (grain >>> 27);
      }
      pixels[4 * (y * WIDTH + x) + 3] = 255;
    }
  }
  return { data: pixels, width: WIDTH, height: HEIGHT };
}

/** @param {string} folder @param {number} count */
async function writePictures(folder, count) {
  const wasm = createRequire(import.meta.url).resolve("@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm");
  await init(await WebAssembly.compile(await readFile(wasm)), { print() {}, printErr() {} });
  await mkdir(join(folder, "class"), { recursive: true });
  const options = { quality: 85, progressive: false };
  for (let i = 0; i < count; i++) {
    await writeFile(fileOf(folder, i), new Uint8Array(await encode(draw(i), options)));
  }
}

/** Passes over a folder of pictures. */
export class Loading {
  /** @param {Row} row @param {{ path: string, write?: boolean, threads: number }} options */
  static async create({ pictures, batch, input }, { path, write, threads }) {
    const folder = `${path}.pictures`;
    if (write) await writePictures(folder, pictures);
    const [channels, size] = input;
    const shrunk = { side: SIDE, width: (WIDTH * SIDE) / HEIGHT, height: SIDE };
    const sources = Array.from({ length: pictures }, (_, i) => {
      return { path: fileOf(folder, i), ...shrunk };
    });
    const pool = new ImagePool(threads);
    const dataset = new ImageDataset({
      set: { sources, labels: new Int32Array(pictures), channels },
      indices: Int32Array.from(sources.keys()),
      preprocessing: { size, cover: size / SIDE, border: "black", mean: MEAN, std: STD },
      pool,
    });
    const loader = new data.DataLoader(dataset, { batchSize: batch });
    return Object.assign(new Loading(), { loader, pool, output: new Float32Array() });
  }

  /** @param {number} count @returns {Promise<{ at: number }[]>} when each pass ended; `output` is a first batch */
  async steps(count) {
    const done = [];
    for (let i = 0; i < count; i++) {
      for await (const { fields, index } of this.loader.epoch(i)) {
        if (index === 0) this.output = fields.image.data;
      }
      done.push({ at: performance.now() });
    }
    return done;
  }

  release() {
    this.pool.close();
  }
}
