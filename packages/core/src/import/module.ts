import { TensorlaneError } from "../errors.ts";
import { readModel, STATE_KEY } from "../export/model.ts";
import { Dim, equal, format, type Shape, type Size } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import { Parameter, type Tensor, tensor } from "../graph/tensor.ts";
import { Buffer, Module } from "../nn/module.ts";
import type { ModelProto, ValueInfoProto } from "../onnx/onnx_pb.ts";
import { OnnxImportError } from "./error.ts";
import { asTensor, knownOf, type Value } from "./known.ts";
import {
  opsetOf,
  type Program,
  type Role,
  readProgram,
  rolesOf,
  separateAliases,
} from "./program.ts";
import { Scope } from "./scope.ts";
import { dtypeFor, type Stored } from "./tensor.ts";

/** An input of an imported graph. */
export interface GraphInput {
  readonly name: string;
  readonly dtype: DType;
  /** Open axes are symbolic; undefined where the file says nothing of the shape. */
  readonly shape: Shape | undefined;
}

export interface ImportOptions {
  /**
   * Names of the values to compute instead of the file's outputs: inner ones cut the graph there, and what
   * comes after them is neither checked nor kept.
   */
  readonly outputs?: readonly string[];
}

/** An ONNX graph as a module: made by `onnx.importModel`. */
export class ImportedModule extends Module {
  /** In the order in which `forward` takes them. */
  readonly graphInputs: readonly GraphInput[];
  readonly graphOutputs: readonly string[];
  private readonly opset: number;
  private readonly program: Program;
  private readonly constants: ReadonlyMap<string, Value>;

  constructor(
    program: Program,
    inputs: readonly GraphInput[],
    opset: number,
    roles: ReadonlyMap<string, Role>,
  ) {
    super();
    this.graphInputs = inputs;
    this.graphOutputs = program.outputs;
    this.opset = opset;
    this.program = program;
    this.constants = new Map(
      [...program.stored].map(([name, stored]) => [name, valueFor(stored, roles.get(name))]),
    );
  }

  /** Names of all that the graph computes, inputs before their users: where it can be cut. */
  get valueNames(): readonly string[] {
    return this.program.steps.flatMap(({ node }) => node.output.filter((name) => name !== ""));
  }

  /** Weights and running statistics under the names that the file gives them. */
  override *ownState(): Generator<[string, Parameter]> {
    for (const [name, value] of this.constants) if (value instanceof Parameter) yield [name, value];
  }

  /** The one output of the graph, from its inputs in the file's order. */
  forward(...inputs: readonly Tensor[]): Tensor {
    const outputs = [...this.compute(inputs).values()];
    if (outputs.length === 1) return outputs[0];
    throw new OnnxImportError(
      `forward gives one tensor, but the graph has ${outputs.length} outputs ` +
        `(${this.graphOutputs.join(", ")}); use compute(inputs), or import with { outputs: [name] }`,
    );
  }

  /** All outputs of the graph by name, in its order. */
  compute(inputs: readonly Tensor[]): ReadonlyMap<string, Tensor> {
    const { opset, training } = this;
    const given = this.checkInputs(inputs);
    const run = { opset, training, updated: new Map<Buffer, Tensor>() };
    const scope = new Scope(this.program, run, [...this.constants, ...given]);
    const values = scope.runAll();
    return new Map(this.graphOutputs.map((name, i) => [name, asTensor(values[i])]));
  }

  private checkInputs(inputs: readonly Tensor[]): [string, Value][] {
    if (inputs.length !== this.graphInputs.length) {
      const names = this.graphInputs.map(({ name }) => name).join(", ");
      throw new OnnxImportError(
        `the graph takes ${this.graphInputs.length} inputs (${names}), received ${inputs.length}`,
      );
    }
    const sizes = new Map<string, Size>();
    return this.graphInputs.map((wanted, i) => [wanted.name, fitted(inputs[i], wanted, sizes)]);
  }
}

/** The tensor, where it is what the graph takes; equal names of open axes must be equal sizes. */
function fitted(x: Tensor, { name, dtype, shape }: GraphInput, sizes: Map<string, Size>): Tensor {
  const refuse = (why: string) =>
    new OnnxImportError(
      `input "${name}" takes ${dtype}${shape ? format(shape) : ""}, received ${x.dtype}${format(x.shape)}${why}`,
    );
  // Indices of PyTorch are int64: ours, which are int32 as a rule, lose nothing.
  const isIndex = dtype === "int64" && x.dtype === "int32";
  if (x.dtype !== dtype && !isIndex) throw refuse(`; convert it with .cast("${dtype}")`);
  if (shape && shape.length !== x.rank) throw refuse("");
  for (const [axis, wanted] of shape?.entries() ?? []) {
    const size = x.shape[axis];
    const known = typeof wanted === "number" ? wanted : (sizes.get(wanted.key) ?? size);
    if (!equal(known, size)) throw refuse(`: axis ${axis} must be ${known}`);
    if (typeof wanted !== "number") sizes.set(wanted.key, size);
  }
  return ops.cast(x, dtype);
}

/** Floats are trainable unless they are statistics or settings; the rest is known, or large data. */
function valueFor(stored: Stored, role: Role | undefined): Value {
  const { dtype, shape, data } = stored;
  if (role === "statistic") return new Buffer(data, shape);
  if (dtype === "float32" && role === "parameter") return new Parameter(data, shape);
  return knownOf(stored) ?? tensor(data, shape);
}

function inputOf({ name, type }: ValueInfoProto): GraphInput {
  if (type?.value.case !== "tensorType") {
    throw new OnnxImportError(
      `input "${name}" is a ${type?.value.case ?? "value without type"}; only tensors are read`,
    );
  }
  const { elemType, shape } = type.value.value;
  const dims = shape?.dim.map(({ value }, axis): Size => {
    if (value.case === "dimValue" && value.value >= 0n) return Number(value.value);
    const open = value.case === "dimParam" && value.value ? value.value : `${name}_${axis}`;
    return new Dim(open.replace(/\W/g, "_").replace(/^(?=\d)/, "_"));
  });
  return { name, dtype: dtypeFor(elemType, `input "${name}"`), shape: dims };
}

/** Roles by the file's own list, which our exports have, or by what nodes do with the constants. */
function rolesIn(model: ModelProto, program: Program): ReadonlyMap<string, Role> {
  const listed = model.metadataProps.find(({ key }) => key === STATE_KEY)?.value;
  if (listed === undefined) return rolesOf(program);
  try {
    const { parameters, buffers } = JSON.parse(listed) as Record<string, readonly string[]>;
    const named = (names: readonly string[], role: Role) =>
      names.map((name) => [name, role] as const);
    return new Map([...named(parameters, "parameter"), ...named(buffers, "statistic")]);
  } catch (cause) {
    throw new OnnxImportError(`the file's entry "${STATE_KEY}" is damaged`, { cause });
  }
}

/** Copies of weights may take this many times the file's own size. */
const MOST_COPIES = 8;

/**
 * Reads an ONNX inference graph as a module that can be trained further: its float constants are
 * parameters under their own names, the running statistics of batch norms are buffers, and its nodes are
 * written with this library's operators, so that gradients come for free. `train()` makes batch norms use
 * the batch's statistics and dropout drop, whatever mode the model was exported in.
 *
 * @param bytes an `.onnx` file of operator set 9 to 17, weights inside
 * @throws OnnxImportError where the file is damaged, or asks for what is not there
 * @example
 * const features = onnx.importModel(bytes, { outputs: ["/avgpool/GlobalAveragePool_output_0"] });
 * features.requiresGrad(false);
 * const head = new nn.Linear({ inFeatures: 512, outFeatures: 3 });
 * const model = new nn.Sequential(features, new nn.Flatten(), head);
 */
export function importModel(bytes: Uint8Array, options: ImportOptions = {}): ImportedModule {
  try {
    return read(bytes, options);
  } catch (error) {
    // What a damaged file can make the readers stumble over is the file's fault.
    if (error instanceof TensorlaneError) throw error;
    throw new OnnxImportError(`the file cannot be imported: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function read(bytes: Uint8Array, options: ImportOptions): ImportedModule {
  const model = readModel(bytes);
  const { graph } = model;
  if (!graph || graph.node.length === 0) {
    throw new OnnxImportError(`the file of ${bytes.length} bytes holds no graph`);
  }
  const opset = opsetOf(model);
  const outputs = options.outputs ?? graph.output.map(({ name }) => name);
  if (outputs.length === 0) throw new OnnxImportError("no outputs are asked for");
  const whole = readProgram(graph, outputs);
  const isPyTorch = model.producerName === "pytorch";
  const program = isPyTorch ? separateAliases(whole, MOST_COPIES * bytes.length) : whole;
  const stored = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !stored.has(name)).map(inputOf);
  return new ImportedModule(program, inputs, opset, rolesIn(model, program));
}
