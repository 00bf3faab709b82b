import { fromBinary } from "@bufbuild/protobuf";
import type { Field } from "../data/dataset.ts";
import { randomStreams } from "../engine/randomLeaves.ts";
import { TensorlaneError } from "../errors.ts";
import type { Shape } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import { leafOf, type Parameter, placeholder, Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import type { Module } from "../nn/module.ts";
import { clipGradNorm, clipGradValue } from "../optim/clip.ts";
import { groupOf } from "../optim/optimizer.ts";
import { traceStep } from "../train/trace.ts";
import type { Trainer } from "../train/trainer.ts";
import { encodeModel, lowerGraph } from "./lowering.ts";
import { type ModelProto, ModelProtoSchema } from "./onnx_pb.ts";

/** Protobuf's own limit. */
const MAX_BYTES = 2 ** 31 - 1;

/** An input of an exported model; sizes may be symbolic. */
export interface InputSpec {
  readonly shape: Shape;
  readonly dtype?: DType;
}

/** Tensors, or objects of tensors, as a module's forward returns them. */
export type Outputs = Tensor | { readonly [name: string]: Outputs | undefined };

export interface ExportOptions {
  /** Inputs by name, in the order in which `forward` takes them. */
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** What the file computes; `model.forward(...inputs)` otherwise. */
  readonly forward?: (inputs: Readonly<Record<string, Tensor>>) => Outputs;
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The model in evaluation mode as the bytes of an `.onnx` file, weights inside, for any runtime. Outputs
 * are named after what `forward` returns: `output` for one tensor, `state.h` for nested ones.
 *
 * @example
 * const batch = new Dim("batch");
 * const bytes = await onnx.exportModel(model, { inputs: { x: { shape: [batch, 12, 207] } } });
 */
export async function exportModel(model: Module, options: ExportOptions): Promise<Uint8Array> {
  const inputs = Object.fromEntries(
    Object.entries(options.inputs).map(([name, { shape, dtype }]) => [
      name,
      placeholder(name, shape, dtype),
    ]),
  );
  const modes = [...model.namedModules()].map(([, module]) => [module, module.training] as const);
  model.eval();
  let outputs: readonly (readonly [string, Tensor])[];
  try {
    const forward = options.forward ?? (() => model.forward(...(Object.values(inputs) as never[])));
    outputs = named(forward(inputs) as Outputs);
  } finally {
    for (const [module, mode] of modes) module.training = mode;
  }
  const tensors = outputs.map(([, tensor]) => tensor);
  const { model: proto } = lowerGraph(tensors, {
    name: options.name ?? model.constructor.name,
    inputNames: new Map(Object.entries(inputs).map(([name, tensor]) => [tensor, name])),
    outputNames: outputs.map(([name]) => name),
    embedded: constantsOf(model, tensors),
    metadata: options.metadata,
  });
  return checkSize(encodeModel(proto));
}

/** Parameters by state-dict name, and data leaves. */
function constantsOf(model: Module, outputs: readonly Tensor[]): Map<Tensor, string> {
  const names = new Map<Tensor, string>(
    [...model.namedState()].map(([name, parameter]) => [parameter, name]),
  );
  for (const {
    outputs: [tensor],
  } of topological(outputs)) {
    const kind = tensor && leafOf(tensor)?.kind;
    if (kind === "random") {
      throw new TensorlaneError(
        `exportModel: ${tensor} draws random numbers in evaluation mode; an inference file cannot`,
      );
    }
    if ((kind === "data" || kind === "parameter") && !names.has(tensor)) names.set(tensor, "data");
  }
  return names;
}

/** Tensors with their dotted paths; one tensor alone is `output`. */
function named(outputs: Outputs, path = ""): (readonly [string, Tensor])[] {
  if (outputs instanceof Tensor) return [[path || "output", outputs]];
  return Object.entries(outputs).flatMap(([name, value]) =>
    value ? named(value, path ? `${path}.${name}` : name) : [],
  );
}

function checkSize(bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_BYTES) {
    throw new TensorlaneError(
      `export: ${bytes.length} bytes exceed protobuf's limit of 2 GiB; export weights as safetensors`,
    );
  }
  return bytes;
}

/** Reads the bytes of an `.onnx` file. */
export function readModel(bytes: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new TensorlaneError(`not a readable ONNX file of ${bytes.length} bytes`, { cause });
  }
}

/** How to drive an exported training step: the file's metadata under the key `tensorlane.step`. */
export interface StepDescription {
  /** Inputs that hold the batch. */
  readonly batch: readonly string[];
  /** Scalar inputs: the learning rate, and the number of the update (1 on the first). */
  readonly lr: string;
  readonly step: string;
  readonly loss: string;
  readonly metrics: readonly string[];
  /**
   * State: feed `output` of one step as `input` of the next. The first value is `initial` everywhere, or
   * the weight of that name. Without `output` the value never changes.
   */
  readonly state: readonly {
    readonly input: string;
    readonly output?: string;
    readonly initial?: number;
    readonly shape: readonly number[];
  }[];
  /** Inputs to fill with random numbers at every step. */
  readonly random: readonly {
    readonly input: string;
    readonly shape: readonly number[];
    readonly distribution: object;
    readonly stream: number;
  }[];
}

export interface StepOptions {
  /** The batch: fields as a DataLoader has them, and the number of samples. */
  readonly fields: Readonly<Record<string, Field>>;
  readonly batchSize: number;
}

/**
 * One whole training step as a portable `.onnx` file: forward, backward, clipping and update. Weights are
 * inputs, new weights outputs; `StepDescription` in the metadata pairs them.
 *
 * @example
 * const bytes = await onnx.exportTrainingStep(trainer, loader);
 */
export async function exportTrainingStep<M extends Module>(
  trainer: Trainer<M>,
  { fields, batchSize }: StepOptions,
): Promise<Uint8Array> {
  const { loss: lossOf, optimizer, clipNorm, clipValue, accumulate = 1 } = trainer.options;
  if (accumulate > 1) {
    throw new TensorlaneError(
      `exportTrainingStep: one file is one batch and one update; accumulate is ${accumulate}`,
    );
  }
  const traced = traceStep(trainer.model, lossOf, fields, batchSize);
  const [lr, step] = [placeholder("lr", []), placeholder("step", [])];
  let gradients = traced.trained.map(({ gradient }) => gradient);
  if (clipNorm !== undefined) gradients = clipGradNorm(gradients, clipNorm).clipped;
  if (clipValue !== undefined) gradients = clipGradValue(gradients, clipValue);

  const inputNames = new Map<Tensor, string>([
    [lr, "lr"],
    [step, "step"],
  ]);
  const outputs = new Map<string, Tensor>([
    ["loss", traced.loss],
    ...Object.entries(traced.metrics),
  ]);
  const state: StepDescription["state"][number][] = [];
  const carry = (name: string, input: Tensor, next: Tensor | undefined, initial?: number) => {
    inputNames.set(input, name);
    if (next) outputs.set(`next.${name}`, next);
    state.push({
      input: name,
      ...(next && { output: `next.${name}` }),
      ...(initial !== undefined && { initial }),
      shape: input.shape as readonly number[],
    });
  };
  for (const [i, { name, parameter }] of traced.trained.entries()) {
    const { optimizer: own, lrScale } = groupOf(optimizer, name);
    const slots = Object.fromEntries(
      own.slots.map((slot) => [slot.name, placeholder(slot.name, parameter.shape)]),
    );
    const rate = lrScale === 1 ? lr : ops.mul(lr, lrScale);
    const next = own.update({ parameter, gradient: gradients[i], slots, lr: rate, step });
    carry(name, parameter, next.parameter);
    for (const slot of own.slots) {
      carry(`${name}.${slot.name}`, slots[slot.name], next.slots[slot.name], slot.initial);
    }
  }
  const results = [...outputs.values()];
  const read = new Set(
    topological([...results, ...traced.updates.values()]).map((n) => n.outputs[0]),
  );
  const trained = new Set<Parameter>(traced.trained.map(({ parameter }) => parameter));
  for (const [name, parameter] of trainer.model.namedState()) {
    const next = traced.updates.get(name);
    if (!trained.has(parameter) && (next || read.has(parameter))) carry(name, parameter, next);
  }
  for (const [name, tensor] of Object.entries(traced.batch)) {
    if (read.has(tensor)) inputNames.set(tensor, name);
  }
  const options = {
    name: "training_step",
    inputNames: new Map(
      [...inputNames].filter(([tensor]) => read.has(tensor) || trained.has(tensor as Parameter)),
    ),
    outputNames: [...outputs.keys()],
  };
  const tensors = [...outputs.values()];
  const { inputs } = lowerGraph(tensors, options);
  const streams = randomStreams(inputs);
  const description: StepDescription = {
    batch: Object.keys(traced.batch).filter((name) => read.has(traced.batch[name])),
    lr: "lr",
    step: "step",
    loss: "loss",
    metrics: Object.keys(traced.metrics),
    state,
    random: inputs.flatMap(({ name, tensor, leaf }) =>
      leaf.kind === "random"
        ? [
            {
              input: name,
              shape: tensor.shape as readonly number[],
              distribution: leaf.distribution,
              stream: streams.get(tensor) as number,
            },
          ]
        : [],
    ),
  };
  const metadata = { "tensorlane.step": JSON.stringify(description) };
  return checkSize(encodeModel(lowerGraph(tensors, { ...options, metadata }).model));
}
