import { type Batch, compile, data } from "tensorlane";
import type { ImageDataset } from "../classify/images/dataset.ts";
import { beamSearch, type Stepper } from "../language/index.ts";
import { type Captioner, FEATURES, GRID } from "./network.ts";
import type { CaptionWords } from "./words.ts";

/** Places of a picture. */
const PLACES = GRID * GRID;

/** What the encoder makes of pictures: a row for each. */
export type Sights = Readonly<Record<"grid" | "h" | "c", Float32Array>> & {
  readonly count: number;
};

/** Runs the encoder over all pictures of a data set. */
export async function lookAt(network: Captioner, images: ImageDataset): Promise<Sights> {
  const loader = new data.DataLoader(images, { batchSize: Math.min(32, images.length) });
  network.eval();
  const run = await compile(loader.fields, loader.batchSize, ({ image }) => network.look(image), {
    // Constant weights take time to lay out, which a few pictures do not give back.
    frozen: loader.length > 1,
  });
  const { length: count } = images;
  const { hidden } = network.spec;
  const sights = {
    ...{ count, grid: new Float32Array(count * PLACES * FEATURES) },
    ...{ h: new Float32Array(count * hidden), c: new Float32Array(count * hidden) },
  };
  for await (const { fields, index, count: real } of loader.epoch(0, { reuse: true })) {
    const values = await run(fields);
    for (const name of ["grid", "h", "c"] as const) {
      const all = values[name].data as Float32Array;
      const size = all.length / loader.batchSize;
      sights[name].set(all.subarray(0, real * size), index * loader.batchSize * size);
    }
  }
  return sights;
}

/** The average of all pictures, as one more picture: what is said of it, no picture told. */
export function averageOf({ count, ...sights }: Sights): Sights {
  const mean = (values: Float32Array) => {
    const sum = new Float64Array(values.length / count);
    for (const [i, value] of values.entries()) sum[i % sum.length] += value / count;
    return Float32Array.from(sum);
  };
  return { count: 1, grid: mean(sights.grid), h: mean(sights.h), c: mean(sights.c) };
}

/** Mean features (64) of each picture over its places. */
export function meanFeatures({ count, grid }: Sights): Float32Array[] {
  return Array.from({ length: count }, (_, i) => {
    const mean = new Float32Array(FEATURES);
    for (let k = 0; k < PLACES * FEATURES; k++) {
      mean[k % FEATURES] += grid[i * PLACES * FEATURES + k] / PLACES;
    }
    return mean;
  });
}

/** A caption and how it came about. */
export interface Description {
  readonly words: readonly string[];
  /** Natural logarithm of its probability. */
  readonly logProbability: number;
  /** For each word the shares (64) of the places that were looked at, row by row; where the model attends. */
  readonly maps?: readonly Float32Array[];
}

type Step = (batch: Batch) => Promise<Record<"logits" | "h" | "c" | "weights", { data: unknown }>>;

/** Writes captions of one picture, `rows` hypotheses side by side. */
class Writer implements Stepper {
  readonly rows: number;
  readonly vocabulary: number;
  readonly #step: Step;
  readonly #batch: Batch;
  /** Where the first row looked in the last step. */
  map = new Float32Array(PLACES);

  constructor(step: Step, batch: Batch, vocabulary: number) {
    this.#step = step;
    this.#batch = batch;
    this.rows = batch.token.shape[0];
    this.vocabulary = vocabulary;
  }

  /** Begins anew with picture i. */
  begin(sights: Sights, i: number): void {
    for (const name of ["grid", "h", "c"] as const) {
      const own = sights[name].length / sights.count;
      const row = sights[name].subarray(i * own, (i + 1) * own);
      for (let k = 0; k < this.rows; k++) this.#floats(name).set(row, k * own);
    }
  }

  async next(tokens: ArrayLike<number>): Promise<Float32Array> {
    (this.#batch.token.data as Int32Array).set(tokens);
    const { logits, h, c, weights } = await this.#step(this.#batch);
    this.#floats("h").set(h.data as Float32Array);
    this.#floats("c").set(c.data as Float32Array);
    if (weights) this.map = (weights.data as Float32Array).slice(0, PLACES);
    return logits.data as Float32Array;
  }

  reorder(parents: readonly number[]): void {
    for (const name of ["h", "c"] as const) {
      const now = this.#floats(name);
      const size = now.length / this.rows;
      const before = now.slice();
      for (const [row, parent] of parents.entries()) {
        now.set(before.subarray(parent * size, (parent + 1) * size), row * size);
      }
    }
  }

  #floats(name: "grid" | "h" | "c"): Float32Array {
    return this.#batch[name].data as Float32Array;
  }
}

export interface DescribeOptions {
  readonly words: CaptionWords;
  /** Hypotheses that go on at each step. */
  readonly beam: number;
  readonly maxLength: number;
}

/** Compiles a captioner's writing: the likeliest caption of a picture, by the weights it then has. */
export async function compileDescribe(
  network: Captioner,
  { words, beam, maxLength }: DescribeOptions,
): Promise<(sights: Sights, i: number) => Promise<Description>> {
  const { hidden } = network.spec;
  const fields = {
    token: { dtype: "int32", shape: [] },
    grid: { dtype: "float32", shape: [PLACES, FEATURES] },
    h: { dtype: "float32", shape: [hidden] },
    c: { dtype: "float32", shape: [hidden] },
  } as const;
  network.eval();
  const step = await compile<string>(fields, beam, ({ token, grid, h, c }) => {
    const { logits, state, weights } = network.next(token, { grid, h, c }, words.banned);
    return { logits, ...state, ...(weights && { weights }) };
  });
  const batch = data.allocateBatch(fields, beam);
  const writer = new Writer(step as Step, batch, network.spec.words);
  return async (sights, i) => {
    writer.begin(sights, i);
    const [best] = await beamSearch(writer, { start: words.start, end: words.end, maxLength });
    const said = { words: words.decode(best.tokens), logProbability: best.logProbability };
    if (network.spec.model !== "show-attend") return said;
    // Once more along the chosen words, to see where each was looked for.
    writer.begin(sights, i);
    const maps: Float32Array[] = [];
    for (const token of [words.start, ...best.tokens.slice(0, -1)]) {
      await writer.next(new Array<number>(beam).fill(token));
      maps.push(writer.map);
    }
    return { ...said, maps: maps.slice(0, said.words.length) };
  };
}

/** Captions of all pictures. */
export async function describeAll(
  network: Captioner,
  sights: Sights,
  options: DescribeOptions,
): Promise<Description[]> {
  const describe = await compileDescribe(network, options);
  const said: Description[] = [];
  for (let i = 0; i < sights.count; i++) said.push(await describe(sights, i));
  return said;
}
