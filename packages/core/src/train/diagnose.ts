import type { Batch } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { TensorlaneError } from "../errors.ts";
import { mul, sum } from "../graph/ops/index.ts";
import { leafOf, type Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import type { Module } from "../nn/module.ts";
import { CompiledGraph, type DrawKey } from "./bound.ts";
import type { TracedLoss } from "./trace.ts";

/** A loss or gradient became NaN or infinite. */
export class NonFiniteError extends TensorlaneError {
  override readonly name = "NonFiniteError";
}

const allFinite = (data: ArrayLike<number | bigint>): boolean => {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(Number(data[i]))) return false;
  return true;
};

/**
 * Says where a loss stopped being finite: in the batch, in a parameter, or in the module that began it.
 *
 * @param shares of the batch, one for each replica
 */
export async function findNonFinite(
  engine: Engine,
  model: Module,
  traced: TracedLoss,
  shares: readonly Batch[],
  key: DrawKey,
): Promise<string> {
  for (const [name, value] of shares.flatMap((share) => Object.entries(share))) {
    if (!allFinite(value.data)) return `the batch's field "${name}" holds NaN or Infinity`;
  }
  for (const [name, { data }] of model.namedState()) {
    if (!allFinite(data)) {
      return `parameter "${name}" is not finite: the update before made it so; lower the learning rate or clip gradients`;
    }
  }
  const tensors = topological([traced.loss])
    .flatMap((node) => node.outputs)
    .filter((tensor) => tensor.dtype === "float32" && !leafOf(tensor));
  // x · 0 is 0 for finite x and NaN otherwise: one number tells for a whole tensor.
  const probes = tensors.map((tensor) => sum(mul(tensor, 0)));
  const compiled = await CompiledGraph.create(engine, probes, "search for NaN");
  try {
    for (const [replica, share] of shares.entries()) {
      const graph = compiled.bind({}, replica);
      graph.load(traced.batch, share);
      await graph.run(key);
      const first = probes.findIndex((probe) => !Number.isFinite(graph.scalar(probe)));
      if (first >= 0) return `it began in ${describe(tensors[first])}`;
    }
    return "the forward pass is finite; the gradient is not";
  } finally {
    compiled.release();
  }
}

const describe = (tensor: Tensor): string => {
  const { path, op } = tensor.node;
  return `${path ? `module "${path}", ` : ""}operator ${op.name} of shape [${tensor.shape}]`;
};
