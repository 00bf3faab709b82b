import { allocate, dtypeOf, type TensorData } from "../../graph/dtype.ts";
import { decode } from "../elements.ts";
import { WeightsError } from "../error.ts";
import { type Contents, readContents } from "./containers.ts";
import { type StorageRef, shown, TensorRef } from "./globals.ts";
import { bad, type Value } from "./pickle.ts";

export interface PyTorchFile {
  /** Values by name, in the file's order; half, bfloat16 and double as float32, small integers as int32. */
  readonly arrays: Map<string, { readonly data: TensorData; readonly shape: readonly number[] }>;
  /** "zip" since PyTorch 1.6, the "stream" of pickles before. */
  readonly format: "zip" | "stream";
  /** The entry of a checkpoint that the values were taken from, such as "state_dict"; "" for the whole. */
  readonly entry: string;
  /** What was taken off all names: "module." of a model trained by DataParallel, or "". */
  readonly prefix: string;
}

export interface ReadPyTorchOptions {
  /** The entry of a checkpoint that holds the state dict, where it is not found by itself. */
  readonly entry?: string;
}

/** Where training scripts keep the state dict in their checkpoints. */
const ENTRIES = ["state_dict", "model_state_dict", "model", "net", "weights"];
const PREFIX = "module.";

/**
 * Reads a state dict that PyTorch saved (`.pt`, `.pth`), in the zip format or the older stream, and
 * executes nothing: names other than those of tensors, storages and dicts are refused. A dict of a
 * checkpoint is looked for under the usual entries, a "module." before all names is taken off; the result
 * tells both. Throws WeightsError.
 *
 * @example
 * const { arrays } = weights.readPyTorch(await readFile("resnet18-f37072fd.pth"));
 * console.log(String(model.loadStateDict(arrays)));
 */
export function readPyTorch(bytes: Uint8Array, options: ReadPyTorchOptions = {}): PyTorchFile {
  const contents = readContents(bytes);
  const { entry, dict } = findDict(contents.root, options.entry);
  const refs = [...dict].filter(
    (pair): pair is [string, TensorRef] => pair[1] instanceof TensorRef,
  );
  const prefix = refs.every(([name]) => name.startsWith(PREFIX)) ? PREFIX : "";
  checkTotal(refs, bytes.length);
  const storages = storageReader(contents);
  const arrays = new Map<string, { data: TensorData; shape: readonly number[] }>();
  for (const [name, ref] of refs) {
    const { shape } = ref;
    arrays.set(name.slice(prefix.length), { data: view(name, ref, storages(ref.storage)), shape });
  }
  return { arrays, format: contents.format, entry, prefix };
}

const isStateDict = (value: Value | undefined): value is Map<string, Value> =>
  value instanceof Map &&
  [...value.keys()].every((key) => typeof key === "string") &&
  [...value.values()].some((item) => item instanceof TensorRef);

/** The dict that has tensors: the file's own, or that of an entry. */
function findDict(root: Value, wanted?: string): { entry: string; dict: Map<string, Value> } {
  if (wanted === undefined && isStateDict(root)) return { entry: "", dict: root };
  if (root instanceof Map) {
    const names = wanted === undefined ? ENTRIES : [wanted];
    const found = names.filter((name) => isStateDict(root.get(name)));
    if (found.length === 1) {
      return { entry: found[0], dict: root.get(found[0]) as Map<string, Value> };
    }
    const there = [...root.keys()].slice(0, 20).map((key) => shown(String(key)));
    throw new WeightsError(
      `this PyTorch file is a dict of [${there.join(", ")}], of which ` +
        (found.length > 1 ? `${found.join(" and ")} hold` : `none of ${names.join(", ")} holds`) +
        ' named tensors; name the right one: { entry: "..." }',
    );
  }
  throw new WeightsError(
    "this PyTorch file holds no dict of tensors; in PyTorch, save model.state_dict()",
  );
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Views can repeat elements without end; what is made of a file may be a few times its size. */
function checkTotal(refs: readonly (readonly [string, TensorRef])[], fileBytes: number): void {
  const total = refs.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  const limit = 4 * fileBytes + 2 ** 20;
  if (total <= limit) return;
  throw bad(`its tensors repeat what it holds: ${total} elements out of ${fileBytes} bytes`);
}

/** Each storage's elements, decoded once. */
function storageReader({ storages }: Contents): (ref: StorageRef) => TensorData {
  const decoded = new Map<string, TensorData>();
  return ({ key, code, start, length }) => {
    const whole = decoded.get(key) ?? decode(code, storages.get(key)!);
    decoded.set(key, whole);
    return whole.subarray(start, start + length);
  };
}

/** The elements of a strided view, row-major. */
function view(name: string, { offset, shape, strides }: TensorRef, storage: TensorData) {
  const size = sizeOf(shape);
  const result = allocate(dtypeOf(storage), size);
  if (size === 0) return result;
  const last = shape.reduce((at, n, axis) => at + (n - 1) * strides[axis], offset);
  if (!(last < storage.length)) {
    throw bad(`tensor "${shown(name)}" reaches element ${last} of a storage of ${storage.length}`);
  }
  const isWhole = shape.every(
    (n, axis) => n === 1 || strides[axis] === sizeOf(shape.slice(axis + 1)),
  );
  if (isWhole) {
    result.set(storage.subarray(offset, offset + size) as never);
    return result;
  }
  const index = shape.map(() => 0);
  let at = offset;
  for (let i = 0; i < size; i++) {
    result[i] = storage[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}
