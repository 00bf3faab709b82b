import { TensorlaneError } from "../errors.ts";
import { isStatic, type Size, staticSize } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import { reluOp } from "../graph/ops/activations.ts";
import { loopOf } from "../graph/ops/scan.ts";
import { Parameter, placeholder, Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import { Buffer, type Module } from "../nn/module.ts";
import { tensorsIn } from "./loops.ts";
import { macsOf } from "./macs.ts";

/** One layer of a network. */
export interface LayerSummary {
  /** Module path, as in state-dict names; "" for a network that is one layer. */
  readonly name: string;
  /** Class name. */
  readonly type: string;
  /** Shape of what `forward` returned (of its first tensor); empty for a layer that was not used. */
  readonly outputShape: readonly number[];
  readonly parameters: number;
  readonly macs: number;
  /** Bytes of its outputs; 0 for a ReLU that overwrites another layer's. */
  readonly memory: number;
}

export interface Summary {
  /** Class name of the network. */
  readonly model: string;
  readonly inputShapes: readonly (readonly number[])[];
  readonly parameters: number;
  /** Parameters that are not frozen. */
  readonly trainable: number;
  /** Multiply-adds of one forward pass over the whole batch. */
  readonly macs: number;
  /** Bytes of the inputs and of every layer's outputs, each counted once. */
  readonly activationBytes: number;
  /** What ReLUs would take beyond that if they kept their outputs apart. */
  readonly inPlaceBytes: number;
  readonly layers: readonly LayerSummary[];
}

/**
 * An input: its shape without the batch (float32), the same with a data type, or a tensor, which is taken
 * as it is, batch included (recurrent layers with time first need that).
 */
export type SummaryInput =
  | readonly number[]
  | { readonly shape: readonly number[]; readonly dtype?: DType }
  | Tensor;

export interface SummaryOptions {
  /** Samples in the batch; 1 by default. */
  readonly batch?: number;
  /** What is counted; `model.forward(...inputs)` otherwise. */
  readonly forward?: (inputs: readonly Tensor[]) => unknown;
}

/** Every element counts four bytes: what float32 and int32 take. */
const BYTES = 4;

/**
 * Parameters, multiply-adds and activation memory of a network in evaluation mode, layer by layer. Nothing
 * is computed: the numbers are read off the graph that `forward` builds.
 *
 * How it is counted:
 * - A layer is a module without modules inside, or one with parameters, matrix products or a loop of its
 *   own. They are listed in the order in which they finish, then those that were never used.
 * - A parameter that several layers share counts once, for the first of them. Buffers do not count.
 * - Multiply-adds: see `macs.ts`. A loop's are those of one step times its length.
 * - Memory: the inputs and all tensors that layers return, 4 bytes per element, each tensor once (dropout
 *   hands its input on, which then is not counted again). A ReLU overwrites the layer's output that it
 *   reads, as published networks have it. Tensors within a loop count for one step.
 *
 * @param input shape without the batch, or several inputs
 * @example
 * const { parameters, macs } = inspect.summary(model, [12, 207]);
 */
export function summary(
  model: Module,
  input: SummaryInput | readonly SummaryInput[],
  options: SummaryOptions = {},
): Summary {
  const inputs = inputTensors(input, options.batch ?? 1);
  const { calls, result } = observe(model, () =>
    options.forward ? options.forward(inputs) : model.forward(...(inputs as never[])),
  );

  const macs = new Map<string, number>();
  const loops = new Set<string>();
  for (const node of topological(tensorsIn(result))) {
    if (loopOf(node)) loops.add(node.path);
    for (const { path, macs: count } of macsOf(node)) macs.set(path, (macs.get(path) ?? 0) + count);
  }

  const parameters = ownParameters(model);
  const paths = new Map([...model.namedModules()].map(([path, module]) => [module, path]));
  const isLayer = (path: string, module: Module): boolean =>
    [...module.namedChildren()].length === 0 ||
    (parameters.get(module) ?? []).length > 0 ||
    macs.has(path) ||
    loops.has(path);
  const counted = new Set<Tensor>(inputs);
  let inPlace = 0;
  const layers = new Map<Module, LayerSummary>();
  const used = calls.map(({ module, output }) => ({ module, outputs: tensorsIn(output) }));
  const unused = [...paths.keys()].map((module) => ({ module, outputs: [] }));
  for (const { module, outputs } of [...used, ...unused]) {
    const path = paths.get(module)!;
    const before = layers.get(module);
    if (!isLayer(path, module)) continue;
    const own = sumSizes(parameters.get(module) ?? []);
    if (outputs.length === 0 && (before || (own === 0 && !macs.has(path)))) continue;
    const unseen = [...new Set(outputs)].filter((tensor) => !counted.has(tensor));
    const fresh = unseen.filter((tensor) => !overwrites(tensor, counted, inputs));
    for (const tensor of unseen) counted.add(tensor);
    inPlace += (sumSizes(unseen) - sumSizes(fresh)) * BYTES;
    layers.set(module, {
      name: path,
      type: module.constructor.name,
      outputShape: before?.outputShape ?? (outputs[0] ? shapeOf(outputs[0]) : []),
      parameters: own,
      macs: macs.get(path) ?? 0,
      memory: (before?.memory ?? 0) + sumSizes(fresh) * BYTES,
    });
  }
  const list = [...layers.values()];
  const all = [...parameters.values()].flat();
  return {
    model: model.constructor.name,
    inputShapes: inputs.map(shapeOf),
    parameters: sumSizes(all),
    trainable: sumSizes(all.filter((parameter) => parameter.requiresGrad)),
    macs: [...macs.values()].reduce((a, b) => a + b, 0),
    activationBytes: list.reduce((sum, { memory }) => sum + memory, sumSizes(inputs) * BYTES),
    inPlaceBytes: inPlace,
    layers: list,
  };
}

/** A ReLU needs no memory of its own where it reads a layer's output: its gradient asks for the result only. */
function overwrites({ node }: Tensor, counted: ReadonlySet<Tensor>, inputs: readonly Tensor[]) {
  const [read] = node.inputs;
  return node.op === (reluOp as typeof node.op) && counted.has(read) && !inputs.includes(read);
}

function inputTensors(input: SummaryInput | readonly SummaryInput[], batch: number): Tensor[] {
  if (!Number.isInteger(batch) || batch < 1) {
    throw new TensorlaneError(`summary: batch must be a positive integer, received ${batch}`);
  }
  const isShape = (value: unknown): value is readonly number[] =>
    Array.isArray(value) && value.every((size) => typeof size === "number");
  const list = !Array.isArray(input) || isShape(input) ? [input as SummaryInput] : input;
  return (list as readonly SummaryInput[]).map((one, i) => {
    if (one instanceof Tensor) {
      if (isStatic(one.shape)) return one;
      throw new TensorlaneError(`summary: ${one} has symbolic sizes; give numbers`);
    }
    const { shape, dtype } = isShape(one) ? { shape: one, dtype: undefined } : one;
    if (!isShape(shape) || !shape.every((size) => Number.isInteger(size) && size > 0)) {
      throw new TensorlaneError(`summary: input ${i} has shape [${shape}]; sizes are 1 or more`);
    }
    return placeholder(`input_${i}`, [batch, ...shape], dtype);
  });
}

interface Call {
  readonly module: Module;
  readonly output: unknown;
}

/** Runs `build` in evaluation mode and notes what every module's forward returned, inner ones first. */
function observe(
  model: Module,
  build: () => unknown,
): { readonly calls: readonly Call[]; readonly result: unknown } {
  const calls: Call[] = [];
  const modules = [...model.namedModules()].map(([, module]) => module);
  const before = modules.map((module) => ({ module, mode: module.training, own: module.forward }));
  for (const { module, own } of before) {
    module.forward = (...inputs: never[]) => {
      const output = own(...inputs);
      calls.push({ module, output });
      return output;
    };
  }
  model.eval();
  try {
    return { calls, result: build() };
  } finally {
    for (const { module, mode, own } of before) {
      module.training = mode;
      module.forward = own;
    }
  }
}

/** Parameters that are fields of each module, shared ones with the first that has them. */
function ownParameters(model: Module): Map<Module, Parameter[]> {
  const seen = new Set<unknown>();
  const own = new Map<Module, Parameter[]>();
  for (const [, module] of model.namedModules()) {
    if (own.has(module)) continue;
    const fresh = Object.values(module).filter(
      (value): value is Parameter =>
        value instanceof Parameter && !(value instanceof Buffer) && !seen.has(value),
    );
    for (const parameter of fresh) seen.add(parameter);
    own.set(module, fresh);
  }
  return own;
}

const shapeOf = (tensor: Tensor): readonly number[] => tensor.shape as readonly number[];
const sumSizes = (tensors: readonly { readonly shape: readonly Size[] }[]): number =>
  tensors.reduce((sum, { shape }) => sum + staticSize(shape), 0);
