import { spinningWanted, threadsWanted } from "../threads.node.ts";
import type { Library, Pointer } from "./library.ts";

export interface EnvironmentOptions {
  /** Threads of the pool shared by all sessions, the calling one included. Default: all cores. */
  readonly threads?: number;
  /**
   * Whether idle threads of the pool wait actively. Default: yes, unless TENSORLANE_SPINNING is 0.
   *
   * Measured on 2 cores, in ms for a run (spinning / not): 50 products of 64x256 by 256x256 with tanh
   * between them 2.3 / 3.3, three products of 1024x1024 21 / 21, 200 elementwise nodes on 4096 numbers
   * 0.19 / 0.19. With both cores busy elsewhere the first is 5.2 / 3.0: switch it off on a shared machine.
   */
  readonly spinning?: boolean;
}

/**
 * The process's one OrtEnv: global thread pools that all sessions share (a pool each would starve few
 * cores). It is never released: sessions may outlive any owner, and the process's end takes it along.
 */
export class Environment {
  readonly library: Library;
  readonly threads: number;
  readonly pointer: Pointer;
  readonly memoryInfo: Pointer;
  /** ONNX Runtime's own allocator, for the names that it hands out. */
  readonly allocator: Pointer;
  readonly sessions = new Set<{ readonly bytes: number }>();
  readonly spinning: boolean;
  /**
   * Whether sessions share the global thread pools. The environment is one for the whole process: where
   * onnxruntime-node made it first, there are none, and every session gets threads of its own.
   */
  sharesThreads = true;

  constructor(library: Library, options: EnvironmentOptions = {}) {
    const label = "ONNX Runtime environment";
    this.library = library;
    this.threads = options.threads ?? threadsWanted();
    this.spinning = options.spinning ?? spinningWanted();
    const threading = library.get("createThreadingOptions", label);
    library.check("setGlobalIntraOpNumThreads", label, threading, this.threads);
    library.check("setGlobalInterOpNumThreads", label, threading, 1);
    library.check("setGlobalSpinControl", label, threading, this.spinning ? 1 : 0);
    this.pointer = library.get(
      "createEnvWithGlobalThreadPools",
      label,
      severityFatal,
      "tensorlane",
      threading,
    );
    library.release("releaseThreadingOptions", threading);
    this.memoryInfo = library.get("createCpuMemoryInfo", label, deviceAllocator, defaultMemory);
    this.allocator = library.get("getAllocatorWithDefaultOptions", label);
  }

  /** Native bytes held by live sessions, as far as known. */
  get memory(): number {
    let sum = 0;
    for (const { bytes } of this.sessions) sum += bytes;
    return sum;
  }
}

/** What fails is reported by status and thrown; "error" would tell it a second time, on stderr. */
const severityFatal = 4;
const deviceAllocator = 0;
const defaultMemory = 0;
