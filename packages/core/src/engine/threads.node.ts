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
export const spinningWanted = (variable = process.env.TENSORLANE_SPINNING): boolean =>
  isOn("TENSORLANE_SPINNING", variable, true);

/** Whether graphs are rewritten for the blocked layout: yes, unless `TENSORLANE_BLOCKED` is 0. */
export const blockedWanted = (variable = process.env.TENSORLANE_BLOCKED): boolean =>
  isOn("TENSORLANE_BLOCKED", variable, true);

function isOn(name: string, variable: string | undefined, otherwise: boolean): boolean {
  if (variable === undefined || variable === "") return otherwise;
  if (variable === "1" || variable === "0") return variable === "1";
  throw new EngineError(
    `${name} is "${variable}": give 0 or 1, or unset it for ${otherwise ? 1 : 0}.`,
  );
}
