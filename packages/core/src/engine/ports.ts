import { bytesPerElement, type DType, type TensorData } from "../graph/dtype.ts";
import type { Port, Value } from "./engine.ts";
import { EngineError } from "./errors.ts";

/** Element types by their number in ONNX (TensorProto.DataType and the C API agree). */
export const onnxElementType: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

const dtypes = new Map(Object.entries(onnxElementType).map(([k, v]) => [v, k as DType]));

/** The dtype of an ONNX element type number; throws for the ones Tensorlane does not compute in. */
export function dtypeOfElementType(type: number, port: string, label: string): DType {
  const dtype = dtypes.get(type);
  if (dtype) return dtype;
  throw new EngineError(
    `${label}: "${port}" has ONNX element type ${type}; the engines take ` +
      `${[...dtypes].map(([n, d]) => `${d} (${n})`).join(", ")}. Cast inside the model.`,
  );
}

/** How many elements a concrete shape holds; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

/** Bytes that the elements of a value take. */
export function byteSize(value: { dtype: DType; shape: readonly number[] }): number {
  return sizeOf(value.shape) * bytesPerElement[value.dtype];
}

/** Copies elements between two values that were checked to have the same dtype and size. */
export function copyData(from: Value, to: Value): void {
  (to.data as Float32Array).set(from.data as Float32Array);
}

/** Whether every dimension is known before a run. */
export function isStatic(shape: readonly number[]): boolean {
  return shape.every((dim) => dim >= 0);
}

const arrays: Record<DType, { new (size: number): TensorData; readonly name: string }> = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
};

/** Throws unless `values` has exactly the ports, each with its dtype, a shape that fits and enough data. */
export function checkPorts(
  ports: readonly Port[],
  values: Readonly<Record<string, Value>>,
  kind: "input" | "output",
  label: string,
): void {
  for (const port of ports) {
    const value = Object.hasOwn(values, port.name) ? values[port.name] : undefined;
    if (!value) {
      throw new EngineError(
        `${label}: ${kind} "${port.name}" is missing (${describe(port)}); ` +
          `received ${list(Object.keys(values))}. Give every ${kind} of the graph.`,
      );
    }
    checkValue(port, value, kind, label);
  }
  const known = new Set(ports.map((port) => port.name));
  const extra = Object.keys(values).filter((name) => !known.has(name));
  if (extra.length > 0) {
    throw new EngineError(
      `${label}: the graph has no ${kind} named ${list(extra)}; its ${kind}s are ${list(known)}.`,
    );
  }
}

/** Throws unless the value may be handed to native code as this port. */
export function checkValue(port: Port, value: Value, kind: string, label: string): void {
  const fail = (received: string, remedy: string): never => {
    throw new EngineError(
      `${label}: ${kind} "${port.name}" expects ${describe(port)}, received ${received}. ${remedy}`,
    );
  };
  if (value.dtype !== port.dtype) {
    fail(`${value.dtype} [${value.shape}]`, "Convert the data, or rebuild the graph for it.");
  }
  const wanted = arrays[port.dtype];
  if (!(value.data instanceof wanted)) {
    fail(
      `a ${(value.data as object | undefined)?.constructor?.name ?? typeof value.data}`,
      `${port.dtype} data lives in a ${wanted.name}.`,
    );
  }
  const fits =
    value.shape.length === port.shape.length &&
    value.shape.every((dim, i) => dim === port.shape[i] || port.shape[i] === -1);
  if (!fits) fail(`shape [${value.shape}]`, "Reshape the data, or compile for this shape.");
  for (const dim of value.shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      fail(`shape [${value.shape}]`, "Give concrete sizes: whole numbers from 0 up.");
    }
  }
  const size = sizeOf(value.shape);
  if (value.data.length !== size) {
    const lost = value.data.length === 0 ? " (was its memory transferred away?)" : "";
    fail(
      `${value.data.length} elements for shape [${value.shape}]${lost}`,
      `Give a ${wanted.name} of exactly ${size} elements.`,
    );
  }
  const { resizable, growable } = value.data.buffer as { resizable?: boolean; growable?: boolean };
  if (resizable || growable) {
    fail("memory that can change its size", "Copy the data into an array of its own.");
  }
}

interface Span {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly output: boolean;
}

/**
 * Throws when an output's memory overlaps another output, or part of an input. Sharing all of one
 * input's memory is allowed: that is the in-place update.
 */
export function checkOverlaps(
  inputs: Readonly<Record<string, Value>>,
  outputs: Readonly<Record<string, Value>>,
  label: string,
): void {
  const spans = new Map<ArrayBufferLike, Span[]>();
  const add = (name: string, { data }: Value, output: boolean) => {
    if (data.byteLength === 0) return;
    const all = spans.get(data.buffer) ?? [];
    if (all.length === 0) spans.set(data.buffer, all);
    all.push({ name, start: data.byteOffset, end: data.byteOffset + data.byteLength, output });
  };
  for (const [name, value] of Object.entries(outputs)) add(name, value, true);
  for (const [name, value] of Object.entries(inputs)) {
    if (spans.has(value.data.buffer)) add(name, value, false);
  }
  for (const all of spans.values()) {
    if (all.length < 2) continue;
    all.sort((a, b) => a.start - b.start);
    for (let i = 0; i < all.length; i++) {
      for (let j = i + 1; j < all.length && all[j].start < all[i].end; j++) {
        const [a, b] = [all[i], all[j]];
        const same = a.start === b.start && a.end === b.end && a.output !== b.output;
        if ((a.output || b.output) && !same) {
          throw new EngineError(
            `${label}: the memory of "${a.name}" (bytes ${a.start} to ${a.end}) and "${b.name}" ` +
              `(bytes ${b.start} to ${b.end}) overlaps and at least one is written. Give every ` +
              "output its own memory, or exactly the memory of one input.",
          );
        }
      }
    }
  }
}

function describe(port: Port): string {
  return `${port.dtype} [${port.shape.map((dim) => (dim < 0 ? "?" : dim)).join(",")}]`;
}

function list(names: Iterable<string>): string {
  const all = [...names].map((name) => `"${name}"`);
  const shown = all.slice(0, 12).join(", ");
  return all.length === 0 ? "none" : all.length > 12 ? `${shown}, ... (${all.length})` : shown;
}
