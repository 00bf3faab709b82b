import { allocate, bytesPerElement, type DType, type TensorData } from "../graph/dtype.ts";
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type TensorProto,
} from "../onnx/onnx_pb.ts";
import { OnnxImportError } from "./error.ts";

/** A tensor as the file stores it, in memory of its own. */
export interface Stored {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Element types that can be read. float64 becomes float32, the only kind of float that engines compute. */
const dtypes = new Map<number, DType>([
  [DataType.FLOAT, "float32"],
  [DataType.DOUBLE, "float32"],
  [DataType.INT32, "int32"],
  [DataType.INT64, "int64"],
  [DataType.BOOL, "bool"],
]);

export const typeName = (type: number): string => DataType[type] ?? `type ${type}`;

/** Our element type for ONNX's. */
export function dtypeFor(type: number, what: string): DType {
  const dtype = dtypes.get(type);
  if (dtype) return dtype;
  throw new OnnxImportError(
    `${what} has elements of ${typeName(type)}; FLOAT, DOUBLE, INT32, INT64 and BOOL are read: ` +
      "convert the model before it is exported",
  );
}

/** Reads a tensor; nothing is allocated before the file is known to hold all of it. */
export function readTensor(proto: TensorProto, what: string): Stored {
  if (proto.dataLocation === DataLocation.EXTERNAL || proto.externalData.length > 0) {
    throw new OnnxImportError(
      `${what} lies in another file (external data); save the model as one file`,
    );
  }
  if (proto.segment) throw new OnnxImportError(`${what} is stored in segments, which is not read`);
  const dtype = dtypeFor(proto.dataType, what);
  const size = proto.dims.reduce((product, size) => product * size, 1n);
  const stored = storedElements(proto);
  const isFilled = Number.isInteger(stored) && size === BigInt(stored);
  if (proto.dims.some((size) => size < 0n) || !isFilled) {
    throw new OnnxImportError(
      `${what} has shape [${proto.dims.join(", ")}] of ${typeName(proto.dataType)}, ` +
        `but the file holds ${stored} elements; it is damaged`,
    );
  }
  const data = allocate(dtype, stored);
  if (proto.rawData.length > 0) fillRaw(data, proto);
  else fillTyped(data, proto);
  return { dtype, shape: proto.dims.map(Number), data };
}

const isDouble = (proto: TensorProto): boolean => proto.dataType === DataType.DOUBLE;

/** The field that typed elements are in. */
function typedElements(proto: TensorProto): readonly (number | bigint)[] {
  if (isDouble(proto)) return proto.doubleData;
  if (proto.dataType === DataType.FLOAT) return proto.floatData;
  return proto.dataType === DataType.INT64 ? proto.int64Data : proto.int32Data;
}

function storedElements(proto: TensorProto): number {
  if (proto.rawData.length === 0) return typedElements(proto).length;
  const bytes = isDouble(proto) ? 8 : bytesPerElement[dtypes.get(proto.dataType)!];
  return proto.rawData.length / bytes;
}

function fillRaw(data: TensorData, proto: TensorProto): void {
  const bytes = proto.rawData;
  if (isDouble(proto)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < data.length; i++) data[i] = view.getFloat64(8 * i, true);
    return;
  }
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(bytes);
}

function fillTyped(data: TensorData, proto: TensorProto): void {
  const values = typedElements(proto);
  for (let i = 0; i < data.length; i++) data[i] = values[i] as never;
}
