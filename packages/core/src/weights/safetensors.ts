import { TensorlaneError } from "../errors.ts";
import { allocate, type DType, dtypeOf, type TensorData, view } from "../graph/dtype.ts";

/** Named arrays, as a state dict holds them. */
export type NamedArrays = ReadonlyMap<
  string,
  { readonly data: TensorData; readonly shape: readonly number[] }
>;

const codeOf: Record<DType, string> = { float32: "F32", int32: "I32", int64: "I64", bool: "BOOL" };
const typeOf = new Map(Object.entries(codeOf).map(([type, code]) => [code, type as DType]));
/** Types that are widened to float32 when read: bytes per element. */
const widened: Record<string, number> = { F16: 2, BF16: 2, F64: 8 };

/**
 * The bytes of a safetensors file: 8 bytes of header length, a JSON header, little-endian data. Equal
 * arrays and metadata give equal bytes.
 *
 * @example
 * await writeFile("model.safetensors", weights.writeSafetensors(model.stateDict()));
 */
export function writeSafetensors(
  arrays: NamedArrays,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  // Wide types first, so that every array starts at a multiple of its element size.
  const entries = [...arrays].sort(
    ([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT,
  );
  let offset = 0;
  for (const [name, { data, shape }] of entries) {
    const end = offset + data.byteLength;
    header[name] = { dtype: codeOf[dtypeOf(data)], shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(start + offset).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(json, 8);
  let at = start;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Arrays and metadata of a safetensors file; half, bfloat16 and double become float32. */
export function readSafetensors(bytes: Uint8Array): {
  readonly arrays: Map<string, { readonly data: TensorData; readonly shape: readonly number[] }>;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const { entries, metadata, start } = readHeader(bytes);
  const arrays = new Map<string, { data: TensorData; shape: readonly number[] }>();
  for (const [name, entry] of entries) {
    const [from, to] = entry.data_offsets;
    const size = entry.shape.reduce((product, n) => product * n, 1);
    const dtype = typeOf.get(entry.dtype);
    const width = dtype ? allocate(dtype, 0).BYTES_PER_ELEMENT : widened[entry.dtype];
    if (width === undefined) {
      throw invalid(
        `"${name}" has type ${entry.dtype}; known are ${[...typeOf.keys()]}, F16, BF16, F64`,
      );
    }
    if (to - from !== size * width || from < 0 || start + to > bytes.length) {
      throw invalid(`"${name}" of shape [${entry.shape}] does not fill bytes ${from} to ${to}`);
    }
    // A copy of its own: aligned, and free of the file's memory. (Buffer's own slice would not copy.)
    const { buffer } = new Uint8Array(bytes.subarray(start + from, start + to));
    const data = dtype ? view(dtype, buffer, 0, size) : widen(entry.dtype, buffer, size);
    arrays.set(name, { data, shape: entry.shape });
  }
  return { arrays, metadata };
}

function readHeader(bytes: Uint8Array) {
  if (bytes.length < 8) throw invalid(`only ${bytes.length} bytes long`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const start = 8 + length;
  if (start > bytes.length) {
    throw invalid(
      `its header would be ${length} bytes, the file has ${bytes.length}; it may be cut off`,
    );
  }
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
  } catch (cause) {
    throw invalid("its header is not JSON", { cause });
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  return {
    entries: Object.entries(entries as Record<string, Entry>),
    metadata: metadata as Readonly<Record<string, string>>,
    start,
  };
}

function widen(code: string, buffer: ArrayBuffer, size: number): Float32Array {
  const result = allocate("float32", size);
  if (code === "F64") {
    result.set(new Float64Array(buffer));
    return result;
  }
  const halves = new Uint16Array(buffer);
  for (let i = 0; i < size; i++) {
    result[i] = code === "BF16" ? fromBfloat16(halves[i]) : fromFloat16(halves[i]);
  }
  return result;
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

const invalid = (what: string, options?: ErrorOptions) =>
  new TensorlaneError(`not a readable safetensors file: ${what}`, options);
