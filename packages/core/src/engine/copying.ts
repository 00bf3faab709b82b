import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-web";
import type { DType, TensorData } from "../graph/dtype.ts";
import type {
  Binding,
  CompileOptions,
  Engine,
  EngineInfo,
  Executable,
  Port,
  Value,
} from "./engine.ts";
import { busyBinding, EngineError, releasedBinding } from "./errors.ts";
import { byteSize, checkOverlaps, checkPorts, checkValue, copyData } from "./ports.ts";

/** Log level of sessions and runs: failures arrive as errors and need no second telling on stderr. */
export const fatal = 4;

/** What onnxruntime-node and onnxruntime-web have in common. */
export interface OrtModule {
  readonly InferenceSession: InferenceSession["constructor"] & {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: TensorConstructor;
}

/** An engine over ONNX Runtime's own JavaScript API, which copies every input and output on every run. */
export class CopyingEngine implements Engine {
  readonly info: EngineInfo;
  private readonly ort: OrtModule;
  private readonly options: InferenceSession.SessionOptions;
  private bytes = 0;

  constructor(ort: OrtModule, info: EngineInfo, options: InferenceSession.SessionOptions) {
    this.ort = ort;
    this.info = info;
    this.options = options;
  }

  async compile(model: Uint8Array, options: CompileOptions = {}): Promise<Executable> {
    const label = options.label ?? "graph";
    if (model.byteLength === 0) throw new EngineError(`${label}: the model is empty (0 bytes)`);
    const weights = Object.entries(options.initializers ?? {});
    for (const [name, value] of weights) {
      checkValue({ name, dtype: value.dtype, shape: value.shape }, value, "initializer", label);
    }
    const session = await said(label, () =>
      this.ort.InferenceSession.create(model, {
        ...this.options,
        graphOptimizationLevel: "all",
        extra: nested(options.sessionConfig ?? {}),
        ...(weights.length > 0 && {
          externalData: weights.map(([path, { data }]) => ({ path, data: bytesOf(data) })),
        }),
        ...(options.profilePrefix !== undefined && {
          enableProfiling: true,
          profileFilePrefix: options.profilePrefix,
        }),
      }),
    );
    const bytes = weights.reduce((sum, [, value]) => sum + byteSize(value), model.byteLength);
    const ports = {
      inputs: portsOf(session, "input", label),
      outputs: portsOf(session, "output", label),
    };
    this.bytes += bytes;
    const shared = new SharedSession(this.ort, session, ports, label, bytes, () => {
      this.bytes -= bytes;
    });
    return new CopyingExecutable(shared);
  }

  memory(): number {
    return this.bytes;
  }
}

/** A session, counted: the executable and every run in flight hold it once, the last one frees it. */
class SharedSession {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly label: string;
  readonly bytes: number;
  private readonly ort: OrtModule;
  private readonly session: InferenceSession;
  private readonly onRelease: () => void;
  private holders = 1;

  constructor(
    ort: OrtModule,
    session: InferenceSession,
    ports: { readonly inputs: readonly Port[]; readonly outputs: readonly Port[] },
    label: string,
    bytes: number,
    onRelease: () => void,
  ) {
    this.ort = ort;
    this.session = session;
    this.inputs = ports.inputs;
    this.outputs = ports.outputs;
    this.label = label;
    this.bytes = bytes;
    this.onRelease = onRelease;
  }

  async run(feeds: Readonly<Record<string, Value>>): Promise<Record<string, Value>> {
    this.holders++;
    try {
      const tensors = Object.fromEntries(
        this.inputs.map(({ name }) => [name, this.tensor(feeds[name])]),
      );
      const results = await said(this.label, () =>
        this.session.run(tensors, { logSeverityLevel: fatal }),
      );
      return Object.fromEntries(
        this.outputs.map(({ name, dtype }) => {
          const { data, dims } = results[name] as Tensor;
          return [name, { dtype, shape: [...dims], data: data as TensorData }];
        }),
      );
    } finally {
      this.drop();
    }
  }

  drop(): void {
    if (--this.holders > 0) return;
    this.onRelease();
    // Nobody awaits this; a session that cannot be released has nothing left to tell its user.
    this.session.release().catch(() => {});
  }

  private tensor({ dtype, data, shape }: Value): Tensor {
    return new this.ort.Tensor(dtype, data as never, shape);
  }
}

const unreachable = new FinalizationRegistry<SharedSession>((session) => session.drop());

class CopyingExecutable implements Executable {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  private readonly session: SharedSession;
  private released = false;

  constructor(session: SharedSession) {
    this.session = session;
    this.inputs = session.inputs;
    this.outputs = session.outputs;
    unreachable.register(this, session, this);
  }

  memory(): number {
    return this.released ? 0 : this.session.bytes;
  }

  async run(feeds: Readonly<Record<string, Value>>): Promise<Record<string, Value>> {
    this.checkOpen("run");
    checkPorts(this.inputs, feeds, "input", this.session.label);
    return await this.session.run(feeds);
  }

  bind(ports: {
    readonly inputs: Readonly<Record<string, Value>>;
    readonly outputs: Readonly<Record<string, Value>>;
  }): Binding {
    const { label } = this.session;
    this.checkOpen("bind");
    checkPorts(this.inputs, ports.inputs, "input", label);
    checkPorts(this.outputs, ports.outputs, "output", label);
    checkOverlaps(ports.inputs, ports.outputs, label);
    return new CopyingBinding(this, label, ports.inputs, ports.outputs);
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    unreachable.unregister(this);
    this.session.drop();
  }

  private checkOpen(what: string): void {
    if (!this.released) return;
    throw new EngineError(
      `${this.session.label}: ${what}() after release(); compile the graph again.`,
    );
  }
}

class CopyingBinding implements Binding {
  private readonly executable: Executable;
  private readonly label: string;
  private readonly inputs: Readonly<Record<string, Value>>;
  private readonly outputs: Readonly<Record<string, Value>>;
  private running = false;
  private released = false;

  constructor(
    executable: Executable,
    label: string,
    inputs: Readonly<Record<string, Value>>,
    outputs: Readonly<Record<string, Value>>,
  ) {
    this.executable = executable;
    this.label = label;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  async run(): Promise<void> {
    if (this.released) throw new EngineError(releasedBinding(this.label));
    if (this.running) throw new EngineError(busyBinding(this.label));
    this.running = true;
    try {
      const results = await this.executable.run(this.inputs);
      for (const [name, to] of Object.entries(this.outputs)) {
        const from = results[name];
        const port = { name, dtype: from.dtype, shape: from.shape };
        checkValue(port, to, "output", this.label);
        copyData(from, to);
      }
    } finally {
      this.running = false;
    }
  }

  release(): void {
    this.released = true;
  }
}

/** Turns whatever ONNX Runtime throws into an EngineError that names the graph. */
async function said<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError(`${label}: ONNX Runtime says: ${message}`, { cause });
  }
}

const dtypes: Partial<Record<string, DType>> = {
  float32: "float32",
  int32: "int32",
  int64: "int64",
  bool: "bool",
};

function portsOf(session: InferenceSession, kind: "input" | "output", label: string): Port[] {
  const metadata = kind === "input" ? session.inputMetadata : session.outputMetadata;
  return metadata.map((port) => {
    const dtype = port.isTensor ? dtypes[port.type] : undefined;
    if (!port.isTensor || !dtype) {
      throw new EngineError(
        `${label}: ${kind} "${port.name}" is ${port.isTensor ? port.type : "not a tensor"}; the ` +
          `engines take tensors of ${Object.keys(dtypes).join(", ")}. Cast inside the model.`,
      );
    }
    const shape = port.shape.map((dim) => (typeof dim === "number" ? dim : -1));
    return { name: port.name, dtype, shape };
  });
}

function bytesOf(data: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The JavaScript API wants `a.b.c` entries as nested objects. */
function nested(entries: Readonly<Record<string, string>>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(entries)) {
    const path = key.split(".");
    const last = path.pop()!;
    let at = root;
    for (const part of path) {
      at[part] ??= {};
      at = at[part] as Record<string, unknown>;
    }
    at[last] = value;
  }
  return root;
}
