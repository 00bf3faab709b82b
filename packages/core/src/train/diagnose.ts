import type { Batch } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { TensorlaneError } from "../errors.ts";
import { mul, sum } from "../graph/ops/index.ts";
import { leafOf, type Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import type { Module } from "../nn/module.ts";
import { BoundGraph } from "./bound.ts";
import type { TracedLoss } from "./trace.ts";

/** A loss or gradient became NaN or infinite. */
export class NonFiniteError extends TensorlaneError {
  override readonly name = "NonFiniteError";
}

const allFinite = (data: ArrayLike<number | bigint>): boolean => {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(Number(data[i]))) return false;
  return true;
};

/** What the search found; where nothing was, the gradient must be to blame. */
interface Finding {
  readonly where: string;
  readonly isFound: boolean;
}
const found = (where: string): Finding => ({ where, isFound: true });

/** Says where a loss stopped being finite: in the batch, in a parameter, or in the module that began it. */
export async function findNonFinite(
  engine: Engine,
  model: Module,
  traced: TracedLoss,
  batch: Batch,
  key: { readonly seed: number; readonly step: number },
): Promise<Finding> {
  for (const [name, value] of Object.entries(batch)) {
    if (!allFinite(value.data)) return found(`the batch's field "${name}" holds NaN or Infinity`);
  }
  for (const [name, { data }] of model.namedState()) {
    if (!allFinite(data)) {
      return found(
        `parameter "${name}" is not finite: the update before made it so; lower the learning rate or clip gradients`,
      );
    }
  }
  const tensors = topological([traced.loss])
    .flatMap((node) => node.outputs)
    .filter((tensor) => tensor.dtype === "float32" && !leafOf(tensor));
  // x · 0 is 0 for finite x and NaN otherwise: one number tells for a whole tensor.
  const probes = tensors.map((tensor) => sum(mul(tensor, 0)));
  const graph = await BoundGraph.create(engine, probes, "search for NaN");
  try {
    graph.load(traced.batch, batch);
    await graph.run(key);
    const first = probes.findIndex((probe) => !Number.isFinite(graph.scalar(probe)));
    if (first >= 0) return found(`it began in ${describe(tensors[first])}`);
    return { where: "the forward pass is finite; the gradient is not", isFound: false };
  } finally {
    graph.release();
  }
}

const describe = (tensor: Tensor): string => {
  const { path, op } = tensor.node;
  return `${path ? `module "${path}", ` : ""}operator ${op.name} of shape [${tensor.shape}]`;
};
