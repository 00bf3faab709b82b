import type { Batch } from "../data/dataset.ts";
import type { Value } from "../engine/engine.ts";
import { TensorlaneError } from "../errors.ts";
import { staticSize } from "../graph/dim.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type BoundGraph, type DrawKey, misfit } from "./bound.ts";

export function checkReplicas(what: string, replicas: number): void {
  if (!Number.isInteger(replicas) || replicas < 1) {
    throw new TensorlaneError(`${what}: replicas must be 1 or more, received ${replicas}`);
  }
}

/** Rows of a batch that each of the replicas takes. */
export function rowsOfShare(what: string, batchSize: number, replicas: number): number {
  if (batchSize % replicas === 0) return batchSize / replicas;
  throw new TensorlaneError(
    `${what}: a batch of ${batchSize} has no ${replicas} equal shares; ` +
      "choose a batch size that is a multiple of the replicas",
  );
}

/** The rows of a value that one of several replicas takes, as a view. */
export function shareOf({ dtype, shape, data }: Value, index: number, rows: number): Value {
  const size = (data.length / shape[0]) * rows;
  const part = data.subarray(index * size, (index + 1) * size);
  return { dtype, shape: [rows, ...shape.slice(1)], data: part };
}

/** Ends when all have ended: what they work on is theirs until then, also where one fails. */
export async function allOf(tasks: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) {
    if (result.status === "rejected") throw result.reason;
  }
}

/** The same graph several times over, each on its share of a batch. */
export class Replicas {
  readonly graphs: readonly BoundGraph[];

  constructor(graphs: readonly BoundGraph[]) {
    this.graphs = graphs;
  }

  /** Copies its share of a batch, or of the first samples of one, into the memory of each. */
  load(placeholders: Readonly<Record<string, Tensor>>, batch: Batch): void {
    for (const [index, share] of this.shares(placeholders, batch).entries()) {
      this.graphs[index].load(placeholders, share);
    }
  }

  /** What each takes of a batch. */
  shares(placeholders: Readonly<Record<string, Tensor>>, batch: Batch): readonly Batch[] {
    const count = this.graphs.length;
    if (count === 1) return [batch];
    const shares: Batch[] = this.graphs.map(() => ({}));
    for (const [name, { dtype, shape }] of Object.entries(placeholders)) {
      const given = batch[name];
      if (!given) continue;
      const [rows, ...rest] = shape as readonly number[];
      const whole = [count * rows, ...rest];
      if (given.data.length > staticSize(whole)) throw misfit(name, { dtype, shape: whole }, given);
      for (const [index, share] of shares.entries()) share[name] = shareOf(given, index, rows);
    }
    return shares;
  }

  /** Runs them side by side. */
  run(key: DrawKey): Promise<void> {
    return allOf(this.graphs.map((graph) => graph.run(key)));
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

/** The mean of arrays of equal length, written into the first; an array that is named again counts once. */
export function average(arrays: readonly Float32Array[]): void {
  const [first, ...others] = new Set(arrays);
  if (others.length === 0) return;
  for (const other of others) {
    for (let i = 0; i < first.length; i++) first[i] += other[i];
  }
  const factor = 1 / (others.length + 1);
  for (let i = 0; i < first.length; i++) first[i] *= factor;
}
