import { fromBinary } from "@bufbuild/protobuf";
import { TensorlaneError } from "../errors.ts";
import type { Shape } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import { leafOf, placeholder, Tensor } from "../graph/tensor.ts";
import { topological } from "../graph/walk.ts";
import { type Module, withMode } from "../nn/module.ts";
import { encodeModel, lowerGraph } from "../onnx/lowering.ts";
import { type ModelProto, ModelProtoSchema } from "../onnx/onnx_pb.ts";

/** Protobuf's own limit. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * The entry of a file's metadata that tells weights and running statistics from other constants: JSON of
 * their names, `{ parameters, buffers }`.
 */
export const STATE_KEY = "tensorlane.state";

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
  const forward = options.forward ?? (() => model.forward(...(Object.values(inputs) as never[])));
  const outputs = named(withMode(model, false, () => forward(inputs) as Outputs));
  const tensors = outputs.map(([, tensor]) => tensor);
  const embedded = constantsOf(model, tensors);
  const { model: proto } = lowerGraph(tensors, {
    name: options.name ?? model.constructor.name,
    inputNames: new Map(Object.entries(inputs).map(([name, tensor]) => [tensor, name])),
    outputNames: outputs.map(([name]) => name),
    embedded,
    metadata: { ...options.metadata, [STATE_KEY]: stateOf(model, tensors) },
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

/** The names of the model's weights and buffers that the outputs depend on. */
function stateOf(model: Module, outputs: readonly Tensor[]): string {
  const read = new Set(topological(outputs).map((node) => node.outputs[0]));
  const names = (state: readonly (readonly [string, Tensor])[]) =>
    state.filter(([, tensor]) => read.has(tensor)).map(([name]) => name);
  const [parameters, buffers] = [model.namedParameters(), model.namedBuffers()].map(names);
  return JSON.stringify({ parameters, buffers });
}

/** Tensors with their dotted paths; one tensor alone is `output`. */
function named(outputs: Outputs, path = ""): (readonly [string, Tensor])[] {
  if (outputs instanceof Tensor) return [[path || "output", outputs]];
  return Object.entries(outputs).flatMap(([name, value]) =>
    value ? named(value, path ? `${path}.${name}` : name) : [],
  );
}

export function checkSize(bytes: Uint8Array): Uint8Array {
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
