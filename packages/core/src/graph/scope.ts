/** Which module's forward is running: nodes made meanwhile carry its path into names and errors. */
const stack: string[] = [];

export const currentPath = (): string => stack.at(-1) ?? "";

export function withPath<T>(path: string, run: () => T): T {
  stack.push(path);
  try {
    return run();
  } finally {
    stack.pop();
  }
}
