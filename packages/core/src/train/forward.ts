import { defaultEngine } from "#engine";
import type { Batch, Field } from "../data/dataset.ts";
import type { Engine, Value } from "../engine/engine.ts";
import { busyBinding } from "../engine/errors.ts";
import { TensorlaneError } from "../errors.ts";
import { format } from "../graph/dim.ts";
import { leafOf, type Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import { CompiledGraph, memoryFor } from "./bound.ts";
import { checkReplicas, Replicas, rowsOfShare, shareOf } from "./replicas.ts";
import { batchInputs } from "./trace.ts";

export interface ForwardOptions {
  readonly engine?: Engine;
  /** Names the graph in errors and profiles. */
  readonly label?: string;
  /**
   * For networks that are trained no further: all weights become constants with the values they have now. What is learned or
   * loaded later does not show. Compiling takes longer and holds a copy of the weights; runs take less time.
   */
  readonly frozen?: boolean;
  /**
   * So many copies of the graph take an equal share of each batch, each on a core of its own (native engine): faster where
   * many small steps follow each other, as in recurrent networks. Results are those of one copy, in the order of the
   * batch, which must be the first axis of every output. Default 1: one copy on all cores.
   */
  readonly replicas?: number;
}

/** A compiled function. */
export interface Forward<Name extends string> {
  (batch: Batch): Promise<Record<Name, Value>>;
  /** Frees its native memory now, not when it is garbage-collected; calling it afterwards is an error. */
  release(): void;
}

/**
 * Compiles a function of a batch for many runs. Parameters are read where they lie, so the result follows training, unless they
 * are `frozen`. Returned values are overwritten by the next call.
 *
 * @param fields what a batch holds, e.g. `loader.fields`
 * @example
 * const run = await compile(loader.fields, 64, ({ x }) => ({ y: model.forward(x) }));
 * const { y } = await run(batch);
 */
export async function compile<Name extends string>(
  fields: Readonly<Record<string, Field>>,
  batchSize: number,
  build: (batch: Readonly<Record<string, Tensor>>) => Readonly<Record<Name, Tensor>>,
  options: ForwardOptions = {},
): Promise<Forward<Name>> {
  const { label = "forward", replicas = 1 } = options;
  checkReplicas("compile", replicas);
  const share = rowsOfShare("compile", batchSize, replicas);
  const inputs = batchInputs("compile: the batch", fields, share);
  const outputs = Object.entries<Tensor>(build(inputs));
  const engine = options.engine ?? (await defaultEngine());
  const tensors = [...new Set(outputs.map(([, tensor]) => tensor))];
  const fixed = options.frozen ? parametersOf(tensors) : undefined;
  for (const [name, { shape }] of replicas > 1 ? outputs : []) {
    if (shape[0] === share) continue;
    throw new TensorlaneError(
      `compile: with ${replicas} replicas every output must begin with the batch, which is ${share} for each; ` +
        `"${name}" is ${format(shape)}`,
    );
  }
  const graph = await CompiledGraph.create(engine, tensors, label, {
    fixed,
    singleThreaded: replicas > 1,
  });
  const whole = ({ shape }: Tensor) => (replicas > 1 ? [batchSize, ...shape.slice(1)] : shape);
  const memory = new Map(
    tensors.map((tensor) => [tensor, memoryFor({ dtype: tensor.dtype, shape: whole(tensor) })]),
  );
  const results = Object.fromEntries(outputs.map(([name, tensor]) => [name, memory.get(tensor)!]));
  const bind = () => {
    const bindShare = (_: unknown, index: number) => {
      const parts = [...memory].map(([tensor, value]) => {
        return [tensor, replicas > 1 ? shareOf(value, index, share) : value] as const;
      });
      return graph.bind({ outputs: new Map(parts) }, index);
    };
    return new Replicas(Array.from({ length: replicas }, bindShare));
  };
  let bound = bind();
  let isBusy = false;
  const run = async (batch: Batch) => {
    if (isBusy) throw new TensorlaneError(busyBinding(label));
    isBusy = true;
    try {
      if (bound.isStale) {
        bound.release();
        bound = bind();
      }
      bound.load(inputs, batch);
      await bound.run({ seed: 0, step: 0 });
    } finally {
      isBusy = false;
    }
    return results as Record<Name, Value>;
  };
  const release = () => {
    bound.release();
    graph.release();
  };
  return Object.assign(run, { release });
}

/** The parameters that tensors depend on. */
function parametersOf(tensors: readonly Tensor[]): Set<Tensor> {
  const leaves = topological(tensors).map(({ outputs: [tensor] }) => tensor);
  return new Set(leaves.filter((tensor) => tensor && leafOf(tensor)?.kind === "parameter"));
}
