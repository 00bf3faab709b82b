import { type Loop, loopOf } from "../graph/ops/scan.ts";
import { leafOf, Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import type { Module } from "../nn/module.ts";
import { layerAsLoop } from "../nn/recurrent/op.ts";

/** A recurrent layer in one direction, or a Runner's loop. */
export interface FoundLoop {
  /** Its module's path and, for a layer of several, which: `encoder.l1_reverse`. */
  readonly name: string;
  readonly loop: Loop;
  /** Where the network reads the loop's results and final states. */
  readonly results: readonly Tensor[];
  readonly states: readonly Tensor[];
  /** State-dict names of the parameters that the step reads, as they are or in parts. */
  readonly parameters: ReadonlyMap<Tensor, string>;
  /** What the step reads from outside and is made of more than parameters: an encoder's states, a mask. */
  readonly foreign: ReadonlySet<Tensor>;
}

/** The loops that `outputs` depend on, in the order in which they run. */
export function loopsBehind(outputs: readonly Tensor[], model: Module): FoundLoop[] {
  const names = new Map(model.namedParameters().map(([name, tensor]) => [tensor as Tensor, name]));
  const times = new Map<string, number>();
  return topological(outputs).flatMap((node) => {
    const layer = layerAsLoop(node);
    const loop = loopOf(layer ?? node);
    if (!loop) return [];
    const count = loop.states.length;
    const foreign = new Set(loop.captured.filter((tensor) => !isOfParameters(tensor)));
    const own = topological(loop.captured, foreign).flatMap(({ outputs }) => outputs);
    const parameters = new Map(
      own.flatMap((tensor) => (names.has(tensor) ? [[tensor, names.get(tensor)!]] : [])),
    );
    const base = nameOf([...parameters.values()], node.path);
    const time = (times.get(base) ?? 0) + 1;
    times.set(base, time);
    const name = time === 1 ? base : `${base} (${time})`;
    // A layer's node yields its output first, a loop its states.
    const isLayer = !loopOf(node);
    const results = isLayer ? node.outputs.slice(0, 1) : node.outputs.slice(count);
    const states = isLayer ? node.outputs.slice(1) : node.outputs.slice(0, count);
    return [{ name, loop, results, states, parameters, foreign }];
  });
}

/** Whether a tensor is computed from parameters and constants alone. */
const isOfParameters = (tensor: Tensor): boolean =>
  topological([tensor]).every(
    ({ outputs: [x] }) => (leafOf(x)?.kind ?? "parameter") === "parameter",
  );

function nameOf(parameters: readonly string[], path: string): string {
  const layer = parameters
    .map((name) => /^(.*)weight_hh_(l\d+(?:_reverse)?)$/.exec(name))
    .find(Boolean);
  return layer ? layer[1] + layer[2] : path || "(itself)";
}

/** The tensors in what a forward returns: tensors, or arrays and objects of them. */
export function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(tensorsIn);
}
