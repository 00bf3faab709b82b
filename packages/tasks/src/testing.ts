import type { TaskUi } from "./task.ts";

/** A display for tests, which keeps what it is told. */
export function quietUi() {
  const said: string[] = [];
  const written: string[] = [];
  const ui: TaskUi = {
    signal: new AbortController().signal,
    notice: (text) => void said.push(text),
    warn: (text) => void said.push(text),
    progress: () => ({ update: () => {}, stop: () => {} }),
    table: () => {},
    write: (text) => void written.push(text),
  };
  return { ui, said, written };
}
