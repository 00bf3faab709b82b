import { type MessagePort, Worker } from "node:worker_threads";
import { TensorlaneError } from "../errors.ts";
import { type FillOrder, generator, orderOf, type RandomFill } from "./fill.ts";

/**
 * Up to this many numbers are drawn at once on the calling thread: that takes about 0.1 ms, which is what
 * asking a worker costs.
 */
const inlineLimit = 16_384;

interface Job {
  readonly order: FillOrder;
  readonly length: number;
  /** Memory that both threads see; without it the worker sends the numbers back. */
  readonly shared?: Float32Array;
}

interface Pending {
  readonly fills: readonly RandomFill[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Fills arrays off the main thread (small ones at once). The arrays must not be read or written until the
 * promise settles. Arrays over a SharedArrayBuffer, as `sharedFloats` makes them, are filled in place;
 * others cost one copy.
 */
export async function fillRandomAsync(fills: readonly RandomFill[]): Promise<void> {
  const orders = fills.map(orderOf);
  const size = fills.reduce((sum, { target }) => sum + target.length, 0);
  if (size <= inlineLimit) {
    for (const [i, { target }] of fills.entries()) local.fill(target, orders[i]);
    return;
  }
  const jobs = fills.map(({ target }, i): Job => {
    const shared = target.buffer instanceof SharedArrayBuffer ? target : undefined;
    return { order: orders[i], length: target.length, shared };
  });
  await new Promise<void>((resolve, reject) => {
    crew ??= new Crew();
    crew.send(jobs, { fills, resolve, reject });
  });
}

/** A float32 array that worker threads and native code can both use without a copy. */
export function sharedFloats(size: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(4 * size));
}

const local = generator();
let crew: Crew | undefined;

/** One worker: the engine's threads need the other cores, and it draws far faster than nets consume. */
class Crew {
  private readonly worker: Worker;
  private readonly pending: Pending[] = [];

  constructor() {
    // The program is these functions' own source text: no file that a bundler or a test runner would have
    // to find and compile. `require` stands in the string because bundlers rename it elsewhere.
    this.worker = new Worker(
      `(${serve})(require("node:worker_threads").parentPort, (${generator})());`,
      { eval: true },
    );
    this.worker.on("message", (results: readonly (Float32Array | undefined)[]) => {
      const { fills, resolve } = this.pending.shift()!;
      for (const [i, result] of results.entries()) if (result) fills[i].target.set(result);
      this.rest();
      resolve();
    });
    this.worker.on("error", (error) => this.fail(error));
    this.worker.unref();
  }

  send(jobs: readonly Job[], pending: Pending): void {
    this.pending.push(pending);
    // Keeps the process alive as long as somebody waits.
    this.worker.ref();
    this.worker.postMessage(jobs);
  }

  private rest(): void {
    if (this.pending.length === 0) this.worker.unref();
  }

  private fail(cause: Error): void {
    crew = undefined;
    for (const { reject } of this.pending.splice(0)) {
      reject(
        new TensorlaneError(`random numbers: the worker stopped: ${cause.message}`, { cause }),
      );
    }
  }
}

/** The worker's side; like `generator` it may refer to nothing outside itself. */
function serve(port: MessagePort, local: ReturnType<typeof generator>): void {
  port.on("message", (jobs: readonly Job[]) => {
    const results = jobs.map(({ order, length, shared }) => {
      const target = shared ?? new Float32Array(length);
      local.fill(target, order);
      return shared ? undefined : target;
    });
    const buffers = results.flatMap((result) => (result ? [result.buffer as ArrayBuffer] : []));
    port.postMessage(results, buffers);
  });
}
