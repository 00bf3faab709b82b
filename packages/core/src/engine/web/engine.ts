import { CopyingEngine, fatal, type OrtModule } from "../copying.ts";
import type { Engine } from "../engine.ts";
import { EngineError } from "../errors.ts";
import { pinnedVersion } from "../version.ts";

/** onnxruntime-web's module, as far as this engine uses it. */
interface WebModule extends OrtModule {
  readonly env: {
    logLevel?: string;
    readonly versions: { readonly web?: string };
    readonly wasm: { numThreads?: number };
  };
}

export interface WebOptions {
  /** Loads onnxruntime-web; default: its build with WebAssembly only. */
  readonly load?: () => Promise<unknown>;
  /** WebAssembly threads; default: all cores where memory can be shared, otherwise 1. */
  readonly threads?: number;
  /** Why this engine was chosen over a faster one. */
  readonly reason?: string;
}

/**
 * ONNX Runtime as WebAssembly: runs anywhere, copies every tensor on every run, and computes on the
 * calling thread, so the event loop waits for a run. Threads need a page with COOP and COEP headers.
 */
export async function createWebEngine(options: WebOptions = {}): Promise<Engine> {
  const load = options.load ?? (() => import("onnxruntime-web/wasm"));
  const ort = (await load()) as WebModule;
  const version = ort.env.versions.web ?? "unknown";
  if (version !== pinnedVersion) {
    throw new EngineError(
      `onnxruntime-web is ${version}, but this release of Tensorlane is made for ${pinnedVersion}. ` +
        `Run npm install onnxruntime-web@${pinnedVersion} (exactly).`,
    );
  }
  const threads = options.threads ?? threadsPossible();
  // Settings count only until the first session; failures arrive as errors, not as log lines.
  ort.env.logLevel = "fatal";
  ort.env.wasm.numThreads = threads;
  const info = {
    name: "wasm" as const,
    version,
    threads,
    providers: ["WebAssembly"],
    zeroCopy: false,
    reason: options.reason ?? "",
  };
  return new CopyingEngine(ort, info, { executionProviders: ["wasm"], logSeverityLevel: fatal });
}

function threadsPossible(): number {
  const { crossOriginIsolated, navigator } = globalThis as {
    crossOriginIsolated?: boolean;
    navigator?: { hardwareConcurrency?: number };
  };
  return crossOriginIsolated ? (navigator?.hardwareConcurrency ?? 1) : 1;
}
