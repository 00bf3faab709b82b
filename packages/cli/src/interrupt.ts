import { exitCodes } from "./failure.ts";

/** One Ctrl-C under `npm start` comes twice: from the terminal and from npm. That is not a second wish. */
const echoMs = 500;

export interface Interruption {
  readonly signal: AbortSignal;
  /** The exit code that the signal calls for, once one came. */
  code(): number | undefined;
  release(): void;
}

/** The first signal asks the command to finish its step and save; a second one ends it at once. */
export function onInterrupt(announce: () => void): Interruption {
  const controller = new AbortController();
  let code: number | undefined;
  let firstAt = 0;
  const handle = (signal: NodeJS.Signals): void => {
    if (code !== undefined) {
      if (Date.now() - firstAt < echoMs) return;
      release();
      process.kill(process.pid, signal);
      return;
    }
    firstAt = Date.now();
    code = signal === "SIGINT" ? exitCodes.interrupted : exitCodes.terminated;
    announce();
    controller.abort();
  };
  const release = (): void => {
    process.off("SIGINT", handle);
    process.off("SIGTERM", handle);
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return { signal: controller.signal, code: () => code, release };
}
