/** Element types a tensor can have. Arithmetic is float32; indices are int32 or int64; masks are bool. */
export type DType = "float32" | "int32" | "int64" | "bool";

/** The typed array that holds a tensor's elements in JavaScript memory (bool: one byte, 0 or 1). */
export interface DataOf {
  float32: Float32Array;
  int32: Int32Array;
  int64: BigInt64Array;
  bool: Uint8Array;
}
export type TensorData = DataOf[DType];

export const bytesPerElement: Record<DType, number> = { float32: 4, int32: 4, int64: 8, bool: 1 };

/** A zero-filled array for `size` elements of `dtype`. */
export function allocate<D extends DType>(dtype: D, size: number): DataOf[D] {
  // An explicit ArrayBuffer: its store never moves, so native code may keep its address.
  const buffer = new ArrayBuffer(size * bytesPerElement[dtype]);
  return view(dtype, buffer, 0, size);
}

/** A typed array of `dtype` over part of `buffer`. */
export function view<D extends DType>(
  dtype: D,
  buffer: ArrayBuffer,
  byteOffset: number,
  size: number,
): DataOf[D] {
  const constructors = {
    float32: Float32Array,
    int32: Int32Array,
    int64: BigInt64Array,
    bool: Uint8Array,
  };
  return new constructors[dtype](buffer, byteOffset, size) as DataOf[D];
}

/** The dtype whose elements live in this kind of typed array. */
export function dtypeOf(data: TensorData): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof BigInt64Array) return "int64";
  return "bool";
}
