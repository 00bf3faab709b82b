import { create, toBinary } from "@bufbuild/protobuf";
import type { DType, TensorData } from "../graph/dtype.ts";
import { type Attribute, GraphBuilder, onnxType } from "../onnx/builder.ts";
import {
  TensorProto_DataLocation as Location,
  ModelProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "../onnx/onnx_pb.ts";
import type { Value } from "./engine.ts";

/** Small models for the engines' tests, written out by hand: independent of the graph layer. */
export interface TestModel {
  readonly inputs: Readonly<Record<string, Spec>>;
  readonly outputs: Readonly<Record<string, Spec>>;
  /** Operator, inputs, outputs, attributes. */
  readonly nodes: readonly (readonly [string, string[], string[], Record<string, Attribute>?])[];
  /** Initialisers whose data comes from `CompileOptions.initializers`. */
  readonly external?: Readonly<Record<string, Spec>>;
}
type Spec = readonly [DType | "double", readonly (number | string)[]];

export function model({ inputs, outputs, nodes, external = {} }: TestModel): Uint8Array {
  const builder = new GraphBuilder();
  for (const [op, from, to, attributes] of nodes) builder.node(op, from, attributes ?? {}, to);
  const graph = builder.finish("test");
  graph.input = Object.entries(inputs).map(valueInfo);
  graph.output = Object.entries(outputs).map(valueInfo);
  for (const [name, [dtype, shape]] of Object.entries(external)) {
    graph.initializer.push(
      create(TensorProtoSchema, {
        name,
        dims: shape.map(BigInt),
        dataType: elementType(dtype),
        dataLocation: Location.EXTERNAL,
        externalData: [{ key: "location", value: name }],
      }),
    );
  }
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ domain: "", version: 17n }],
      graph,
    }),
  );
}

function valueInfo([name, [dtype, shape]]: [string, Spec]) {
  const dim = shape.map((size) => ({
    value:
      typeof size === "number"
        ? { case: "dimValue" as const, value: BigInt(size) }
        : { case: "dimParam" as const, value: size },
  }));
  const value = { elemType: elementType(dtype), shape: { dim } };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value } } });
}

const elementType = (dtype: DType | "double") => (dtype === "double" ? 11 : onnxType[dtype]);

/** A value; its size must fit its shape unless a test wants otherwise. */
export function value(dtype: DType, shape: readonly number[], data: TensorData): Value {
  return { dtype, shape, data };
}

/** float32 from plain numbers. */
export function floats(shape: readonly number[], numbers: readonly number[]): Value {
  return value("float32", shape, Float32Array.from(numbers));
}

/** float32, all elements equal. */
export function filled(shape: readonly number[], number: number): Value {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return value("float32", shape, new Float32Array(size).fill(number));
}
