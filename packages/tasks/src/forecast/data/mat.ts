import { inflateSync } from "node:zlib";
import { UserError } from "../../errors.ts";

/** A numeric array of a MATLAB v5 file; elements in column-major order, as MATLAB stores them. */
export interface MatArray {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Whether these bytes are a MATLAB v5 file. */
export function isMat(bytes: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(bytes.subarray(0, 10)) === "MATLAB 5.0";
}

type Reader = (view: DataView, at: number, little: boolean) => number;

/** Numeric element types of the format, by their code. */
const readers: Readonly<Record<number, readonly [bytes: number, read: Reader]>> = {
  1: [1, (v, at) => v.getInt8(at)],
  2: [1, (v, at) => v.getUint8(at)],
  3: [2, (v, at, le) => v.getInt16(at, le)],
  4: [2, (v, at, le) => v.getUint16(at, le)],
  5: [4, (v, at, le) => v.getInt32(at, le)],
  6: [4, (v, at, le) => v.getUint32(at, le)],
  7: [4, (v, at, le) => v.getFloat32(at, le)],
  9: [8, (v, at, le) => v.getFloat64(at, le)],
};
const MATRIX = 14;
const COMPRESSED = 15;

interface Element {
  readonly type: number;
  readonly data: Uint8Array;
  readonly next: number;
}

function element(bytes: Uint8Array, at: number, little: boolean): Element {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (at + 8 > bytes.length) throw new UserError(`MATLAB file ends within a tag at byte ${at}`);
  const word = view.getUint32(at, little);
  // Up to four bytes are packed into the tag: their count stands in its upper half.
  const small = word >>> 16;
  const type = small > 0 ? word & 0xffff : word;
  const size = small > 0 ? small : view.getUint32(at + 4, little);
  const begin = at + (small > 0 ? 4 : 8);
  if (begin + size > bytes.length)
    throw new UserError(
      `MATLAB file is cut off: ${begin + size} bytes needed, ${bytes.length} there`,
    );
  // Elements are padded to eight bytes, compressed ones are not.
  const padded = type === COMPRESSED ? size : Math.ceil(size / 8) * 8;
  return {
    type,
    data: bytes.subarray(begin, begin + size),
    next: small > 0 ? at + 8 : begin + padded,
  };
}

function numbers({ type, data }: Element, little: boolean): Float64Array {
  const reader = readers[type];
  if (reader === undefined)
    throw new UserError(`MATLAB element of type ${type} is not numeric; only real arrays are read`);
  const [size, read] = reader;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Float64Array.from({ length: data.length / size }, (_, i) => read(view, i * size, little));
}

/**
 * The first numeric array of a MATLAB v5 file ("MAT-File Format", The MathWorks, level 5).
 *
 * @example readMat(bytes).shape // [80, 25, 108]
 */
export function readMat(bytes: Uint8Array): MatArray {
  if (!isMat(bytes)) throw new UserError("not a MATLAB 5.0 file");
  const little = bytes[126] === 0x49; // "IM": written by a little-endian machine
  let found = element(bytes, 128, little);
  if (found.type === COMPRESSED) found = element(inflateSync(found.data), 0, little);
  if (found.type !== MATRIX) throw new UserError(`MATLAB file begins with element ${found.type}`);
  const flags = element(found.data, 0, little);
  const shape = element(found.data, flags.next, little);
  const name = element(found.data, shape.next, little);
  const real = element(found.data, name.next, little);
  return {
    name: new TextDecoder("latin1").decode(name.data),
    shape: [...numbers(shape, little)],
    data: numbers(real, little),
  };
}
