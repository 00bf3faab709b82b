import type { Binding, Value } from "../engine.ts";
import { busyBinding, EngineError, releasedBinding } from "../errors.ts";
import { copyData } from "../ports.ts";
import type { Pointer } from "./library.ts";
import { type Session, tensorOver } from "./session.ts";

/**
 * A run that last took less than this, in ms, may be done by the calling thread: handing it to another and back costs some
 * 40 µs and the caches (LeNet-5's step 3.4 -> 3.15 ms, its inference 0.75 -> 0.70).
 */
const SHORT = 4;
/** It is, unless this many ms have gone by since a run was handed over, when the event loop had a turn for certain. */
const TURN_EVERY = 10;
let handedOverAt = Number.NEGATIVE_INFINITY;

/**
 * An OrtIoBinding and the memory it points into. Kept apart from `NativeBinding`, which the user holds,
 * so that a registry can release it when that one is collected.
 */
export class BoundRun {
  private readonly session: Session;
  private readonly pointer: Pointer;
  private readonly values: readonly (readonly [name: string, value: Value, bytes: number])[];
  private readonly onRelease: (() => void) | undefined;
  /** Outputs that are inputs of the graph, under the same name: [from, to]. */
  private readonly passed: readonly (readonly [Value, Value])[];
  private running = false;
  private released = false;
  /** Milliseconds that the latest run took. */
  private latest = Number.POSITIVE_INFINITY;

  constructor(
    session: Session,
    inputs: Readonly<Record<string, Value>>,
    outputs: Readonly<Record<string, Value>>,
    onRelease?: () => void,
  ) {
    const { library } = session.env;
    this.session = session;
    this.values = [...Object.entries(inputs), ...Object.entries(outputs)].map(
      ([name, value]) => [name, value, value.data.byteLength] as const,
    );
    this.onRelease = onRelease;
    // ONNX Runtime leaves the memory bound to such an output untouched.
    this.passed = Object.entries(outputs).flatMap(([name, to]) =>
      Object.hasOwn(inputs, name) ? [[inputs[name], to] as const] : [],
    );
    this.pointer = library.get("createIoBinding", session.label, session.pointer);
    const attach = (call: "bindInput" | "bindOutput", values: Readonly<Record<string, Value>>) => {
      for (const [name, value] of Object.entries(values)) {
        const tensor = tensorOver(session.env, value, session.label);
        try {
          library.check(call, session.label, this.pointer, name, tensor);
        } finally {
          // The binding holds its own reference.
          library.release("releaseValue", tensor);
        }
      }
    };
    try {
      attach("bindInput", inputs);
      attach("bindOutput", outputs);
    } catch (error) {
      library.release("releaseIoBinding", this.pointer);
      throw error;
    }
    session.hold();
  }

  async start(): Promise<void> {
    const { session, pointer } = this;
    if (this.released) {
      throw new EngineError(releasedBinding(session.label));
    }
    if (this.running) {
      throw new EngineError(busyBinding(session.label));
    }
    this.checkAttached();
    const { library } = session.env;
    const { label } = session;
    const start = performance.now();
    // What has one thread is meant to run beside others.
    const isBrief =
      !session.singleThreaded && this.latest < SHORT && start - handedOverAt < TURN_EVERY;
    if (isBrief) library.check("runWithBinding", label, session.pointer, null, pointer);
    else {
      this.running = true;
      try {
        await library.checkAsync("runWithBinding", label, this, session.pointer, null, pointer);
      } finally {
        this.running = false;
        if (this.released) this.free();
      }
      handedOverAt = performance.now();
    }
    this.latest = performance.now() - start;
    for (const [from, to] of this.passed) copyData(from, to);
  }

  /** Native code would write into freed memory if an array had been transferred since. */
  private checkAttached(): void {
    for (const [name, value, bytes] of this.values) {
      if (value.data.byteLength === bytes) continue;
      throw new EngineError(
        `${this.session.label}: the memory bound to "${name}" is gone (${bytes} bytes then, ` +
          `${value.data.byteLength} now): it was transferred, for example by postMessage. Copy instead.`,
      );
    }
  }

  /** Frees native memory now, or when the run in flight ends. */
  release(): void {
    if (this.released) return;
    this.released = true;
    if (!this.running) this.free();
  }

  private free(): void {
    this.session.env.library.release("releaseIoBinding", this.pointer);
    this.session.drop();
    this.onRelease?.();
  }
}

/** Releases the native side of a binding that nobody can reach any more. */
const unreachable = new FinalizationRegistry<BoundRun>((run) => run.release());

export class NativeBinding implements Binding {
  private readonly bound: BoundRun;

  constructor(bound: BoundRun) {
    this.bound = bound;
    unreachable.register(this, bound, this);
  }

  async run(): Promise<void> {
    await this.bound.start();
  }

  release(): void {
    unreachable.unregister(this);
    this.bound.release();
  }
}
