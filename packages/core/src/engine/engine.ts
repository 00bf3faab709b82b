import type { DType, TensorData } from "../graph/dtype.ts";
import type { Rewrite } from "../onnx/lowering.ts";

/** One input or output of a compiled graph. A `-1` in `shape` is a dimension known only at run time. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A concrete tensor in JavaScript memory. */
export interface Value {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** What an engine is and why it was chosen; `tensorlane doctor` prints it. */
export interface EngineInfo {
  /** `native` (C API by FFI), `node-binding` (onnxruntime-node) or `wasm` (onnxruntime-web). */
  readonly name: "native" | "node-binding" | "wasm";
  /** ONNX Runtime's version as the loaded library reports it. */
  readonly version: string;
  readonly threads: number;
  /** Execution providers in use. */
  readonly providers: readonly string[];
  /** Whether a run reads and writes bound memory without a copy. */
  readonly zeroCopy: boolean;
  /** Why this engine and not a faster one; empty for the first choice. */
  readonly reason: string;
}

export interface CompileOptions {
  /** Names the graph in errors and profiles. */
  readonly label?: string;
  /**
   * Weights that enter as initialisers from this memory, not through the protobuf (inference sessions).
   * The model declares each as an initialiser with `data_location: EXTERNAL` and one `external_data`
   * entry, `location` = its name; the memory must not change as long as the executable lives. Only for
   * weights: what shapes depend on (axes, sizes) must be in the protobuf.
   */
  readonly initializers?: Readonly<Record<string, Value>>;
  /** ONNX Runtime writes a profile (JSON) with this path prefix, where the engine can. */
  readonly profilePrefix?: string;
  /** Computes on one thread, where the engine can choose, so that several graphs run side by side. Default: on all. */
  readonly singleThreaded?: boolean;
  /** ONNX Runtime session configuration entries, such as `session.use_ort_model_bytes_directly`. */
  readonly sessionConfig?: Readonly<Record<string, string>>;
}

/** Executes standard ONNX models. */
export interface Engine {
  readonly info: EngineInfo;
  /** Turns the bytes of a ModelProto into something that runs. */
  compile(model: Uint8Array, options?: CompileOptions): Promise<Executable>;
  /**
   * How to lower graphs that only this engine is to run: faster, with its own operators. Without it, graphs
   * are standard ONNX.
   */
  rewrite?(): Promise<Rewrite | undefined>;
  /** Bytes of native memory that live executables are known to hold (model and bound outputs). */
  memory(): number;
}

/** A compiled graph. Native memory is released by `release()` or when it is garbage-collected. */
export interface Executable {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Runs once on the given values; every input must be present. Results are fresh memory. */
  run(feeds: Readonly<Record<string, Value>>): Promise<Record<string, Value>>;
  /**
   * Fixes where inputs are read and outputs are written, once, for many runs. An output may share the
   * memory of an input only if the graph is elementwise in it. All ports must be bound, shapes fully
   * concrete; sizes are checked here, before native code sees an address.
   */
  bind(ports: {
    readonly inputs: Readonly<Record<string, Value>>;
    readonly outputs: Readonly<Record<string, Value>>;
  }): Binding;
  /** Bytes of native memory that this executable is known to hold; 0 after `release()`. */
  memory(): number;
  /** Frees it and its bindings now, or when the run in flight ends; using it afterwards is an error. */
  release(): void;
}

/** A graph tied to fixed memory. One run at a time; the memory must not be touched while a run is in flight. */
export interface Binding {
  /**
   * Reads the bound inputs, writes the bound outputs. The event loop stays free meanwhile; of short runs one after the
   * other it gets a turn every 10 to 14 ms (native engine).
   */
  run(): Promise<void>;
  release(): void;
}
