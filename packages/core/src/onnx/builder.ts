import { create } from "@bufbuild/protobuf";
import type { Shape } from "../graph/dim.ts";
import type { DType, TensorData } from "../graph/dtype.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type GraphProto,
  GraphProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./onnx_pb.ts";

/** Attribute values by JavaScript type: integers and floats are told apart by `f32(...)`. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | Float
  | Floats
  | GraphProto;
class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}
class Floats {
  readonly values: readonly number[];
  constructor(values: readonly number[]) {
    this.values = values;
  }
}
/** Marks a number as a float attribute; plain numbers are integer attributes. */
export const f32 = (value: number): Float => new Float(value);
export const f32s = (values: readonly number[]): Floats => new Floats(values);

export const onnxType: Record<DType, DataType> = {
  float32: DataType.FLOAT,
  int32: DataType.INT32,
  int64: DataType.INT64,
  bool: DataType.BOOL,
};

/** Collects the nodes and initialisers of one graph, or of the body of a Scan. */
export class GraphBuilder {
  readonly inputs: ValueInfoProto[] = [];
  readonly outputs: ValueInfoProto[] = [];
  private nodes: NodeProto[] = [];
  private initializers: TensorProto[] = [];
  /** Values that nodes of this graph itself compute. */
  private readonly computed = new Set<string>();
  /** Equal nodes are emitted once: key -> outputs. */
  private readonly known = new Map<string, readonly string[]>();
  private readonly parent: GraphBuilder | undefined;
  /** Names that are taken, and how often each has been asked for again. */
  private readonly names: Map<string, number>;

  constructor(parent?: GraphBuilder) {
    this.parent = parent;
    this.names = parent ? parent.names : new Map();
  }

  /** Domains of the nodes, without the standard one. */
  get domains(): readonly string[] {
    return [...new Set(this.nodes.map((node) => node.domain))].filter((domain) => domain !== "");
  }

  /** A name nobody else uses, close to the wanted one. */
  unique(wanted: string): string {
    let name = wanted;
    for (let i = this.names.get(wanted) ?? 0; this.names.has(name); i++) {
      name = `${wanted}_${i + 1}`;
      this.names.set(wanted, i + 1);
    }
    this.names.set(name, 0);
    return name;
  }

  /** Emits a node, or returns the outputs of an equal one. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputs: number | readonly string[] = 1,
    options: { readonly hint?: string; readonly domain?: string } = {},
  ): readonly string[] {
    const protos = Object.entries(attributes).map(([name, value]) => attribute(name, value));
    const pure = !protos.some((proto) => proto.g);
    const key = pure
      ? [opType, options.domain, outputs, JSON.stringify(attributes), ...inputs].join("|")
      : undefined;
    const twin = key && this.find(key);
    if (twin) return twin;
    const hint = options.hint ?? opType.toLowerCase();
    const names =
      typeof outputs === "number"
        ? Array.from({ length: outputs }, () => this.unique(hint))
        : outputs;
    this.nodes.push(
      create(NodeProtoSchema, {
        name: `${names[0]}/${opType}`,
        opType,
        domain: options.domain ?? "",
        input: [...inputs],
        output: [...names],
        attribute: protos,
      }),
    );
    for (const name of names) this.computed.add(name);
    if (key) this.known.set(key, names);
    return names;
  }

  /** Whether a node of this very graph computes the value: not an input, a constant or an outer value. */
  computes(name: string): boolean {
    return this.computed.has(name);
  }

  /** Gives values that nodes of this graph compute other names, here and in the bodies that read them. */
  rename(names: ReadonlyMap<string, string>): void {
    renameIn(this.nodes, names);
    for (const [from, to] of names) {
      this.computed.delete(from);
      this.computed.add(to);
    }
  }

  /** Leaves out nodes and constants that nobody reads; the outputs must be there. Returns the names that are read. */
  prune(): ReadonlySet<string> {
    const read = new Set(this.outputs.map(({ name }) => name));
    const kept: NodeProto[] = [];
    for (const node of this.nodes.toReversed()) {
      if (!node.output.some((name) => read.has(name))) continue;
      kept.push(node);
      markRead([node], read);
    }
    this.nodes = kept.reverse();
    this.initializers = this.initializers.filter(({ name }) => read.has(name));
    return read;
  }

  /** A constant inside the graph; equal small ones are shared. */
  constant(dtype: DType, shape: readonly number[], data: TensorData, hint = "const"): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = data.length <= 64 ? `const|${dtype}|${shape}|${bytes}` : undefined;
    const twin = key && this.find(key);
    if (twin) return twin[0];
    const name = this.unique(hint);
    this.initializer(name, dtype, shape, data);
    if (key) this.known.set(key, [name]);
    return name;
  }

  /** A named constant inside the graph, such as a weight. */
  initializer(name: string, dtype: DType, shape: readonly number[], data: TensorData): void {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    const dims = shape.map(BigInt);
    this.initializers.push(
      create(TensorProtoSchema, { name, dims, dataType: onnxType[dtype], rawData }),
    );
  }

  /** A constant whose data the engine is given beside the model (CompileOptions.initializers). */
  external(name: string, dtype: DType, shape: readonly number[]): void {
    this.initializers.push(
      create(TensorProtoSchema, {
        name,
        dims: shape.map(BigInt),
        dataType: onnxType[dtype],
        dataLocation: DataLocation.EXTERNAL,
        externalData: [{ key: "location", value: name }],
      }),
    );
  }

  /** A 1-D int64 constant, as axes and shapes want it. */
  ints(values: readonly number[]): string {
    return this.constant("int64", [values.length], BigInt64Array.from(values, BigInt), "ints");
  }

  /** A float32 scalar. */
  scalar(value: number): string {
    return this.constant("float32", [], Float32Array.of(value), "scalar");
  }

  private find(key: string): readonly string[] | undefined {
    return this.known.get(key) ?? this.parent?.find(key);
  }

  finish(name: string): GraphProto {
    return create(GraphProtoSchema, {
      name,
      node: this.nodes,
      initializer: this.initializers,
      input: this.inputs,
      output: this.outputs,
    });
  }
}

function renameIn(nodes: readonly NodeProto[], names: ReadonlyMap<string, string>): void {
  const renamed = (name: string) => names.get(name) ?? name;
  for (const node of nodes) {
    node.input = node.input.map(renamed);
    node.output = node.output.map(renamed);
    for (const { g } of node.attribute) if (g) renameIn(g.node, names);
  }
}

/** Adds what nodes, and the bodies within them, read. */
function markRead(nodes: readonly NodeProto[], read: Set<string>): void {
  for (const { input, attribute } of nodes) {
    for (const name of input) read.add(name);
    for (const { g } of attribute) {
      if (g) markRead(g.node, read);
    }
  }
}

function attribute(name: string, value: Attribute): AttributeProto {
  const base = (type: AttributeType, rest: object) =>
    create(AttributeProtoSchema, { name, type, ...rest });
  if (typeof value === "number") return base(AttributeType.INT, { i: BigInt(value) });
  if (typeof value === "string") {
    return base(AttributeType.STRING, { s: new TextEncoder().encode(value) });
  }
  if (value instanceof Float) return base(AttributeType.FLOAT, { f: value.value });
  if (value instanceof Floats) return base(AttributeType.FLOATS, { floats: [...value.values] });
  if (Array.isArray(value) && typeof value[0] === "string") {
    const encoder = new TextEncoder();
    return base(AttributeType.STRINGS, { strings: value.map((text) => encoder.encode(text)) });
  }
  if (Array.isArray(value)) return base(AttributeType.INTS, { ints: value.map(BigInt) });
  return base(AttributeType.GRAPH, { g: value as GraphProto });
}

/** Name, element type and shape of a graph input or output; symbolic sizes become `dim_param`. */
export function valueInfo(name: string, dtype: DType, shape: Shape | undefined): ValueInfoProto {
  const dims = shape?.map((size) =>
    typeof size === "number"
      ? { value: { case: "dimValue" as const, value: BigInt(size) } }
      : { value: { case: "dimParam" as const, value: size.key } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: "tensorType",
        value: { elemType: onnxType[dtype], shape: dims ? { dim: dims } : undefined },
      },
    },
  });
}
