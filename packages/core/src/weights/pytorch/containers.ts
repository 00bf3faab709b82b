import { elements } from "../elements.ts";
import { unzip } from "./archive.ts";
import { call, global, isCount, StorageRef, StorageType, shown } from "./globals.ts";
import { bad, type Meaning, unpickle, type Value } from "./pickle.ts";

/** A PyTorch file taken apart: its object, and the bytes of each storage by key. */
export interface Contents {
  /** "zip" since PyTorch 1.6, the "stream" of pickles before. */
  readonly format: "zip" | "stream";
  readonly root: Value;
  readonly storages: ReadonlyMap<string, Uint8Array>;
}

const startsWith = (bytes: Uint8Array, start: readonly number[]): boolean =>
  start.every((byte, i) => bytes[i] === byte);

export function readContents(bytes: Uint8Array): Contents {
  if (startsWith(bytes, [0x50, 0x4b])) return readZip(bytes);
  if (startsWith(bytes, [0x80])) return readStream(bytes);
  throw bad(
    "it starts neither like a zip archive nor like a pickle; for a safetensors file use " +
      "weights.readSafetensors",
  );
}

function zipMembers(bytes: Uint8Array): { prefix: string; members: Record<string, Uint8Array> } {
  const members = unzip(bytes);
  const pickle = Object.keys(members).find((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickle === undefined) throw bad("the zip archive has no data.pkl");
  const prefix = pickle.slice(0, -"data.pkl".length);
  if (Object.hasOwn(members, `${prefix}constants.pkl`)) {
    throw bad("it is a TorchScript program; save model.state_dict() instead");
  }
  const order = members[`${prefix}byteorder`];
  if (order && new TextDecoder().decode(order) !== "little") throw bigEndian();
  return { prefix, members };
}
const bigEndian = () => bad("its numbers are big-endian; only little-endian files are read");

/** One folder: data.pkl, and data/KEY for each storage. */
function readZip(bytes: Uint8Array): Contents {
  const { prefix, members } = zipMembers(bytes);
  const refs = new Map<string, StorageRef>();
  const root = unpickle(members[`${prefix}data.pkl`], 0, meaning(refs)).value;
  const storages = new Map<string, Uint8Array>();
  for (const [key, { code, length }] of refs) {
    const name = `${prefix}data/${key}`;
    const data = Object.hasOwn(members, name) ? members[name] : undefined;
    if (data?.length !== length * elements[code].bytes) {
      throw bad(
        `storage "${shown(key)}" should be ${length} x ${code}, and ` +
          (data ? `has ${data.length} bytes` : "is missing"),
      );
    }
    storages.set(key, data);
  }
  return { format: "zip", root, storages };
}

/** Magic number and version of torch.serialization's old format. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const VERSION = 1001;

/**
 * Magic number, version, sizes of C's types, the object, the storages' keys: five pickles; then for each
 * key the number of its elements as int64, and the elements.
 */
function readStream(bytes: Uint8Array): Contents {
  let at = 0;
  const next = (rules: Meaning): Value => {
    const { value, end } = unpickle(bytes, at, rules);
    at = end;
    return value;
  };
  const plain = meaning(undefined);
  if (next(plain) !== MAGIC) throw bad("its first pickle is not PyTorch's magic number");
  const version = next(plain);
  if (version !== VERSION) throw bad(`its version is not ${VERSION}`);
  const system = next(plain);
  if (system instanceof Map && system.get("little_endian") === false) throw bigEndian();

  const refs = new Map<string, StorageRef>();
  const root = next(meaning(refs));
  const keys = next(plain);
  if (!Array.isArray(keys)) throw bad("it has no list of storages");
  const storages = new Map<string, Uint8Array>();
  for (const key of keys) {
    const ref = typeof key === "string" ? refs.get(key) : undefined;
    if (!ref || storages.has(ref.key)) throw bad("it lists a storage twice, or one that is unused");
    if (at + 8 > bytes.length) throw bad("it is cut off before a storage");
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
    const length = Number(view.getBigUint64(0, true));
    const end = at + 8 + length * elements[ref.code].bytes;
    if (length !== ref.length || end > bytes.length) {
      throw bad(
        `storage "${shown(ref.key)}" of ${ref.length} x ${ref.code} has ${length} elements, or is cut off`,
      );
    }
    storages.set(ref.key, bytes.subarray(at + 8, end));
    at = end;
  }
  for (const key of refs.keys()) {
    if (!storages.has(key)) throw bad(`storage "${shown(key)}" is missing`);
  }
  return { format: "stream", root, storages };
}

/** The meaning of names and outer objects; storages are noted in `refs`, where a pickle may have any. */
function meaning(refs: Map<string, StorageRef> | undefined): Meaning {
  return {
    global,
    call,
    persistent(id) {
      if (!refs || !Array.isArray(id) || id[0] !== "storage") {
        throw bad("its pickle names an outer object that is no storage");
      }
      const [, type, key, , length, inner = null] = id;
      if (!(type instanceof StorageType) || typeof key !== "string" || !isCount(length)) {
        throw bad("a storage has no type, key or length");
      }
      const whole = refs.get(key) ?? new StorageRef(key, type.code, length);
      if (whole.code !== type.code || whole.length !== length) {
        throw bad(`storage "${shown(key)}" has two types or lengths`);
      }
      refs.set(key, whole);
      return inner === null ? whole : innerStorage(whole, inner);
    },
  };
}

/** A storage within another, of very old files: [key of its own, start, length]. */
function innerStorage(whole: StorageRef, inner: Value): StorageRef {
  const [, start, length] = Array.isArray(inner) ? inner : [];
  if (!isCount(start) || !isCount(length) || start + length > whole.length) {
    throw bad("a storage lies outside the one that it is a part of");
  }
  return new StorageRef(whole.key, whole.code, length, start);
}
