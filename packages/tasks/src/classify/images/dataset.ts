import { type Batch, type Dataset, data } from "tensorlane";
import type { ImageSet } from "../data/set.ts";
import { type Augmentation, centreView, type Preprocessing, variedView } from "./augment.ts";
import { VIEW } from "./pixelTools.ts";
import type { ImagePool, PictureSource } from "./pool.ts";

/** Bytes that are rendered at a time. */
const PART = 2 ** 22;

export interface ImageDatasetOptions {
  readonly set: Pick<ImageSet, "sources" | "labels" | "channels">;
  /** Pictures of the set that are samples, in this order. */
  readonly indices: Int32Array;
  readonly preprocessing: Preprocessing;
  /** Vary the pictures in every pass; without it all see the middle. */
  readonly augmentation?: Augmentation | undefined;
  readonly seed?: number;
  readonly pool: ImagePool;
}

/** Samples `image` (C, size, size) and `label`; pixels are decoded and turned into numbers by the pool. */
export class ImageDataset implements Dataset {
  readonly length: number;
  readonly fields: Dataset["fields"];
  private readonly options: ImageDatasetOptions;
  /** Memory that the pool writes to, kept for the next batch. */
  private readonly free: Float32Array[] = [];

  constructor(options: ImageDatasetOptions) {
    const { size } = options.preprocessing;
    this.options = options;
    this.length = options.indices.length;
    this.fields = {
      image: { dtype: "float32", shape: [options.set.channels, size, size] },
      label: { dtype: "int32", shape: [] },
    };
  }

  async get(rows: ArrayLike<number>, pass = 0): Promise<Batch> {
    const batch = data.allocateBatch(this.fields, rows.length);
    await this.fill(batch, rows, pass);
    return batch;
  }

  async fill(target: Batch, rows: ArrayLike<number>, pass = 0): Promise<void> {
    const { set, indices, preprocessing, pool } = this.options;
    const { size, mean, std, border } = preprocessing;
    const chosen = Array.from(rows, (row) => indices[row]!);
    const sources = chosen.map((index) => set.sources[index]!);
    const area = set.channels * size * size;
    const length = chosen.length * area;
    const views = new Float64Array(chosen.length * VIEW.length);
    for (const [i, index] of chosen.entries()) views.set(this.view(index, pass), i * VIEW.length);
    const memory = this.free.pop();
    const out = memory && memory.length >= length ? memory : shared(length);
    const result = target.image!.data as Float32Array;
    const render = async (from: number, to: number): Promise<void> => {
      const part = out.subarray(from * area, to * area);
      const job = {
        sources: sources.slice(from, to),
        views: views.slice(from * VIEW.length, to * VIEW.length),
      };
      await pool.render({ ...job, size, mean, std, border, out: part });
      result.set(part, from * area);
    };
    // In parts, so that one is copied while the threads work on the next.
    const count = Math.max(1, Math.floor(PART / area / 4));
    const parts: Promise<void>[] = [];
    for (let from = 0; from < chosen.length; from += count) {
      parts.push(render(from, Math.min(from + count, chosen.length)));
    }
    const failed = (await Promise.allSettled(parts)).find(({ status }) => status === "rejected");
    // Not before the last thread has written.
    this.free.push(out);
    if (failed) throw (failed as PromiseRejectedResult).reason;
    const labels = target.label!.data as Int32Array;
    for (const [i, index] of chosen.entries()) labels[i] = set.labels[index]!;
  }

  private view(index: number, pass: number): Float64Array {
    const { set, preprocessing, augmentation, seed = 0 } = this.options;
    const size = sizeOf(set.sources[index]!);
    return augmentation
      ? variedView(size, preprocessing, augmentation, { seed, index, pass })
      : centreView(size, preprocessing);
  }
}

const shared = (length: number): Float32Array =>
  new Float32Array(new SharedArrayBuffer(4 * length));

/** Width and height of a source as the pool will see it. */
export const sizeOf = (source: PictureSource) =>
  "picture" in source ? source.picture : { width: source.width, height: source.height };
