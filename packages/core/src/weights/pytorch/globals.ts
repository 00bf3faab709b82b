import type { ElementCode } from "../elements.ts";
import { WeightsError } from "../error.ts";
import { bad, Foreign, type Value } from "./pickle.ts";

/** A storage's type: what its elements are. */
export class StorageType extends Foreign {
  readonly kind = "storage type";
  readonly code: ElementCode;
  constructor(code: ElementCode) {
    super();
    this.code = code;
  }
}

/** Memory that tensors share, as the pickle names it: a key, its elements' type and number. */
export class StorageRef extends Foreign {
  readonly kind = "storage";
  readonly key: string;
  readonly code: ElementCode;
  readonly length: number;
  /** Where it starts in the memory of its key, in elements: old files have storages within storages. */
  readonly start: number;
  constructor(key: string, code: ElementCode, length: number, start = 0) {
    super();
    this.key = key;
    this.code = code;
    this.length = length;
    this.start = start;
  }
}

/** A view of a storage: where it starts, its shape, and the steps along each axis, in elements. */
export class TensorRef extends Foreign {
  readonly kind = "tensor";
  readonly storage: StorageRef;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  constructor(
    storage: StorageRef,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    super();
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** A function that a state dict may call. */
class Callable extends Foreign {
  readonly kind = "function";
  readonly run: (args: readonly Value[]) => Value;
  constructor(run: (args: readonly Value[]) => Value) {
    super();
    this.run = run;
  }
}
/** A thing without use here, such as a device or a data type. */
class Token extends Foreign {
  readonly kind = "token";
}

const storageTypes: Readonly<Record<string, ElementCode>> = {
  FloatStorage: "F32",
  DoubleStorage: "F64",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

/** More axes than any layer has; PyTorch itself stops at 64. */
const MAX_AXES = 64;
export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
function counts(what: string, value: Value): number[] {
  if (Array.isArray(value) && value.length <= MAX_AXES && value.every(isCount)) {
    return [...value];
  }
  throw bad(`a tensor's ${what} is no short list of whole numbers from 0`);
}

function rebuildTensor([storage, offset, size, stride]: readonly Value[]): TensorRef {
  if (!(storage instanceof StorageRef)) throw bad("a tensor has no storage");
  if (!isCount(offset)) throw bad("a tensor's offset is no whole number from 0");
  const [shape, strides] = [counts("shape", size), counts("strides", stride)];
  if (shape.length !== strides.length) {
    throw bad(`a tensor has ${shape.length} sizes and ${strides.length} strides`);
  }
  return new TensorRef(storage, offset, shape, strides);
}

function orderedDict([pairs = []]: readonly Value[]): Value {
  // Python 2 writes an OrderedDict as a list of pairs.
  if (!Array.isArray(pairs)) throw bad("an OrderedDict is made of something that is no list");
  return new Map(
    pairs.map((pair): [Value, Value] => {
      if (Array.isArray(pair) && pair.length === 2) return [pair[0], pair[1]];
      throw bad("an OrderedDict is made of something that is no list of pairs");
    }),
  );
}

function parameter([tensor]: readonly Value[]): Value {
  if (tensor instanceof TensorRef) return tensor;
  throw bad("a parameter is made of something that is no tensor");
}

const functions: Readonly<Record<string, (args: readonly Value[]) => Value>> = {
  "collections OrderedDict": orderedDict,
  "torch Size": ([sizes = []]) => sizes,
  "torch device": () => new Token(),
  "torch._utils _rebuild_tensor": rebuildTensor,
  "torch._utils _rebuild_tensor_v2": rebuildTensor,
  "torch._utils _rebuild_parameter": parameter,
  "torch._utils _rebuild_parameter_with_state": parameter,
};
const dataTypes = new Set(
  "float16 float32 float64 bfloat16 half float double int8 int16 int32 int64 uint8 short int long bool"
    .split(" ")
    .map((name) => `torch ${name}`),
);

/** What a name in a pickle means; anything but tensors and the dicts around them is refused. */
export function global(module: string, name: string): Value {
  const full = `${module} ${name}`;
  if (Object.hasOwn(functions, full)) return new Callable(functions[full]);
  if (dataTypes.has(full)) return new Token();
  const isTyped = module === "torch" || module === "torch.cuda";
  if (isTyped && Object.hasOwn(storageTypes, name)) return new StorageType(storageTypes[name]);
  throw new WeightsError(
    `this PyTorch file wants ${shown(module)}.${shown(name)}, which is not a tensor's or a state ` +
      "dict's; it is refused and nothing of the file was executed. In PyTorch, save " +
      "model.state_dict() alone: torch.save(model.state_dict(), path)",
  );
}

/** Names out of a hostile file: short, and nothing that a terminal would obey. */
export const shown = (text: string): string =>
  text.length > 80 ? `${clean(text.slice(0, 80))}...` : clean(text);
const clean = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "?");

export function call(callee: Value, args: readonly Value[]): Value {
  if (callee instanceof Callable) return callee.run(args);
  throw bad("its pickle calls something that is no function");
}
