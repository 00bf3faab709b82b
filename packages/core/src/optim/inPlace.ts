import type { Node, Tensor } from "../graph/tensor.ts";
import { dependents, topological } from "../graph/walk.ts";
import type { Optimizer, UpdateInputs, UpdateOutputs } from "./optimizer.ts";

/** A value before and after an update, which share their memory when the update runs in place. */
export interface StatePair {
  readonly name: string;
  readonly before: Tensor;
  readonly after: Tensor;
}

/** The parameter and the slots of an update as pairs. */
export function statePairs(
  optimizer: Optimizer,
  inputs: UpdateInputs,
  outputs: UpdateOutputs,
): StatePair[] {
  return [
    { name: "parameter", before: inputs.parameter, after: outputs.parameter },
    ...optimizer.slots.map(({ name }) => ({
      name,
      before: inputs.slots[name],
      after: outputs.slots[name],
    })),
  ];
}

/**
 * Nodes that could read a value after it was overwritten, if every `after` is written to the memory of
 * its `before`: readers of `before` that need not have run when `after` is computed. Empty for an
 * elementwise graph that is safe in place, whatever order the engine runs it in.
 */
export function inPlaceHazards(pairs: readonly StatePair[]): { name: string; reader: Node }[] {
  const order = topological(pairs.map(({ after }) => after));
  return pairs.flatMap(({ name, before, after }) => {
    const first = new Set(topological([after]));
    return [...dependents(order, new Set([before]))]
      .filter((node) => node.inputs.includes(before) && !first.has(node))
      .map((reader) => ({ name, reader }));
  });
}
