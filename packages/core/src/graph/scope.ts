import { TensorlaneError } from "../errors.ts";

/** Which module's forward is running: nodes made meanwhile carry its path into names and errors. */
const stack: string[] = [];

export const currentPath = (): string => stack.at(-1) ?? "";

/** Runs a forward under its module's path; errors name the module, the innermost one, in which they arose. */
export function withPath<T>(path: string, run: () => T): T {
  stack.push(path);
  try {
    return run();
  } catch (error) {
    if (!path || !(error instanceof TensorlaneError) || error.message.startsWith("in "))
      throw error;
    throw new TensorlaneError(`in ${path}: ${error.message}`, { cause: error });
  } finally {
    stack.pop();
  }
}
