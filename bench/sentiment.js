#!/usr/bin/env node
// Trains the sentiment networks on the Stanford Sentiment Treebank and writes the figures that README quotes.
//
//   npm run bench:sentiment           (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:sentiment -- rntn   (only these models; the others' figures stay)
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const path = join(root, "bench/results/sentiment.json");
const all = ["treelstm", "rntn", "recursive", "lstm", "bilstm", "average"];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all;
const results = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { models: {} };

const folder = mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
for (const model of chosen) {
  const command = ["train", "sentiment", "--data", "sst", "--model", model, "--seed", "1"];
  process.stderr.write(`tensorlane ${command.join(" ")}\n`);
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      join(root, "packages/cli/bin/tensorlane.js"),
      ...[...command, "--out", join(folder, model), "--json"],
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  if (status !== 0) throw new Error(`training ${model} ended with status ${status}`);
  const { train, metrics } = JSON.parse(stdout.trim().split("\n").at(-1));
  const { dev, bestEpoch, steps, parameters, seconds } = train;
  const { accuracy, binary, nodes, confusion } = metrics;
  results.models[model] = {
    ...{ accuracy, binary, nodes, dev: dev[bestEpoch - 1], bestEpoch, steps, parameters, seconds },
    confusion,
  };
  results.baselines = metrics.baselines;
  const { version } = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"));
  results.machine = {
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    node: process.version,
    tensorlane: version,
  };
  // After each model: what is measured stays, also where a later one fails.
  const { machine, baselines, models } = results;
  writeFileSync(path, `${JSON.stringify({ machine, seed: 1, baselines, models }, null, 2)}\n`);
  process.stderr.write(`written: ${path}\n`);
}
rmSync(folder, { recursive: true, force: true });
