import { defaultEngine } from "#engine";
import type { Batch, Field } from "../data/dataset.ts";
import type { Engine, Value } from "../engine/engine.ts";
import { leafOf, type Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import { type BoundGraph, CompiledGraph } from "./bound.ts";
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
  const inputs = batchInputs("compile: the batch", fields, batchSize);
  const outputs = Object.entries<Tensor>(build(inputs));
  const engine = options.engine ?? (await defaultEngine());
  const tensors = outputs.map(([, tensor]) => tensor);
  const fixed = options.frozen ? parametersOf(tensors) : undefined;
  const graph = await CompiledGraph.create(engine, tensors, options.label ?? "forward", fixed);
  let bound: BoundGraph = graph.bind();
  const run = async (batch: Batch) => {
    if (bound.isStale) {
      bound.release();
      bound = graph.bind();
    }
    bound.load(inputs, batch);
    await bound.run();
    const values = outputs.map(([name, tensor]) => [name, bound.valueOf(tensor)]);
    return Object.fromEntries(values) as Record<Name, Value>;
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
