import type { CompileOptions, Port, Value } from "../engine.ts";
import { EngineError } from "../errors.ts";
import { checkValue, dtypeOfElementType, onnxElementType } from "../ports.ts";
import type { Environment } from "./environment.ts";
import { addressOf, type Pointer, type StatusName, textAt } from "./library.ts";

/**
 * An OrtSession and everything that must live as long as it does. It is counted: the executable, every
 * binding and every run in flight hold it once, and the last to let go frees it.
 */
export class Session {
  readonly env: Environment;
  readonly label: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly pointer: Pointer;
  /** Keeps external initialisers' memory: ONNX Runtime may read it in place. */
  readonly weights: readonly Value[];
  private readonly modelBytes: number;
  /** The session's own arena: activations and re-ordered weights. */
  private readonly arena: Pointer;
  private readonly profiled: boolean;
  readonly singleThreaded: boolean;
  private holders = 1;

  constructor(
    env: Environment,
    pointer: Pointer,
    label: string,
    modelBytes: number,
    options: CompileOptions,
  ) {
    this.env = env;
    this.pointer = pointer;
    this.label = label;
    this.weights = Object.values(options.initializers ?? {});
    this.modelBytes = modelBytes;
    this.profiled = options.profilePrefix !== undefined;
    this.singleThreaded = options.singleThreaded ?? false;
    try {
      this.inputs = ports(env, pointer, "Input", label);
      this.outputs = ports(env, pointer, "Output", label);
      this.arena = env.library.get("createAllocator", label, pointer, env.memoryInfo);
    } catch (error) {
      env.library.release("releaseSession", pointer);
      throw error;
    }
    env.sessions.add(this);
  }

  /** Native bytes that are known: the model as it came and what the arena holds just now. */
  get bytes(): number {
    const { library } = this.env;
    const stats = library.get("allocatorGetStats", this.label, this.arena);
    const total = Number(library.text("getKeyValue", stats, "TotalAllocated") ?? 0);
    library.release("releaseKeyValuePairs", stats);
    return this.modelBytes + total;
  }

  hold(): void {
    if (this.holders === 0) throw new EngineError(`${this.label}: it has been released`);
    this.holders++;
  }

  drop(): void {
    if (--this.holders > 0) return;
    const { library } = this.env;
    if (this.profiled) {
      // Without this the profile's closing bracket is missing.
      const name = library.get("sessionEndProfiling", this.label, this.pointer, this.env.allocator);
      library.check("allocatorFree", this.label, this.env.allocator, name);
    }
    library.release("releaseAllocator", this.arena);
    library.release("releaseSession", this.pointer);
    this.env.sessions.delete(this);
  }
}

/** Creates a session on a worker thread. */
export async function createSession(
  env: Environment,
  model: Uint8Array,
  options: CompileOptions,
): Promise<Session> {
  try {
    return await tryCreateSession(env, model, options);
  } catch (error) {
    const foreign = (error as Error).message.includes("EnvCreatedWithGlobalThreadPools");
    if (!foreign || !env.sharesThreads) throw error;
    env.sharesThreads = false;
    process.emitWarning(
      "Tensorlane: onnxruntime-node created ONNX Runtime's environment before Tensorlane did, so sessions " +
        "have threads of their own instead of sharing them: slower with several. " +
        "Evaluate or train something before the first InferenceSession.create to avoid it.",
    );
    return tryCreateSession(env, model, options);
  }
}

async function tryCreateSession(
  env: Environment,
  model: Uint8Array,
  options: CompileOptions,
): Promise<Session> {
  const { library } = env;
  const label = options.label ?? "graph";
  if (model.byteLength === 0) throw new EngineError(`${label}: the model is empty (0 bytes)`);
  const settings = library.get("createSessionOptions", label);
  const values: Pointer[] = [];
  try {
    if (options.singleThreaded) library.check("setIntraOpNumThreads", label, settings, 1);
    else if (env.sharesThreads) library.check("disablePerSessionThreads", label, settings);
    else {
      const spinning = env.spinning ? "1" : "0";
      library.check("setIntraOpNumThreads", label, settings, env.threads);
      library.check(
        "addSessionConfigEntry",
        label,
        settings,
        "session.intra_op.allow_spinning",
        spinning,
      );
    }
    library.check("setSessionGraphOptimizationLevel", label, settings, 99);
    library.check("setDeterministicCompute", label, settings, true);
    // With a pattern the second run takes one block for all activations beside those of the first: 1880
    // instead of 1240 MiB for ResNet-50's training step, and no faster (bench/NOTES.md).
    library.check("disableMemPattern", label, settings);
    for (const [key, value] of Object.entries(options.sessionConfig ?? {})) {
      library.check("addSessionConfigEntry", label, settings, key, value);
    }
    if (options.profilePrefix !== undefined) {
      library.check("enableProfiling", label, settings, options.profilePrefix);
    }
    const pinned = addInitializers(env, settings, options, label, values);
    const out = new BigUint64Array(new ArrayBuffer(8));
    await library.checkAsync(
      "createSessionFromArray",
      label,
      [model, out, pinned, options.initializers],
      env.pointer,
      addressOf(model),
      model.byteLength,
      settings,
      addressOf(out),
    );
    return new Session(env, out[0], label, model.byteLength, options);
  } finally {
    for (const value of values) library.release("releaseValue", value);
    library.release("releaseSessionOptions", settings);
  }
}

/** Makes an OrtValue over JavaScript memory; the caller releases it and keeps the memory alive. */
export function tensorOver(env: Environment, value: Value, label: string): Pointer {
  const dims = BigInt64Array.from(value.shape, BigInt);
  return env.library.get(
    "createTensorWithData",
    label,
    env.memoryInfo,
    addressOf(value.data),
    value.data.byteLength,
    dims.length > 0 ? dims : null,
    dims.length,
    onnxElementType[value.dtype],
  );
}

function addInitializers(
  env: Environment,
  settings: Pointer,
  options: CompileOptions,
  label: string,
  values: Pointer[],
): unknown[] {
  const entries = Object.entries(options.initializers ?? {});
  if (entries.length === 0) return [];
  for (const [name, value] of entries) {
    checkValue({ name, dtype: value.dtype, shape: value.shape }, value, "initializer", label);
    values.push(tensorOver(env, value, `${label}, initializer "${name}"`));
  }
  const encoder = new TextEncoder();
  const names = entries.map(([name]) => encoder.encode(`${name}\0`));
  env.library.check(
    "addExternalInitializers",
    label,
    settings,
    BigUint64Array.from(names, addressOf),
    BigUint64Array.from(values),
    entries.length,
  );
  return names;
}

function ports(
  env: Environment,
  session: Pointer,
  kind: "Input" | "Output",
  label: string,
): readonly Port[] {
  const { library } = env;
  const count = Number(library.get(`sessionGet${kind}Count`, label, session));
  return Array.from({ length: count }, (_, index) => {
    const text = library.get(`sessionGet${kind}Name`, label, session, index, env.allocator);
    const name = textAt(text);
    library.check("allocatorFree", label, env.allocator, text);
    const info = library.get(`sessionGet${kind}TypeInfo` as StatusName, label, session, index);
    try {
      const tensor = library.get("castTypeInfoToTensorInfo", label, info);
      if (!tensor) {
        throw new EngineError(
          `${label}: ${kind.toLowerCase()} "${name}" is not a tensor; the engines take only tensors.`,
        );
      }
      const { type, shape } = typeAndShape(env, tensor, label);
      return { name, dtype: dtypeOfElementType(type, name, label), shape };
    } finally {
      library.release("releaseTypeInfo", info);
    }
  });
}

/** Element type number and shape of an OrtTensorTypeAndShapeInfo; -1 for a symbolic dimension. */
export function typeAndShape(
  env: Environment,
  info: Pointer,
  label: string,
): { type: number; shape: number[] } {
  const type = new Int32Array(1);
  env.library.check("getTensorElementType", label, info, type);
  const rank = Number(env.library.get("getDimensionsCount", label, info));
  const dims = new BigInt64Array(rank);
  if (rank > 0) env.library.check("getDimensions", label, info, dims, rank);
  return { type: type[0], shape: Array.from(dims, Number) };
}
