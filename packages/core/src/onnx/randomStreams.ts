import type { Tensor } from "../graph/tensor.ts";
import { fnv1a } from "../random/hash.ts";
import type { LoweredInput } from "./lowering.ts";

/**
 * A stream for each random leaf, from its module's path and its place among the leaves of that module:
 * independent of everything else in the graph.
 */
export function randomStreams(inputs: readonly LoweredInput[]): Map<Tensor, number> {
  const counts = new Map<string, number>();
  const streams = new Map<Tensor, number>();
  for (const { tensor, leaf } of inputs) {
    if (leaf.kind !== "random") continue;
    const { path } = tensor.node;
    const ordinal = counts.get(path) ?? 0;
    counts.set(path, ordinal + 1);
    streams.set(tensor, fnv1a(`${path}#${ordinal}`));
  }
  return streams;
}
