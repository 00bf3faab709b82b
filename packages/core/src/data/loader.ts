import { TensorlaneError } from "../errors.ts";
import { permutation } from "../random/stream.ts";
import { allocateBatch, type Batch, type Dataset, type Field, fieldSize } from "./dataset.ts";

export interface DataLoaderOptions {
  readonly batchSize: number;
  /** A new order every epoch, by (seed, epoch); default false: the data set's own order. */
  readonly shuffle?: boolean | undefined;
  /** Names the orders; default 0. */
  readonly seed?: number | undefined;
  /** Leave out a short last batch (needed where batch statistics are taken); `notice` says so. */
  readonly dropLast?: boolean | undefined;
  /** Fill a short last batch up with zero rows of weight 0; the default unless `dropLast`. */
  readonly padLast?: boolean | undefined;
  /**
   * Batches that make an epoch; by default as many as pass over all samples once. With fewer (a large data
   * set, frequent validation) or more, epochs follow one another through the same passes.
   */
  readonly batchesPerEpoch?: number | undefined;
}

/** One batch and its place. */
export interface LoadedBatch {
  readonly fields: Batch;
  readonly epoch: number;
  /** The batch's number in its epoch, from 0. */
  readonly index: number;
  /** Real samples among the rows. */
  readonly count: number;
}

export interface EpochOptions {
  /** The first batch to give, so that an interrupted epoch goes on where it stopped; default 0. */
  readonly from?: number | undefined;
  /** Two buffers take turns: a batch is valid until the next one is asked for. Default false: fresh memory. */
  readonly reuse?: boolean | undefined;
}

/** The field that tells real rows (1) from padding (0). */
export const WEIGHT = "weight";

/**
 * Batches of a data set, all of one size.
 *
 * The loader has no state: a batch is named by (epoch, index), its order depends on (seed, epoch) alone
 * (`permutation`), so training resumes anywhere without replay. A short last batch is padded with zero rows
 * (field `weight`, (N) float32: 1 for real rows, 0 for padding, in every batch) or dropped.
 *
 * @example
 * const loader = new DataLoader(dataset, { batchSize: 64, shuffle: true, seed: 7 });
 * for await (const { fields } of loader.epoch(3, { from: 10 })) step(fields.x, fields.y, fields.weight);
 */
export class DataLoader {
  readonly dataset: Dataset;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly dropLast: boolean;
  /** Batches in an epoch. */
  readonly length: number;
  /** The data set's fields and, when padding, `weight`. */
  readonly fields: Readonly<Record<string, Field>>;
  /** What happens to a short last batch, in words; undefined where all batches are full. */
  readonly notice: string | undefined;
  /** Batches in one pass over all samples. */
  readonly #pass: number;
  #order: { epoch: number; indices: Int32Array } | undefined;

  constructor(dataset: Dataset, options: DataLoaderOptions) {
    const { batchSize, shuffle = false, seed = 0, dropLast = false, padLast = !dropLast } = options;
    if (!Number.isInteger(batchSize) || batchSize < 1)
      throw new RangeError(`DataLoader: batchSize ${batchSize} must be a whole number above 0`);
    if (dropLast === padLast)
      throw new TensorlaneError(
        `DataLoader: dropLast and padLast are both ${dropLast}: batches have one size, so choose exactly one`,
      );
    if (padLast && WEIGHT in dataset.fields)
      throw new TensorlaneError(
        `DataLoader: the data set has its own field "${WEIGHT}"; rename it`,
      );
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.shuffle = shuffle;
    this.seed = seed;
    this.dropLast = dropLast;
    const rest = dataset.length % batchSize;
    this.#pass = dropLast
      ? Math.floor(dataset.length / batchSize)
      : Math.ceil(dataset.length / batchSize);
    this.length = options.batchesPerEpoch ?? this.#pass;
    if (!Number.isInteger(this.length) || this.length < 0)
      throw new RangeError(
        `DataLoader: batchesPerEpoch ${this.length} must be a whole number above 0`,
      );
    if (this.#pass === 0 || this.length === 0)
      throw new RangeError(
        `DataLoader: ${dataset.length} samples make no batch of ${batchSize}; use a smaller batchSize${dropLast ? " or padLast" : ""}`,
      );
    this.fields = padLast
      ? { ...dataset.fields, [WEIGHT]: { dtype: "float32", shape: [] } }
      : dataset.fields;
    if (rest > 0)
      this.notice = dropLast
        ? `the last ${rest} of ${dataset.length} samples are left out in every epoch (batches of ${batchSize})`
        : `the last batch holds ${rest} samples, padded to ${batchSize} with rows of weight 0`;
  }

  /** Sample indices in the order of a pass over the data set (an epoch, unless `batchesPerEpoch` is set). */
  order(epoch: number): Int32Array {
    if (!Number.isInteger(epoch) || epoch < 0)
      throw new RangeError(`DataLoader: epoch ${epoch} must be a whole number from 0`);
    const at = this.shuffle ? epoch : 0;
    if (this.#order?.epoch !== at)
      this.#order = {
        epoch: at,
        indices: this.shuffle
          ? permutation(this.dataset.length, this.seed, epoch)
          : Int32Array.from({ length: this.dataset.length }, (_, i) => i),
      };
    return this.#order.indices;
  }

  /** Sample indices of one batch; fewer than `batchSize` in a padded last batch. */
  indices(epoch: number, index: number): Int32Array {
    if (!(Number.isInteger(index) && index >= 0 && index < this.length))
      throw new RangeError(`DataLoader: batch ${index} of an epoch of ${this.length}`);
    const begin = ((epoch * this.length + index) % this.#pass) * this.batchSize;
    return this.order(this.#passOf(epoch, index)).subarray(begin, begin + this.batchSize);
  }

  /** Passes over all samples before a batch: the epoch, unless `batchesPerEpoch` is set. */
  #passOf(epoch: number, index: number): number {
    return Math.floor((epoch * this.length + index) / this.#pass);
  }

  /** Zero-filled memory for one batch. */
  allocate(): Batch {
    return allocateBatch(this.fields, this.batchSize);
  }

  /** Writes batch `index` of `epoch` into memory that is already there; gives the count of real samples. */
  async fill(target: Batch, epoch: number, index: number): Promise<number> {
    const indices = this.indices(epoch, index);
    await this.dataset.fill(target, indices, this.#passOf(epoch, index));
    if (!this.dropLast) {
      const weight = target[WEIGHT];
      if (weight?.dtype !== "float32" || weight.data.length < this.batchSize)
        throw new TypeError(
          `batch field "${WEIGHT}" must be float32 of ${this.batchSize}; make batches with loader.allocate()`,
        );
      (weight.data as Float32Array).fill(1, 0, indices.length).fill(0, indices.length);
      if (indices.length < this.batchSize) this.#clear(target, indices.length);
    }
    return indices.length;
  }

  /** Padding must be zero: reused memory still holds an older batch. */
  #clear(target: Batch, from: number): void {
    for (const [name, field] of Object.entries(this.dataset.fields)) {
      const { data, dtype } = target[name]!;
      const size = fieldSize(field);
      if (dtype === "int64") (data as BigInt64Array).fill(0n, from * size, this.batchSize * size);
      else (data as Float32Array).fill(0, from * size, this.batchSize * size);
    }
  }

  /** The batches of one epoch; the next one is being read while the current one is worked on. */
  async *epoch(epoch: number, options: EpochOptions = {}): AsyncGenerator<LoadedBatch, void, void> {
    const { from = 0, reuse = false } = options;
    if (!(Number.isInteger(from) && from >= 0 && from <= this.length))
      throw new RangeError(`DataLoader: cannot start at batch ${from} of ${this.length}`);
    const buffers: Batch[] = [];
    const load = async (index: number): Promise<LoadedBatch> => {
      const fields = buffers[index % 2] ?? this.allocate();
      if (reuse) buffers[index % 2] = fields;
      const count = await this.fill(fields, epoch, index);
      return { fields, epoch, index, count };
    };
    let ahead = from < this.length ? load(from) : undefined;
    for (let index = from; index < this.length; index++) {
      const current = await ahead!;
      ahead = index + 1 < this.length ? load(index + 1) : undefined;
      // The failure is thrown by the await of the next turn; unobserved until then, Node would end the process.
      ahead?.catch(() => {});
      yield current;
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<LoadedBatch, void, void> {
    return this.epoch(0);
  }
}
