import { WeightsError } from "../error.ts";

/** What a pickle may hold; tuples and lists are arrays, dicts are maps. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Value[]
  | Map<Value, Value>
  | Foreign;

/** Something that only the reader of a kind of file knows: a named function, a storage, a tensor. */
export abstract class Foreign {
  abstract readonly kind: string;
}

/** What the names in a pickle mean. Everything throws that is not known to be harmless. */
export interface Meaning {
  /** A function or class by its module and name. Nothing is imported. */
  global(module: string, name: string): Value;
  /** Its result for these arguments. Nothing of the file's own is executed. */
  call(callee: Value, args: readonly Value[]): Value;
  /** An object that lies outside the pickle. */
  persistent(id: Value): Value;
}

export const bad = (what: string, options?: ErrorOptions): WeightsError =>
  new WeightsError(`not a readable PyTorch file: ${what}`, options);

/** Longer integers have no place among weights; the magic number of old files has 10 bytes. */
const MAX_INTEGER_BYTES = 16;

/** The state of reading: bytes, the stack since the last mark, the stacks below it, what was memorised. */
class Machine {
  readonly memo = new Map<number, Value>();
  private readonly marks: Value[][] = [];
  private readonly view: DataView;
  private stack: Value[] = [];
  readonly bytes: Uint8Array;
  readonly meaning: Meaning;
  at: number;

  constructor(bytes: Uint8Array, at: number, meaning: Meaning) {
    this.bytes = bytes;
    this.at = at;
    this.meaning = meaning;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  push(value: Value): void {
    this.stack.push(value);
  }
  pop(): Value {
    if (this.stack.length === 0) throw bad("its pickle takes more from the stack than there is");
    return this.stack.pop() as Value;
  }
  top(): Value {
    const value = this.pop();
    this.push(value);
    return value;
  }
  mark(): void {
    this.marks.push(this.stack);
    this.stack = [];
  }
  /** Everything since the last mark. */
  sinceMark(): Value[] {
    const below = this.marks.pop();
    if (!below) throw bad("its pickle goes back to a mark that is not there");
    const own = this.stack;
    this.stack = below;
    return own;
  }
  /** The last `count` values. */
  last(count: number): Value[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  take(length: number): Uint8Array {
    const end = this.at + length;
    if (!(length >= 0 && end <= this.bytes.length)) {
      throw bad(`it ends within its pickle, which wants ${length} bytes from byte ${this.at} on`);
    }
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }
  private number(width: number, read: (at: number) => number): number {
    const { at } = this;
    this.take(width);
    return read(at);
  }
  byte = () => this.number(1, (at) => this.view.getUint8(at));
  short = () => this.number(2, (at) => this.view.getUint16(at, true));
  int = () => this.number(4, (at) => this.view.getInt32(at, true));
  length = () => this.number(4, (at) => this.view.getUint32(at, true));
  long = () => this.number(8, (at) => Number(this.view.getBigUint64(at, true)));
  double = () => this.number(8, (at) => this.view.getFloat64(at));

  integer(length: number): Value {
    if (length > MAX_INTEGER_BYTES) throw bad(`its pickle has an integer of ${length} bytes`);
    const bytes = this.take(length);
    let value = 0n;
    for (const [i, byte] of bytes.entries()) value |= BigInt(byte) << BigInt(8 * i);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  text = (length: number): string => decoder.decode(this.take(length));
  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) throw bad("it ends within a name in its pickle");
    const text = this.text(end - this.at);
    this.at = end + 1;
    return text;
  }
}
const decoder = new TextDecoder();

const asList = (value: Value): Value[] => {
  if (Array.isArray(value)) return value;
  throw bad("its pickle appends to something that is no list");
};
function setItems(target: Value, items: readonly Value[]): void {
  if (!(target instanceof Map) || items.length % 2 !== 0) {
    throw bad("its pickle sets items of something that is no dict");
  }
  for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
}
function recall(m: Machine, index: number): void {
  const value = m.memo.get(index);
  if (value === undefined) throw bad(`its pickle recalls value ${index}, which it never stored`);
  m.push(value);
}
const asText = (value: Value): string => {
  if (typeof value === "string") return value;
  throw bad("its pickle names a function by something that is no text");
};

/** Opcodes of protocols 2 to 5 that make values; those that make objects of classes are left out. */
const opcodes: Readonly<Record<string, (m: Machine) => void>> = {
  "\x80": (m) => m.byte(), // PROTO
  "\x95": (m) => m.long(), // FRAME
  N: (m) => m.push(null),
  "\x88": (m) => m.push(true),
  "\x89": (m) => m.push(false),
  K: (m) => m.push(m.byte()),
  M: (m) => m.push(m.short()),
  J: (m) => m.push(m.int()),
  G: (m) => m.push(m.double()),
  "\x8a": (m) => m.push(m.integer(m.byte())),
  "\x8b": (m) => m.push(m.integer(m.length())),
  X: (m) => m.push(m.text(m.length())),
  "\x8c": (m) => m.push(m.text(m.byte())),
  "\x8d": (m) => m.push(m.text(m.long())),
  U: (m) => m.push(m.text(m.byte())), // Python 2's strings
  T: (m) => m.push(m.text(m.length())),
  C: (m) => m.push(m.take(m.byte())),
  B: (m) => m.push(m.take(m.length())),
  ")": (m) => m.push([]),
  "]": (m) => m.push([]),
  "}": (m) => m.push(new Map()),
  "(": (m) => m.mark(),
  t: (m) => m.push(m.sinceMark()),
  l: (m) => m.push(m.sinceMark()),
  d: (m) => {
    const items = m.sinceMark();
    m.push(new Map());
    setItems(m.top(), items);
  },
  "\x85": (m) => m.push(m.last(1)),
  "\x86": (m) => m.push(m.last(2)),
  "\x87": (m) => m.push(m.last(3)),
  a: (m) => {
    const [item] = m.last(1);
    asList(m.top()).push(item);
  },
  e: (m) => {
    const items = m.sinceMark();
    const list = asList(m.top());
    for (const item of items) list.push(item);
  },
  s: (m) => {
    const items = m.last(2);
    setItems(m.top(), items);
  },
  u: (m) => {
    const items = m.sinceMark();
    setItems(m.top(), items);
  },
  "0": (m) => m.pop(),
  "1": (m) => m.sinceMark(),
  "2": (m) => m.push(m.top()),
  q: (m) => m.memo.set(m.byte(), m.top()),
  r: (m) => m.memo.set(m.length(), m.top()),
  "\x94": (m) => m.memo.set(m.memo.size, m.top()),
  h: (m) => recall(m, m.byte()),
  j: (m) => recall(m, m.length()),
  c: (m) => m.push(m.meaning.global(m.line(), m.line())),
  "\x93": (m) => {
    const [module, name] = m.last(2);
    m.push(m.meaning.global(asText(module), asText(name)));
  },
  R: (m) => {
    const [callee, args] = m.last(2);
    m.push(m.meaning.call(callee, asList(args)));
  },
  Q: (m) => m.push(m.meaning.persistent(m.pop())),
  // State of an OrderedDict: versions of modules, of no use here.
  b: (m) => {
    m.pop();
    if (!(m.top() instanceof Map)) throw bad("its pickle gives a state to something but a dict");
  },
};
const STOP = ".".charCodeAt(0);

/**
 * Reads one pickle, executing nothing: an interpreter of the opcodes that state dicts are made of. Time and
 * memory are linear in the bytes read, whatever they say; nothing is recursive.
 */
export function unpickle(
  bytes: Uint8Array,
  at: number,
  meaning: Meaning,
): { readonly value: Value; readonly end: number } {
  const machine = new Machine(bytes, at, meaning);
  for (;;) {
    const code = machine.byte();
    if (code === STOP) return { value: machine.pop(), end: machine.at };
    const run = opcodes[String.fromCharCode(code)];
    if (!run) {
      throw bad(
        `byte ${machine.at - 1} of its pickle is opcode 0x${code.toString(16)}, which no state dict ` +
          "needs; it is refused",
      );
    }
    run(machine);
  }
}
