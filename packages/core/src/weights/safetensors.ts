import { type DType, dtypeOf, type TensorData } from "../graph/dtype.ts";
import { decode, elements, isElementCode } from "./elements.ts";
import { WeightsError } from "./error.ts";

/** Named arrays, as a state dict holds them. */
export type NamedArrays = ReadonlyMap<
  string,
  { readonly data: TensorData; readonly shape: readonly number[] }
>;

const codeOf: Record<DType, string> = { float32: "F32", int32: "I32", int64: "I64", bool: "BOOL" };

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

/**
 * Arrays and metadata of a safetensors file; half, bfloat16 and double become float32, integers of one or
 * two bytes int32. Throws WeightsError.
 */
export function readSafetensors(bytes: Uint8Array): {
  readonly arrays: Map<string, { readonly data: TensorData; readonly shape: readonly number[] }>;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const { entries, metadata, start } = readHeader(bytes);
  requireApart(entries);
  const arrays = new Map<string, { data: TensorData; shape: readonly number[] }>();
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const [from, to] = data_offsets;
    if (!isElementCode(dtype)) {
      throw invalid(`"${name}" has type ${dtype}; known are ${Object.keys(elements).join(", ")}`);
    }
    const size = shape.reduce((product, n) => product * n, 1);
    if (to - from !== size * elements[dtype].bytes || start + to > bytes.length) {
      throw invalid(`"${name}" of shape [${shape}] does not fill bytes ${from} to ${to}`);
    }
    arrays.set(name, { data: decode(dtype, bytes.subarray(start + from, start + to)), shape });
  }
  return { arrays, metadata };
}

/** Every byte belongs to one array: files that say otherwise could be made to grow without end. */
function requireApart(entries: readonly (readonly [string, Entry])[]): void {
  const ordered = [...entries].sort(
    ([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1],
  );
  let end = 0;
  for (const [name, { data_offsets }] of ordered) {
    const [from, to] = data_offsets;
    if (from < end) throw invalid(`"${name}" overlaps another array before byte ${end}`);
    end = to;
  }
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
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
  } catch (cause) {
    throw invalid("its header is not JSON", { cause });
  }
  if (!isRecord(header)) throw invalid("its header is no object");
  const { __metadata__: metadata = {}, ...arrays } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every((text) => typeof text === "string")) {
    throw invalid("its metadata are no texts by name");
  }
  const entries = Object.entries(arrays).map(([name, entry]): readonly [string, Entry] => {
    if (isEntry(entry)) return [name, entry];
    throw invalid(`"${name}" has no type, shape and pair of offsets in whole numbers from 0`);
  });
  return { entries, metadata: metadata as Readonly<Record<string, string>>, start };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const areCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
function isEntry(value: unknown): value is Entry {
  if (!isRecord(value)) return false;
  const { dtype, shape, data_offsets: offsets } = value;
  return (
    typeof dtype === "string" && areCounts(shape) && areCounts(offsets) && offsets.length === 2
  );
}

const invalid = (what: string, options?: ErrorOptions) =>
  new WeightsError(`not a readable safetensors file: ${what}`, options);
