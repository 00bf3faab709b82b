import { create, toBinary } from "@bufbuild/protobuf";
import { TensorlaneError } from "../errors.ts";
import { type Dim, isStatic, type Shape, type Size } from "../graph/dim.ts";
import { allocate, type DType } from "../graph/dtype.ts";
import { planRewrites } from "../graph/rewrite.ts";
import { type Leaf, leafOf, type Node, type Parameter, type Tensor } from "../graph/tensor.ts";
import { identity, type Resolve, topological } from "../graph/walk.ts";
import { type Attribute, GraphBuilder, valueInfo } from "./builder.ts";
import { type GraphProto, type ModelProto, ModelProtoSchema } from "./onnx_pb.ts";

/** Opset 17 and IR 8: what Debian's checker accepts and every runtime reads. */
export const OPSET = 17;
const IR_VERSION = 8;

/** A leaf of the graph and the name of the ONNX input that stands for it. */
export interface LoweredInput {
  readonly name: string;
  readonly tensor: Tensor;
  readonly leaf: Leaf;
}

export interface LoweredGraph {
  readonly model: ModelProto;
  readonly inputs: readonly LoweredInput[];
  /** The fixed parameters by the names of their constants. */
  readonly fixed: ReadonlyMap<string, Tensor>;
  /** Names of the outputs, in the order asked for. */
  readonly outputs: readonly string[];
}

export interface LowerOptions {
  readonly name?: string;
  /** Names for leaves; others are numbered. */
  readonly inputNames?: ReadonlyMap<Tensor, string>;
  readonly outputNames?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  /** Names of parameters and data that go into the file as constants instead of being inputs. */
  readonly embedded?: ReadonlyMap<Tensor, string>;
  /** Parameters that are constants of the model, whose values the engine is given beside it. */
  readonly fixed?: ReadonlySet<Tensor>;
  /** The way of the engine that is to run the model; never for files. */
  readonly rewrite?: Rewrite;
}

/**
 * An engine's own way to lower some nodes, with operators that only this engine knows. It may hold values
 * in a form of its own and gives them out in the standard one on request.
 */
export interface Rewriter {
  /** Called once with everything that will be lowered. */
  begin(nodes: readonly Node[], outputs: readonly Tensor[], resolve: Resolve): void;
  /** Lowers a node, or returns false to leave it to its operator's rule. */
  lower(node: Node, resolve: Resolve): boolean;
  /** Whether it holds the tensor. */
  has(tensor: Tensor): boolean;
  /** The name of the tensor in standard form; only for those it holds. */
  plain(tensor: Tensor): string;
}
export type Rewrite = (onnx: Lowering) => Rewriter;

/** A body whose values have another form than the graph says. */
export interface BodyForm {
  readonly rewrite: Rewrite;
  /** The shape that is declared for a value of the body. */
  shapeOf(tensor: Tensor): Shape;
  /** Values from outside in this form. */
  readonly known: ReadonlyMap<Tensor, string>;
}

/** What an operator's lowering rule writes to: emits nodes into the graph that is being built. */
export class Lowering {
  readonly builder: GraphBuilder;
  readonly inputs: LoweredInput[] = [];
  readonly fixed = new Map<string, Tensor>();
  private readonly names = new Map<Tensor, string>();
  /** Where a symbolic dimension can be read off: an input and its axis. */
  private readonly dims = new Map<string, { readonly input: string; readonly axis: number }>();
  private readonly parent: Lowering | undefined;
  private readonly options: LowerOptions;
  /** That of the outermost graph, or of a body in a form of its own. */
  private readonly rewriter: Rewriter | undefined;
  private hint = "";
  private resolve: Resolve = identity;

  constructor(options: LowerOptions, parent?: Lowering, rewrite?: Rewrite) {
    this.options = options;
    this.parent = parent;
    this.builder = new GraphBuilder(parent?.builder);
    this.rewriter = (parent ? rewrite : options.rewrite)?.(this);
  }

  /** Whether an engine runs this model its own way at once: what is fast there counts, not what files say. */
  get isRewritten(): boolean {
    return this.options.rewrite !== undefined;
  }

  /** Emits one ONNX node; returns the names of its outputs. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputs = 1,
    domain = "",
  ): readonly string[] {
    return this.builder.node(opType, inputs, attributes, outputs, {
      hint: this.hint || undefined,
      domain,
    });
  }

  /** The name under which a tensor that is already lowered is known. */
  nameOf(tensor: Tensor): string {
    let name = this.names.get(tensor);
    if (name === undefined && this.rewriter?.has(tensor)) {
      name = this.rewriter.plain(tensor);
      this.names.set(tensor, name);
    }
    name ??= this.parent?.nameOf(tensor);
    if (name === undefined) throw new Error(`${tensor} is used before it is lowered`);
    return name;
  }

  private has(tensor: Tensor): boolean {
    return this.isNamed(tensor) || (this.parent?.has(tensor) ?? false);
  }

  /** Whether the value is, or could be had, in standard form in this very graph. */
  private isNamed(tensor: Tensor): boolean {
    return this.names.has(tensor) || (this.rewriter?.has(tensor) ?? false);
  }

  /** Gives a tensor the name of its value. */
  define(tensor: Tensor, name: string): void {
    this.names.set(tensor, name);
  }

  /** Declares the ONNX input for a leaf. Leaves belong to the outermost graph. */
  input(tensor: Tensor): string {
    if (this.parent) return this.parent.input(tensor);
    const leaf = leafOf(tensor) as Leaf;
    const constant = this.options.embedded?.get(tensor);
    if (constant !== undefined) return this.embed(tensor, leaf, constant);
    const fallback = leaf.kind === "placeholder" ? leaf.name : leaf.kind;
    const name = this.builder.unique(this.options.inputNames?.get(tensor) ?? fallback);
    this.names.set(tensor, name);
    if (this.options.fixed?.has(tensor)) {
      this.builder.external(name, tensor.dtype, tensor.shape as readonly number[]);
      this.fixed.set(name, tensor);
      return name;
    }
    this.builder.inputs.push(valueInfo(name, tensor.dtype, tensor.shape));
    this.bindDims(name, tensor.shape);
    this.inputs.push({ name, tensor, leaf });
    return name;
  }

  /** Whether a leaf's values are constants of the model that an engine is to run at once. */
  isFixed(tensor: Tensor): boolean {
    return this.options.fixed?.has(tensor) ?? false;
  }

  private embed(tensor: Tensor, leaf: Leaf, name: string): string {
    const data = leaf.kind === "data" ? leaf.data : (tensor as Parameter).data;
    const unique = this.builder.unique(name);
    this.builder.initializer(unique, tensor.dtype, tensor.shape as readonly number[], data);
    this.names.set(tensor, unique);
    return unique;
  }

  private bindDims(input: string, shape: Shape): void {
    for (const [axis, size] of shape.entries()) {
      const symbol = typeof size === "number" ? undefined : size.symbol;
      if (symbol && !this.dims.has(symbol)) this.dims.set(symbol, { input, axis });
    }
  }

  /** A 1-D int64 tensor with the sizes of a shape, symbolic ones computed when the graph runs. */
  shape(shape: Shape): string {
    if (isStatic(shape)) return this.builder.ints(shape);
    return this.node(
      "Concat",
      shape.map((size) => this.size(size)),
      { axis: 0 },
    )[0];
  }

  /** A constant without elements; one of the sizes is 0. */
  empty(dtype: DType, shape: readonly number[]): string {
    return this.builder.constant(dtype, shape, allocate(dtype, 0));
  }

  /** A 1-D int64 tensor with one element: the size. */
  size(size: Size): string {
    if (typeof size === "number") return this.builder.ints([size]);
    const terms = size.terms.map(({ coefficient, atoms }) => {
      const factors = atoms.map((atom) =>
        "name" in atom
          ? this.dimension(atom.name, size)
          : this.node("Div", [this.size(atom.over), this.builder.ints([atom.by])])[0],
      );
      if (coefficient !== 1 || factors.length === 0) factors.push(this.builder.ints([coefficient]));
      return factors.reduce((a, b) => this.node("Mul", [a, b])[0]);
    });
    return terms.reduce((a, b) => this.node("Add", [a, b])[0]);
  }

  private dimension(name: string, size: Dim): string {
    const at = this.dims.get(name);
    if (at) return this.node("Shape", [at.input], { start: at.axis, end: at.axis + 1 })[0];
    if (this.parent) return this.parent.dimension(name, size);
    throw new TensorlaneError(
      `symbolic size ${size} uses "${name}", which is an axis of no input of this graph`,
    );
  }

  /** Lowers everything that `outputs` need and is not known yet. */
  lower(outputs: readonly Tensor[], resolve: Resolve = identity): readonly string[] {
    this.resolve = resolve;
    const known = { has: (tensor: Tensor) => this.has(tensor) } as ReadonlySet<Tensor>;
    const nodes = topological(outputs, known, resolve);
    this.rewriter?.begin(nodes, outputs, resolve);
    for (const node of nodes) this.lowerNode(node, resolve);
    return outputs.map((output) => this.nameOf(resolve(output)));
  }

  private lowerNode(node: Node, resolve: Resolve): void {
    const before = this.hint;
    this.hint = node.path ? `${node.path}/${node.op.name}` : node.op.name;
    if (!this.rewriter?.lower(node, resolve)) {
      const inputs = node.inputs.map((input) => this.nameOf(resolve(input)));
      const names = node.op.lower(this, inputs, node.attrs, node);
      for (const [i, tensor] of node.outputs.entries()) this.names.set(tensor, names[i]);
    }
    this.hint = before;
  }

  /** Lowers what an operator is composed of, given the names of what that is made from. */
  expand(outputs: readonly Tensor[], inputs: ReadonlyMap<Tensor, string>): readonly string[] {
    for (const [tensor, name] of inputs) this.names.set(tensor, name);
    return this.lower(outputs, this.resolve);
  }

  /**
   * A subgraph whose inputs stand for `inputs` and whose outputs are `outputs`; everything else that it
   * uses is read from this graph.
   */
  subgraph(
    name: string,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    form?: BodyForm,
  ): GraphProto {
    const inner = new Lowering(this.options, this, form?.rewrite);
    const shapeOf = (tensor: Tensor) => form?.shapeOf(tensor) ?? tensor.shape;
    for (const [tensor, known] of form?.known ?? []) inner.names.set(tensor, known);
    for (const [i, tensor] of inputs.entries()) {
      const input = inner.builder.unique(`${name}_in_${i}`);
      inner.builder.inputs.push(valueInfo(input, tensor.dtype, shapeOf(tensor)));
      inner.bindDims(input, tensor.shape);
      inner.names.set(tensor, input);
    }
    // What this graph has computed, under whatever name, is read from it: not planned anew, nor run again.
    const known = { has: (tensor: Tensor) => inner.has(this.resolve(tensor)) };
    const own = planRewrites(outputs, known as ReadonlySet<Tensor>);
    const resolve: Resolve = (tensor) => this.resolve(own(tensor));
    const names = inner.lower(outputs, resolve);
    const taken = new Set<string>();
    for (const [i, from] of names.entries()) {
      // A body's output must be its own value: not an input, an outer value or another output.
      const fresh = inner.builder.computes(from) && !taken.has(from);
      const to = fresh ? from : inner.builder.unique(`${name}_out_${i}`);
      if (!fresh) inner.builder.node("Identity", [from], {}, [to]);
      taken.add(to);
      inner.builder.outputs.push(valueInfo(to, outputs[i].dtype, shapeOf(outputs[i])));
    }
    return inner.builder.finish(name);
  }
}

/** Turns the part of the graph that `outputs` depend on into one standard ONNX model. */
export function lowerGraph(outputs: readonly Tensor[], options: LowerOptions = {}): LoweredGraph {
  const lowering = new Lowering(options);
  const { builder } = lowering;
  // Reserve the names that callers rely on before anything else takes them.
  const names = outputs.map((_, i) => options.outputNames?.[i] ?? `output_${i}`);
  const reserved = names.map((name) => builder.unique(name));
  const resolve = planRewrites(outputs);
  // Inputs of open sizes come first: whatever is made of a size reads it off them.
  const leaves = topological(outputs, new Set(), resolve).map((node) => node.outputs[0]);
  const open = leaves.filter((tensor) => leafOf(tensor) && !isStatic(tensor.shape));
  for (const tensor of new Set([...(options.inputNames?.keys() ?? []), ...open])) {
    lowering.input(tensor);
  }
  const lowered = lowering.lower(outputs, resolve);
  // Renamed where possible: an Identity would copy what is used inside the graph, too.
  const renamed = new Map<string, string>();
  for (const [i, from] of lowered.entries()) {
    if (builder.computes(from) && !renamed.has(from)) renamed.set(from, reserved[i]);
    else builder.node("Identity", [from], {}, [reserved[i]]);
    builder.outputs.push(valueInfo(reserved[i], outputs[i].dtype, outputs[i].shape));
  }
  builder.rename(renamed);
  const read = builder.prune();
  for (const name of lowering.fixed.keys()) if (!read.has(name)) lowering.fixed.delete(name);
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(IR_VERSION),
    producerName: "tensorlane",
    opsetImport: [
      { domain: "", version: BigInt(OPSET) },
      ...builder.domains.map((domain) => ({ domain, version: 1n })),
    ],
    graph: builder.finish(options.name ?? "tensorlane"),
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
  });
  return { model, inputs: lowering.inputs, fixed: lowering.fixed, outputs: reserved };
}

/** The bytes of a model, as an `.onnx` file holds them. */
export const encodeModel = (model: ModelProto): Uint8Array => toBinary(ModelProtoSchema, model);
