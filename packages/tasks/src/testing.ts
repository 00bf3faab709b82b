import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
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

/**
 * Trains twice by the same command line: `straight` to its end; and `killed` (SIGKILL) as soon as the run has
 * `saved` that file, then resumed.
 *
 * @example const { resumed, same } = await killAndResume(scratch, ["train", "names"], "state.safetensors");
 */
export async function killAndResume(cwd: string, line: readonly string[], saved: string) {
  const run = (out: string, ...more: readonly string[]) =>
    startCommand(cwd, [...line, "--out", out, "--json", ...more]);
  const straight = await run("straight").ended;
  const { child, ended } = run("killed");
  while (!existsSync(join(cwd, "killed", saved))) {
    if (child.exitCode !== null) throw new Error(`nothing was saved: ${(await ended).err}`);
    await setTimeout(5);
  }
  child.kill("SIGKILL");
  await ended;
  if (existsSync(join(cwd, "killed", "results.json"))) throw new Error("it was killed too late");
  const resumed = await run("killed", "--resume").ended;
  const bytes = (out: string, file: string) => readFileSync(join(cwd, out, file));
  const same = (file: string) => bytes("straight", file).equals(bytes("killed", file));
  return { straight, resumed, same };
}
