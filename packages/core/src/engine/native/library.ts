import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import koffi from "koffi";
import { EngineError } from "../errors.ts";
import { pinnedVersion } from "../version.ts";

/** The C API that came with the pinned release. */
const apiVersion = 30;

/** A pointer into native memory; 0 and null are both "nothing". */
export type Pointer = bigint;
type Arg = Pointer | number | bigint | boolean | string | ArrayBufferView | null;
type Returns = "status" | "void" | "text";

/**
 * Where each function stands in the OrtApi struct and what it takes. The order is part of ONNX Runtime's
 * ABI: entries are only ever appended (include/onnxruntime/core/session/onnxruntime_c_api.h). Argument
 * codes: p pointer, s UTF-8 text, w path text (UTF-16 on Windows), z size_t, i int, b bool.
 */
const table = {
  getErrorMessage: [2, "text", "p"],
  createSessionFromArray: [8, "status", "ppzpp"],
  run: [9, "status", "ppppzpzp"],
  createSessionOptions: [10, "status", "p"],
  enableProfiling: [14, "status", "pw"],
  disableMemPattern: [17, "status", "p"],
  setSessionGraphOptimizationLevel: [23, "status", "pi"],
  setIntraOpNumThreads: [24, "status", "pi"],
  sessionGetInputCount: [30, "status", "pp"],
  sessionGetOutputCount: [31, "status", "pp"],
  sessionGetInputTypeInfo: [33, "status", "pzp"],
  sessionGetOutputTypeInfo: [34, "status", "pzp"],
  sessionGetInputName: [36, "status", "pzpp"],
  sessionGetOutputName: [37, "status", "pzpp"],
  createTensorWithData: [49, "status", "ppzpzip"],
  getTensorMutableData: [51, "status", "pp"],
  castTypeInfoToTensorInfo: [55, "status", "pp"],
  getTensorElementType: [60, "status", "pp"],
  getDimensionsCount: [61, "status", "pp"],
  getDimensions: [62, "status", "ppz"],
  getTensorTypeAndShape: [65, "status", "pp"],
  createCpuMemoryInfo: [69, "status", "iip"],
  allocatorFree: [76, "status", "pp"],
  getAllocatorWithDefaultOptions: [78, "status", "p"],
  releaseStatus: [93, "void", "p"],
  releaseSession: [95, "void", "p"],
  releaseValue: [96, "void", "p"],
  releaseTypeInfo: [98, "void", "p"],
  releaseTensorTypeAndShapeInfo: [99, "void", "p"],
  releaseSessionOptions: [100, "void", "p"],
  sessionEndProfiling: [110, "status", "ppp"],
  createEnvWithGlobalThreadPools: [119, "status", "ispp"],
  disablePerSessionThreads: [120, "status", "p"],
  createThreadingOptions: [121, "status", "p"],
  releaseThreadingOptions: [122, "void", "p"],
  addSessionConfigEntry: [130, "status", "pss"],
  createAllocator: [131, "status", "ppp"],
  releaseAllocator: [132, "void", "p"],
  runWithBinding: [133, "status", "ppp"],
  createIoBinding: [134, "status", "pp"],
  releaseIoBinding: [135, "void", "p"],
  bindInput: [136, "status", "psp"],
  bindOutput: [137, "status", "psp"],
  setGlobalIntraOpNumThreads: [147, "status", "pi"],
  setGlobalInterOpNumThreads: [148, "status", "pi"],
  setGlobalSpinControl: [149, "status", "pi"],
  addExternalInitializers: [210, "status", "pppz"],
  setDeterministicCompute: [273, "status", "pb"],
  getKeyValue: [297, "text", "ps"],
  releaseKeyValuePairs: [300, "void", "p"],
  allocatorGetStats: [319, "status", "pp"],
} as const satisfies Record<string, readonly [number, Returns, string]>;

type Name = keyof typeof table;
export type StatusName = {
  [K in Name]: (typeof table)[K][1] extends "status" ? K : never;
}[Name];
type VoidName = { [K in Name]: (typeof table)[K][1] extends "void" ? K : never }[Name];
type TextName = { [K in Name]: (typeof table)[K][1] extends "text" ? K : never }[Name];

interface NativeFunction {
  (...args: Arg[]): unknown;
  async(...args: [...Arg[], (error: Error | null, result: unknown) => void]): void;
}

/** The loaded ONNX Runtime: calls by name, statuses turned into errors. */
export class Library {
  readonly path: string;
  readonly version: string;
  private readonly functions: Record<Name, NativeFunction>;
  /** Held because koffi unloads a library whose handle is collected, under whatever still calls into it. */
  readonly handle: ReturnType<typeof koffi.load>;

  constructor(path: string, expected = pinnedVersion) {
    this.path = path;
    growStacks();
    this.handle = koffi.load(path);
    const base = this.handle.func("OrtGetApiBase", "void *", [])() as Pointer;
    const [getApi, getVersion] = new BigUint64Array(koffi.view(base, 16));
    const version = (koffi.decode(getVersion, proto("str", [])) as () => string)();
    if (version !== expected) throw new EngineError(versionMismatch(path, version, expected));
    this.version = version;
    const api = (koffi.decode(getApi, proto("void *", ["uint32_t"])) as (v: number) => Pointer)(
      apiVersion,
    );
    if (!api) throw new EngineError(versionMismatch(path, `${version}, other C API`, expected));
    const last = Math.max(...Object.values(table).map(([index]) => index));
    const addresses = new BigUint64Array(koffi.view(api, 8 * (last + 1)));
    this.functions = Object.fromEntries(
      Object.entries(table).map(([name, [index, returns, args]]) => [
        name,
        koffi.decode(addresses[index], proto(resultTypes[returns], [...args].map(argumentType))),
      ]),
    ) as Record<Name, NativeFunction>;
  }

  /** Calls a function that reports by status; throws an EngineError that begins with `label`. */
  check(name: StatusName, label: string, ...args: Arg[]): void {
    const status = this.functions[name](...args) as Pointer | null;
    if (status) throw this.failure(status, label);
  }

  /**
   * The same on a worker thread: the event loop stays free and the process alive meanwhile. Whatever the
   * addresses in `args` belong to must be in `keep`: V8 knows nothing of them and would collect it.
   */
  async checkAsync(name: StatusName, label: string, keep: object, ...args: Arg[]): Promise<void> {
    const flight = { keep };
    inFlight.add(flight);
    let status: unknown;
    try {
      status = await new Promise((resolve, reject) => {
        this.functions[name].async(...args, (error, result) =>
          error ? reject(error) : resolve(result),
        );
      });
    } catch (cause) {
      // Such as too many calls at once.
      throw new EngineError(`${label}: ${(cause as Error).message}`, { cause });
    } finally {
      inFlight.delete(flight);
    }
    if (status) throw this.failure(status as Pointer, label);
  }

  /** Calls a release function. */
  release(name: VoidName, pointer: Pointer): void {
    this.functions[name](pointer);
  }

  /** Calls a function that returns text; null where it has none. */
  text(name: TextName, ...args: Arg[]): string | null {
    return this.functions[name](...args) as string | null;
  }

  /** Calls a status function whose last argument receives a pointer or a size, and returns that. */
  get(name: StatusName, label: string, ...args: Arg[]): Pointer {
    const out = new BigUint64Array(1);
    this.check(name, label, ...args, out);
    return out[0];
  }

  private failure(status: Pointer, label: string): EngineError {
    const message = this.text("getErrorMessage", status);
    this.release("releaseStatus", status);
    return new EngineError(`${label}: ONNX Runtime says: ${message}`);
  }
}

/** What calls on worker threads read and write just now. */
const inFlight = new Set<{ keep: object }>();

/** Bytes at a native address, seen without a copy; valid only as long as their owner lives. */
export function memoryAt(pointer: Pointer, bytes: number): Uint8Array {
  return new Uint8Array(koffi.view(pointer, bytes));
}

/** Zero-terminated UTF-8 text at a native address. */
export function textAt(pointer: Pointer): string {
  return koffi.decode.string(pointer);
}

const nothing = new ArrayBuffer(64);

/**
 * The address of a typed array's elements. It stays put as long as a reference to the array is held:
 * asking for the address moves even a small array out of V8's heap into a real ArrayBuffer.
 */
export function addressOf(data: ArrayBufferView): Pointer {
  // An empty array has no address, but a tensor without elements still needs one that is not null.
  return koffi.address(data.byteLength > 0 ? data : nothing);
}

/** Finds libonnxruntime inside the installed onnxruntime-node package. */
export function locateLibrary(): string {
  const require = createRequire(import.meta.url);
  let folder: string;
  try {
    folder = dirname(require.resolve("onnxruntime-node/package.json"));
  } catch (cause) {
    throw new EngineError(
      `the package onnxruntime-node is not installed: run npm install --ignore-scripts onnxruntime-node@${pinnedVersion}`,
      { cause },
    );
  }
  const { platform, arch } = process;
  const files: Partial<Record<NodeJS.Platform, string>> = {
    linux: "libonnxruntime.so.1",
    darwin: "libonnxruntime.1.dylib",
    win32: "onnxruntime.dll",
  };
  const path = join(folder, "bin", "napi-v6", platform, arch, files[platform] ?? "none");
  if (existsSync(path)) return path;
  throw new EngineError(
    `onnxruntime-node ships no library for ${platform}/${arch}: ${path} does not exist`,
  );
}

function versionMismatch(path: string, found: string, expected: string): string {
  return (
    `${path} is ONNX Runtime ${found}, but this release of Tensorlane is made for ${expected}. ` +
    `Run npm install --ignore-scripts onnxruntime-node@${expected} (exactly), or set TENSORLANE_ENGINE=wasm.`
  );
}

/**
 * koffi calls on stacks of its own: 128 KiB on worker threads, which the blocked matrix kernels
 * (64 KiB panels, and nested in the body of a Scan) come close to. The memory is touched only when used.
 */
function growStacks(): void {
  const wanted = 8 * 2 ** 20;
  const { async_stack_size = 0, sync_stack_size = 0 } = koffi.config();
  if (async_stack_size >= wanted && sync_stack_size >= wanted) return;
  try {
    koffi.config({ async_stack_size: wanted, sync_stack_size: wanted });
  } catch (cause) {
    throw new EngineError(
      `koffi is in use already with worker stacks of ${async_stack_size / 1024} KiB, too small for ` +
        "ONNX Runtime. Load Tensorlane's engine before whatever else uses koffi in this process.",
      { cause },
    );
  }
}

const resultTypes: Record<Returns, string> = {
  status: "void *",
  void: "void",
  text: "str",
};

function argumentType(code: string): string {
  const types: Record<string, string> = {
    p: "void *",
    s: "str",
    w: process.platform === "win32" ? "str16" : "str",
    z: "size_t",
    i: "int",
    b: "bool",
  };
  return types[code];
}

function proto(result: string, args: string[]) {
  return koffi.proto(result, args);
}
