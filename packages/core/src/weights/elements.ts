import { allocate, type DType, type TensorData } from "../graph/dtype.ts";

/** How elements lie in a file, and what they become here. */
interface Element {
  readonly bytes: number;
  readonly dtype: DType;
  /** Reads little-endian elements from memory that starts at a multiple of their size. */
  readonly read: (buffer: ArrayBuffer) => ArrayLike<number> | TensorData;
}

/**
 * Element types by their names in safetensors files. Half, bfloat16 and double become float32, small
 * integers int32: the types that graphs carry.
 */
export const elements = {
  F32: { bytes: 4, dtype: "float32", read: (b) => new Float32Array(b) },
  F64: { bytes: 8, dtype: "float32", read: (b) => new Float64Array(b) },
  F16: { bytes: 2, dtype: "float32", read: (b) => mapped(new Uint16Array(b), fromFloat16) },
  BF16: { bytes: 2, dtype: "float32", read: (b) => mapped(new Uint16Array(b), fromBfloat16) },
  I64: { bytes: 8, dtype: "int64", read: (b) => new BigInt64Array(b) },
  I32: { bytes: 4, dtype: "int32", read: (b) => new Int32Array(b) },
  I16: { bytes: 2, dtype: "int32", read: (b) => new Int16Array(b) },
  I8: { bytes: 1, dtype: "int32", read: (b) => new Int8Array(b) },
  U8: { bytes: 1, dtype: "int32", read: (b) => new Uint8Array(b) },
  BOOL: { bytes: 1, dtype: "bool", read: (b) => new Uint8Array(b).map((value) => (value ? 1 : 0)) },
} as const satisfies Record<string, Element>;

export type ElementCode = keyof typeof elements;
export const isElementCode = (code: string): code is ElementCode => Object.hasOwn(elements, code);

/** The elements that fill `bytes`, in memory of their own. */
export function decode(code: ElementCode, bytes: Uint8Array): TensorData {
  const { dtype, read }: Element = elements[code];
  // A copy: aligned, and free of the file's memory. (Buffer's own slice would not copy.)
  const values = read(new Uint8Array(bytes).buffer);
  const result = allocate(dtype, values.length);
  if (result.constructor === values.constructor) return values as TensorData;
  result.set(values as never);
  return result;
}

function mapped(bits: Uint16Array, convert: (bits: number) => number): Float32Array {
  return Float32Array.from(bits, convert);
}

const word = new DataView(new ArrayBuffer(4));
function fromBfloat16(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
