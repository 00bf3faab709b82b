import { CommanderError } from "commander";

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  interrupted: 130,
  terminated: 143,
} as const;

/** What a command's end by an error means to the shell and to the reader. */
export interface Failure {
  readonly code: number;
  readonly name: string;
  /** Undefined where it has been printed already. */
  readonly message: string | undefined;
  /** The stack, for errors that nobody raised on purpose, or on demand. */
  readonly stack: string | undefined;
}

/** Whether the error or one of its classes has this name; modules may be loaded twice, so no instanceof. */
function isNamed(error: Error, name: string): boolean {
  if (error.name === name) return true;
  for (let proto = Object.getPrototypeOf(error); proto; proto = Object.getPrototypeOf(proto)) {
    if (proto.constructor?.name === name) return true;
  }
  return false;
}

/** System errors that are the user's to solve, in words. */
const systemErrors: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  EACCES: "may not be accessed (permission denied)",
  EPERM: "may not be changed (not permitted)",
  EISDIR: "is a folder, not a file",
  ENOTDIR: "is not in a folder (a part of its path is a file)",
  EROFS: "is on a read-only file system",
  ENOSPC: "cannot be written: no space is left on the device",
  EDQUOT: "cannot be written: the disk quota is used up",
};

export function explain(error: unknown, debug: boolean): Failure {
  if (!(error instanceof Error)) {
    return { code: exitCodes.failure, name: "Error", message: String(error), stack: undefined };
  }
  const stack = error.stack ?? error.message;
  const shown = debug ? stack : undefined;
  if (error instanceof CommanderError) {
    const code = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return { code, name: "UsageError", message: undefined, stack: shown };
  }
  if (error.name === "AbortError") {
    return { code: exitCodes.interrupted, name: error.name, message: "interrupted", stack: shown };
  }
  const { name, message } = error;
  if (isNamed(error, "UserError")) return { code: exitCodes.usage, name, message, stack: shown };
  if (isNamed(error, "TensorlaneError")) {
    return { code: exitCodes.failure, name, message, stack: shown };
  }
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && path !== undefined && Object.hasOwn(systemErrors, code)) {
    const text = `${path} ${systemErrors[code]}`;
    return { code: exitCodes.failure, name: code, message: text, stack: shown };
  }
  const report = `${message}\nThis is a mistake in Tensorlane, not in what you did. Please report it.`;
  return { code: exitCodes.failure, name, message: report, stack };
}
