import { fillRandom, type RandomFill } from "../random/fill.ts";
import type { Engine } from "./engine.ts";
import { createWebEngine } from "./web/engine.ts";

let chosen: Promise<Engine> | undefined;

/** The engine of this page or worker: WebAssembly. */
export function defaultEngine(): Promise<Engine> {
  chosen ??= createWebEngine();
  return chosen;
}

/** Fills arrays with random numbers; in the browser at once, on the calling thread. */
export async function fillRandomAsync(fills: readonly RandomFill[]): Promise<void> {
  for (const { target, distribution, key, offset } of fills) {
    fillRandom(target, distribution, key, offset);
  }
}

/** A float32 array for random numbers. */
export function sharedFloats(size: number): Float32Array {
  return new Float32Array(size);
}
