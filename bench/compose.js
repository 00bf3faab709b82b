#!/usr/bin/env node
// Trains the models that compose, judges what they write, and writes the figures that README quotes.
//
//   npm run bench:compose                       (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:compose -- rolls              (only these runs; the others' figures stay)
//   npm run bench:compose -- rolls --out DIR    (goes on with the runs that DIR holds)
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine, resultPath, tensorlane } from "./command.js";

const jobs = {
  published: ["--data", "nottingham-roll", "--published"],
  rolls: ["--data", "nottingham-roll"],
  tunes: ["--data", "nottingham"],
};

const { values, positionals } = parseArgs({
  options: { out: { type: "string" } },
  allowPositionals: true,
});
const folder = values.out ?? mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
const path = resultPath("compose");
const runs = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).runs : {};

for (const name of positionals.length > 0 ? positionals : Object.keys(jobs)) {
  if (!Object.hasOwn(jobs, name)) {
    throw new Error(`no run "${name}"; there are ${Object.keys(jobs).join(", ")}`);
  }
  const line = ["train", "compose", ...jobs[name], "--model", "lstm", "--seed", "1"];
  const { train, metrics } = tensorlane(...line, "--out", join(folder, name), "--resume");
  const { parameters, losses, validation, bestEpoch, steps, seconds } = train;
  const epochs = losses.length;
  runs[name] = {
    command: `tensorlane ${line.join(" ")}`,
    ...{ parameters, epochs, bestEpoch, steps, seconds },
    ...{ validation: validation[bestEpoch - 1], metrics, losses, validations: validation },
  };
  // After each run: what is measured stays, also where a later one fails.
  writeFileSync(path, `${JSON.stringify({ machine: machine(), seed: 1, runs }, null, 2)}\n`);
  process.stderr.write(`written: ${path}\n`);
}
if (values.out === undefined) rmSync(folder, { recursive: true, force: true });
