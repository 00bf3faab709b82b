import { availableParallelism } from "node:os";
import { type MessagePort, Worker } from "node:worker_threads";
import { TensorlaneError } from "tensorlane";
import { type Codecs, decodingTools, findCodecs } from "./decoding.ts";
import { type Picture, pixelTools, type RenderTarget, VIEW } from "./pixelTools.ts";
import { resizingTools } from "./resizing.ts";
import { RESIZING_WASM } from "./resizing.wasm.ts";

/** Where a picture comes from: pixels in shared memory, or a file that is decoded when it is needed. */
export type PictureSource =
  | { readonly picture: Picture }
  | {
      readonly path: string;
      /** The shorter side is shrunk to this many pixels. */
      readonly side: number;
      /** After that. */
      readonly width: number;
      readonly height: number;
    };

/** A file to read, or its bytes; the shorter side of the picture is shrunk to `side` pixels. */
export type ToDecode =
  | { readonly path: string; readonly side: number }
  | { readonly bytes: Uint8Array; readonly side: number };

/** Pictures to render, `views` holding VIEW.length numbers for each. */
export interface RenderJob extends Omit<RenderTarget, "out"> {
  readonly sources: readonly PictureSource[];
  readonly views: Float64Array;
  /** (pictures, channels, size, size), over shared memory. */
  readonly out: Float32Array;
}

/** A job that several threads work on: each takes the next picture from `taken`, in shared memory. */
interface SharedJob extends RenderJob {
  readonly taken: Int32Array;
}

interface DecodeJob {
  readonly source: ToDecode;
}

type Job = SharedJob | DecodeJob;

/** What a worker answers. */
interface Answer {
  readonly picture?: Picture;
  readonly error?: string;
}

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** One thread with its queue. */
class PoolWorker {
  readonly pending: Pending[] = [];
  private readonly worker: Worker;

  constructor(codecs: Codecs) {
    // The program is these functions' own source text; `import` and `require` stand in the string because
    // bundlers and test runners rewrite them elsewhere.
    this.worker = new Worker(
      `const resizing = (${resizingTools})(${JSON.stringify(RESIZING_WASM)});
      (${serve})(
        require("node:worker_threads").parentPort,
        resizing,
        (${pixelTools})(${JSON.stringify(VIEW)}, resizing.spread),
        (${decodingTools})({
          codecs: ${JSON.stringify(codecs)},
          load: (url) => import(url),
          readFile: require("node:fs/promises").readFile,
        }),
        require("node:fs").readFileSync,
      );`,
      { eval: true },
    );
    this.worker.on("message", (answer: Answer) => {
      const { resolve } = this.pending.shift()!;
      if (this.pending.length === 0) this.worker.unref();
      resolve(answer);
    });
    this.worker.on("error", (cause) => {
      const message = `images: the worker stopped: ${cause.message}`;
      for (const { reject } of this.pending.splice(0)) {
        reject(new TensorlaneError(message, { cause }));
      }
    });
    this.worker.unref();
  }

  run(job: Job): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.pending.push({ resolve, reject });
      // Keeps the process alive as long as somebody waits.
      this.worker.ref();
      this.worker.postMessage(job);
    });
  }

  stop(): void {
    void this.worker.terminate();
  }
}

/**
 * Threads that decode and render pictures. What they are to do is drawn beforehand, so the result does not
 * depend on how many there are.
 */
export class ImagePool {
  private readonly workers: readonly PoolWorker[];

  /** @param threads by default one for each core but one, at most four: the engine computes meanwhile */
  constructor(threads = Math.max(1, Math.min(4, availableParallelism() - 1))) {
    const codecs = findCodecs();
    this.workers = Array.from({ length: threads }, () => new PoolWorker(codecs));
  }

  /** The thread with the shortest queue. */
  private get idlest(): PoolWorker {
    return this.workers.reduce((a, b) => (b.pending.length < a.pending.length ? b : a));
  }

  /** Renders all pictures of a job into its `out`, all threads together. */
  async render(job: RenderJob): Promise<void> {
    const taken = new Int32Array(new SharedArrayBuffer(4));
    const threads = [...this.workers].sort((a, b) => a.pending.length - b.pending.length);
    const used = threads.slice(0, job.sources.length);
    const answers = await Promise.all(used.map((worker) => worker.run({ ...job, taken })));
    for (const { error } of answers) {
      if (error !== undefined) throw new TensorlaneError(`images: ${error}`);
    }
  }

  /** Reads an image file (or its bytes); what is wrong with it is an answer, not an exception. */
  async decode(source: ToDecode): Promise<Answer> {
    return this.idlest.run({ source });
  }

  /** Ends the threads. */
  close(): void {
    for (const worker of this.workers) worker.stop();
  }
}

/** The worker's side; it may refer to nothing outside itself. */
function serve(
  port: MessagePort,
  resizing: ReturnType<typeof resizingTools>,
  pixels: ReturnType<typeof pixelTools>,
  images: ReturnType<typeof decodingTools>,
  readFile: (path: string) => Uint8Array,
): void {
  const decode = async (source: ToDecode): Promise<Picture> => {
    const image = await images.decode("bytes" in source ? source.bytes : readFile(source.path));
    const { width, height } = resizing.shrunk(image, source.side);
    return resizing.scaled(image, width, height);
  };
  const render = async (job: SharedJob, i: number): Promise<void> => {
    const { sources, views, size } = job;
    const source = sources[i]!;
    const area = job.out.length / sources.length;
    const at = i * (views.length / sources.length);
    const target = { ...job, out: job.out.subarray(i * area, (i + 1) * area) };
    if ("picture" in source) return pixels.render(source.picture, views, at, target);
    // Reading takes the thread less time than waiting for another one to read.
    const image = await images.decode(readFile(source.path)).catch((error: Error) => {
      throw new Error(`${source.path}: ${error.message}`);
    });
    const whole = resizing.shrunk(image, source.side);
    const box = pixels.seen(views, at, size, whole);
    const part = resizing.part(image, whole.width, whole.height, box);
    pixels.render(part, views, at, target, box);
  };
  const work = async (job: Job): Promise<Answer> => {
    if ("source" in job) return { picture: await decode(job.source) };
    const next = () => Atomics.add(job.taken, 0, 1);
    for (let i = next(); i < job.sources.length; i = next()) await render(job, i);
    return {};
  };
  let last = Promise.resolve();
  port.on("message", (job: Job) => {
    // One after the other, so that answers come in the order of the questions.
    last = last.then(async () => {
      const answer = await work(job).catch((error: Error): Answer => ({ error: error.message }));
      port.postMessage(answer, answer.picture ? [answer.picture.data.buffer as ArrayBuffer] : []);
    });
  });
}
