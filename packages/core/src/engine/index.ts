export { ExecutableCache } from "./cache.ts";
export type {
  Binding,
  CompileOptions,
  Engine,
  EngineInfo,
  Executable,
  Port,
  Value,
} from "./engine.ts";
export { EngineError } from "./errors.ts";
export { pinnedVersion } from "./version.ts";
export { createWebEngine, type WebOptions } from "./web/engine.ts";
