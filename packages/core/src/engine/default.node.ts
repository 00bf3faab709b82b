import type { Engine } from "./engine.ts";
import { createNativeEngine } from "./native/engine.ts";

let chosen: Promise<Engine> | undefined;

/** The fastest engine that works here. */
export function defaultEngine(): Promise<Engine> {
  chosen ??= Promise.resolve().then(() => createNativeEngine());
  return chosen;
}
