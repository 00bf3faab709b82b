import { allocate } from "../../graph/dtype.ts";
import type { Rewrite } from "../../onnx/lowering.ts";
import { findBlockedRewrite } from "../blocked/probe.ts";
import type {
  Binding,
  CompileOptions,
  Engine,
  EngineInfo,
  Executable,
  Port,
  Value,
} from "../engine.ts";
import { EngineError } from "../errors.ts";
import { checkOverlaps, checkPorts, isStatic, sizeOf } from "../ports.ts";
import { blockedWanted } from "../threads.node.ts";
import { BoundRun, NativeBinding } from "./binding.ts";
import { Environment, type EnvironmentOptions } from "./environment.ts";
import { Library, locateLibrary } from "./library.ts";
import { createSession, type Session } from "./session.ts";
import { runUnbound } from "./unbound.ts";

export interface NativeOptions extends EnvironmentOptions {
  /** The library's file; default: the one inside the installed onnxruntime-node. */
  readonly path?: string;
  /**
   * Whether graphs are rewritten for the blocked layout of convolutions (docs/design/0008). Default: yes, unless
   * TENSORLANE_BLOCKED is 0.
   */
  readonly blocked?: boolean;
}

let environment: Environment | undefined;

/**
 * ONNX Runtime through its C API: state stays in bound JavaScript memory, runs leave the event loop
 * free. There is one environment a process; asking for another number of threads later is an error.
 */
export function createNativeEngine(options: NativeOptions = {}): Engine {
  environment ??= new Environment(new Library(options.path ?? locateLibrary()), options);
  const { threads } = environment;
  if (options.threads !== undefined && options.threads !== threads) {
    throw new EngineError(
      `the native engine already runs with ${threads} threads in this process and cannot change to ` +
        `${options.threads}. Set TENSORLANE_THREADS, or give the option to the first engine.`,
    );
  }
  return new NativeEngine(environment, options.blocked ?? blockedWanted());
}

class NativeEngine implements Engine {
  readonly info: EngineInfo;
  private readonly env: Environment;
  private readonly blocked: boolean;
  private found: Promise<Rewrite | undefined> | undefined;

  constructor(env: Environment, blocked: boolean) {
    this.env = env;
    this.blocked = blocked;
    this.info = {
      name: "native",
      version: env.library.version,
      threads: env.threads,
      providers: ["CPUExecutionProvider"],
      zeroCopy: true,
      reason: "",
    };
  }

  async compile(model: Uint8Array, options: CompileOptions = {}): Promise<Executable> {
    return new NativeExecutable(await createSession(this.env, model, options));
  }

  async rewrite(): Promise<Rewrite | undefined> {
    if (this.blocked) this.found ??= findBlockedRewrite(this);
    return this.found;
  }

  memory(): number {
    return this.env.memory;
  }
}

/** Lets go of the session of an executable that nobody can reach any more. */
const unreachable = new FinalizationRegistry<Session>((session) => session.drop());

class NativeExecutable implements Executable {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  private readonly session: Session;
  /** The native side of the bindings made here, so that `release()` reaches them. */
  private readonly bound = new Set<BoundRun>();
  private released = false;

  constructor(session: Session) {
    this.session = session;
    this.inputs = session.inputs;
    this.outputs = session.outputs;
    unreachable.register(this, session, this);
  }

  memory(): number {
    return this.released ? 0 : this.session.bytes;
  }

  async run(feeds: Readonly<Record<string, Value>>): Promise<Record<string, Value>> {
    this.open("run");
    const { session } = this;
    checkPorts(session.inputs, feeds, "input", session.label);
    if (session.outputs.every((port) => isStatic(port.shape))) {
      const results: Record<string, Value> = {};
      for (const { name, dtype, shape } of session.outputs) {
        results[name] = { dtype, shape, data: allocate(dtype, sizeOf(shape)) };
      }
      const run = new BoundRun(session, feeds, results);
      try {
        await run.start();
      } finally {
        run.release();
      }
      return results;
    }
    return runUnbound(session, feeds);
  }

  bind(ports: {
    readonly inputs: Readonly<Record<string, Value>>;
    readonly outputs: Readonly<Record<string, Value>>;
  }): Binding {
    this.open("bind");
    const { session } = this;
    checkPorts(session.inputs, ports.inputs, "input", session.label);
    checkPorts(session.outputs, ports.outputs, "output", session.label);
    checkOverlaps(ports.inputs, ports.outputs, session.label);
    const run = new BoundRun(session, ports.inputs, ports.outputs, () => this.bound.delete(run));
    this.bound.add(run);
    return new NativeBinding(run);
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    unreachable.unregister(this);
    for (const run of this.bound) run.release();
    this.session.drop();
  }

  private open(what: string): void {
    if (!this.released) return;
    throw new EngineError(
      `${this.session.label}: ${what}() after release(); compile the graph again.`,
    );
  }
}
