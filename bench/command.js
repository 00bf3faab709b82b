// What the benches of tasks share: the command line of ours, what it ran on, and runs that are written down.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

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

/** The options of a run in a folder, with which one that is there goes on. */
export const runIn = (out) => [
  "--out",
  out,
  ...(existsSync(join(out, "run.json")) ? ["--resume"] : []),
];

/** The path of a committed result. */
export const resultPath = (name) => join(root, `bench/results/${name}.json`);

export function machine() {
  const { version } = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"));
  return {
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    // Fewer than there are cores, where asked for.
    ...(process.env.TENSORLANE_THREADS && { threads: Number(process.env.TENSORLANE_THREADS) }),
    node: process.version,
    tensorlane: version,
  };
}

/**
 * Trains runs of a task, each by its options, and writes what they came to in bench/results/TASK.json; arguments
 * name some of them (the others' figures stay), and `--out DIR` a folder to go on in.
 */
export function trainRuns(task, jobs) {
  const { values, positionals } = parseArgs({
    options: { out: { type: "string" } },
    allowPositionals: true,
  });
  const folder = values.out ?? mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
  const path = resultPath(task);
  // Each run names its own machine; in older files, one stands for the runs that do not.
  const before = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { runs: {} };
  const { runs } = before;
  for (const name of positionals.length > 0 ? positionals : Object.keys(jobs)) {
    if (!Object.hasOwn(jobs, name)) {
      throw new Error(`no run "${name}"; there are ${Object.keys(jobs).join(", ")}`);
    }
    const line = ["train", task, ...jobs[name], "--seed", "1"];
    const { train, metrics } = tensorlane(...line, ...runIn(join(folder, name)));
    const { parameters, losses, validation, bestEpoch, steps, seconds } = train;
    runs[name] = {
      command: `tensorlane ${line.join(" ")}`,
      ...{ parameters, epochs: losses.length, bestEpoch, steps, seconds },
      ...{ validation: validation[bestEpoch - 1], metrics, losses, validations: validation },
      machine: machine(),
    };
    // After each run: what is measured stays, also where a later one fails.
    const common = before.machine ?? machine();
    writeFileSync(path, `${JSON.stringify({ machine: common, seed: 1, runs }, null, 2)}\n`);
    process.stderr.write(`written: ${path}\n`);
  }
  if (values.out === undefined) rmSync(folder, { recursive: true, force: true });
}
