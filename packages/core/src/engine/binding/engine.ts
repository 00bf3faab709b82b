import { CopyingEngine, fatal, type OrtModule } from "../copying.ts";
import type { Engine } from "../engine.ts";
import { EngineError } from "../errors.ts";
import { pinnedVersion } from "../version.ts";

interface NodeModule extends OrtModule {
  readonly env: { logLevel?: string; readonly versions: { readonly node?: string } };
}

export interface BindingOptions {
  readonly threads: number;
  /** Why this engine was chosen over a faster one. */
  readonly reason?: string;
}

/**
 * ONNX Runtime through onnxruntime-node's own addon: as native as it gets without FFI, but it copies
 * every tensor on every run and blocks the event loop meanwhile.
 */
export async function createBindingEngine(options: BindingOptions): Promise<Engine> {
  const ort = (await import("onnxruntime-node")) as unknown as NodeModule;
  const version = ort.env.versions.node ?? "unknown";
  if (version !== pinnedVersion) {
    throw new EngineError(
      `onnxruntime-node is ${version}, but this release of Tensorlane is made for ${pinnedVersion}. ` +
        `Run npm install --ignore-scripts onnxruntime-node@${pinnedVersion} (exactly).`,
    );
  }
  ort.env.logLevel = "fatal";
  const info = {
    name: "node-binding" as const,
    version,
    threads: options.threads,
    providers: ["CPUExecutionProvider"],
    zeroCopy: false,
    reason: options.reason ?? "",
  };
  return new CopyingEngine(ort, info, {
    executionProviders: ["cpu"],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    logSeverityLevel: fatal,
  });
}
