import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
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

const bin = fileURLToPath(new URL("../../cli/bin/tensorlane.js", import.meta.url));

/** Starts the command `tensorlane` in a folder, as a process of its own. */
export function startCommand(cwd: string, args: readonly string[]) {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    child.on("close", (code) => resolve({ code, out, err }));
  });
  return { child, ended };
}
