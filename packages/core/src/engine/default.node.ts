import { createBindingEngine } from "./binding/engine.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { threadsWanted } from "./threads.node.ts";
import { createWebEngine } from "./web/engine.ts";

export { fillRandomAsync, sharedFloats } from "../random/fill.node.ts";

type Name = Engine["info"]["name"];

const makers: Record<Name, (reason: string) => Promise<Engine>> = {
  native: async () => {
    // Imported here: koffi itself may be what cannot load.
    const { createNativeEngine } = await import("./native/engine.ts");
    return createNativeEngine();
  },
  "node-binding": (reason) => createBindingEngine({ threads: threadsWanted(), reason }),
  wasm: (reason) =>
    createWebEngine({ load: () => import("onnxruntime-web"), threads: threadsWanted(), reason }),
};

const order: readonly Name[] = ["native", "node-binding", "wasm"];
let chosen: Promise<Engine> | undefined;

/**
 * The engine of this process: the native one, or where it cannot load the next best, with a process
 * warning. `TENSORLANE_ENGINE` (native, node-binding, wasm) names one, which then must load.
 */
export function defaultEngine(): Promise<Engine> {
  chosen ??= chooseEngine(process.env.TENSORLANE_ENGINE, makers);
  return chosen;
}

/** The choice itself, over any makers. */
export async function chooseEngine(
  wanted: string | undefined,
  all: Record<Name, (reason: string) => Promise<Engine>>,
): Promise<Engine> {
  if (wanted) {
    if (!Object.hasOwn(all, wanted)) {
      throw new EngineError(
        `TENSORLANE_ENGINE is "${wanted}": give one of ${order.join(", ")}, or unset it.`,
      );
    }
    try {
      return await all[wanted as Name]("chosen by TENSORLANE_ENGINE");
    } catch (cause) {
      throw new EngineError(
        `TENSORLANE_ENGINE is "${wanted}", which cannot load: ${messageOf(cause)}. ` +
          "Unset it to let Tensorlane choose.",
        { cause },
      );
    }
  }
  const failures: string[] = [];
  for (const name of order) {
    const reason = failures.join("; ");
    try {
      const engine = await all[name](reason);
      if (reason) process.emitWarning(`Tensorlane runs on the slower engine ${name}: ${reason}`);
      return engine;
    } catch (error) {
      failures.push(`${name} cannot load: ${messageOf(error)}`);
    }
  }
  throw new EngineError(`no engine can load here. ${failures.join(". ")}.`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
