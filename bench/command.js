// What the benches of tasks share: the command line of ours, and what it ran on.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What a command line of ours answers under --json; throws where it fails. */
export function tensorlane(...args) {
  process.stderr.write(`tensorlane ${args.join(" ")}\n`);
  const { stdout, status } = spawnSync(
    process.execPath,
    [join(root, "packages/cli/bin/tensorlane.js"), ...args, "--json"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  if (status !== 0) throw new Error(`${args.slice(0, 2).join(" ")} ended with status ${status}`);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** The path of a committed result. */
export const resultPath = (name) => join(root, `bench/results/${name}.json`);

export function machine() {
  const { version } = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"));
  return {
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    node: process.version,
    tensorlane: version,
  };
}
