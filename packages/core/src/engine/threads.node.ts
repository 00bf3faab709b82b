import { availableParallelism } from "node:os";
import { EngineError } from "./errors.ts";

/** Threads to compute with: `TENSORLANE_THREADS`, or all cores this process may use. */
export function threadsWanted(variable = process.env.TENSORLANE_THREADS): number {
  if (variable === undefined || variable === "") return availableParallelism();
  const threads = Number(variable);
  if (Number.isInteger(threads) && threads >= 1 && threads <= 1024) return threads;
  throw new EngineError(
    `TENSORLANE_THREADS is "${variable}": give a whole number from 1 to 1024, or unset it for all cores.`,
  );
}

/** Whether idle threads wait actively: yes, unless `TENSORLANE_SPINNING` is 0. */
export function spinningWanted(variable = process.env.TENSORLANE_SPINNING): boolean {
  if (variable === undefined || variable === "" || variable === "1") return true;
  if (variable === "0") return false;
  throw new EngineError(`TENSORLANE_SPINNING is "${variable}": give 0 or 1, or unset it for 1.`);
}
