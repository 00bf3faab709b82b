import { availableParallelism } from "node:os";
import { type MessagePort, Worker } from "node:worker_threads";
import { TensorlaneError } from "tensorlane";
import { type Codecs, decodingTools, findCodecs } from "./decoding.ts";
import { type Picture, pixelTools, type RenderTarget, VIEW } from "./pixelTools.ts";

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

interface DecodeJob {
  readonly source: ToDecode;
}

type Job = RenderJob | DecodeJob;

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
      `(${serve})(
        require("node:worker_threads").parentPort,
        (${pixelTools})(${JSON.stringify(VIEW)}),
        (${decodingTools})({
          codecs: ${JSON.stringify(codecs)},
          load: (url) => import(url),
          readFile: require("node:fs/promises").readFile,
        }),
        require("node:fs/promises").readFile,
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

  /** Renders all pictures of a job into its `out`, in equal parts on all threads. */
  async render({ sources, views, out, ...target }: RenderJob): Promise<void> {
    const share = Math.ceil(sources.length / this.workers.length);
    const size = out.length / sources.length;
    const parts: Promise<Answer>[] = [];
    for (let from = 0; from < sources.length; from += share) {
      const to = Math.min(from + share, sources.length);
      parts.push(
        this.idlest.run({
          ...target,
          sources: sources.slice(from, to),
          views: views.slice(from * VIEW.length, to * VIEW.length),
          out: out.subarray(from * size, to * size),
        }),
      );
    }
    for (const { error } of await Promise.all(parts)) {
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
  pixels: ReturnType<typeof pixelTools>,
  images: ReturnType<typeof decodingTools>,
  readFile: (path: string) => Promise<Uint8Array>,
): void {
  const pictureOf = async (source: PictureSource | ToDecode): Promise<Picture> => {
    if ("picture" in source) return source.picture;
    const bytes = "bytes" in source ? source.bytes : await readFile(source.path);
    return pixels.shrink(await images.decode(bytes), source.side);
  };
  const work = async (job: Job): Promise<Answer> => {
    if ("source" in job) return { picture: await pictureOf(job.source) };
    const { sources, views, out, ...rest } = job;
    const area = out.length / sources.length;
    const stride = views.length / sources.length;
    for (const [i, source] of sources.entries()) {
      const target = { ...rest, out: out.subarray(i * area, (i + 1) * area) };
      pixels.render(await pictureOf(source), views, i * stride, target);
    }
    return {};
  };
  let last = Promise.resolve();
  port.on("message", (job: Job) => {
    // One after the other, so that answers come in the order of the questions.
    last = last.then(async () => {
      const answer = await work(job).catch((error: Error): Answer => ({ error: error.message }));
      port.postMessage(answer);
    });
  });
}
