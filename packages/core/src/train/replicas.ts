import type { Batch } from "../data/dataset.ts";
import { TensorlaneError } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { BoundGraph } from "./bound.ts";

/** The given number, if that many equal shares make a batch. */
export function checkReplicas(what: string, replicas: number, batchSize?: number): number {
  if (!Number.isInteger(replicas) || replicas < 1) {
    throw new TensorlaneError(`${what}: replicas must be 1 or more, received ${replicas}`);
  }
  if (batchSize !== undefined && batchSize % replicas !== 0) {
    throw new TensorlaneError(
      `${what}: a batch of ${batchSize} has no ${replicas} equal shares; ` +
        "choose a batch size that is a multiple of the replicas",
    );
  }
  return replicas;
}

/** One of several equal shares of a batch, as views of it. */
export function shareOf(batch: Batch, index: number, count: number): Batch {
  if (count === 1) return batch;
  const shares = Object.entries(batch).map(([name, { dtype, shape, data }]) => {
    const size = data.length / count;
    const part = data.subarray(index * size, (index + 1) * size);
    return [name, { dtype, shape: [shape[0] / count, ...shape.slice(1)], data: part }] as const;
  });
  return Object.fromEntries(shares);
}

/** What a run draws its random numbers by. */
export interface DrawKey {
  readonly seed: number;
  readonly step: number;
}

/** Replicas draw apart from each other; the first one as if it were alone. */
export const keyOf = ({ seed, step }: DrawKey, index: number): DrawKey => ({
  seed: (seed + index * 0x9e3779b1) >>> 0,
  step,
});

/** The same graph several times over, each on its share of a batch. */
export class Replicas {
  readonly graphs: readonly BoundGraph[];

  constructor(graphs: readonly BoundGraph[]) {
    this.graphs = graphs;
  }

  /** Copies its share of a batch into the memory of each. */
  load(placeholders: Readonly<Record<string, Tensor>>, batch: Batch): void {
    for (const [i, graph] of this.graphs.entries()) {
      graph.load(placeholders, shareOf(batch, i, this.graphs.length));
    }
  }

  /** Runs them side by side. */
  async run(key: DrawKey): Promise<void> {
    await Promise.all(this.graphs.map((graph, i) => graph.run(keyOf(key, i))));
  }

  /** Whether a parameter's data have moved since these graphs were bound. */
  get isStale(): boolean {
    return this.graphs.some((graph) => graph.isStale);
  }

  /** The mean of a number that each computes. */
  mean(tensor: Tensor): number {
    return this.graphs.reduce((sum, graph) => sum + graph.scalar(tensor), 0) / this.graphs.length;
  }

  release(): void {
    for (const graph of this.graphs) graph.release();
  }
}

/** The mean of arrays of equal length, written into the first. */
export function average([first, ...others]: readonly Float32Array[]): void {
  if (others.length === 0) return;
  for (const other of others) {
    for (let i = 0; i < first.length; i++) first[i] += other[i];
  }
  const factor = 1 / (others.length + 1);
  for (let i = 0; i < first.length; i++) first[i] *= factor;
}
