#!/usr/bin/env node
// Trains every forecaster on the published sets and writes the figures that README quotes.
//
//   npm run bench:forecast            (needs the network, or TENSORLANE_DATA_MIRROR)
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const runs = [
  { data: "los-loop", models: "rnn,lstm,gru,bilstm,deep-lstm,graph-gru" },
  { data: "pems-flow", models: "rnn,lstm,gru,bilstm,deep-lstm" },
  { data: "hangzhou-metro", models: "lstm,gru" },
];

const folder = mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
const results = [];
for (const { data, models } of runs) {
  const command = ["train", "forecast", "--data", data, "--model", models, "--seed", "1"];
  process.stderr.write(`tensorlane ${command.join(" ")}\n`);
  const out = join(folder, data);
  const { stdout, status } = spawnSync(
    process.execPath,
    [join(root, "packages/cli/bin/tensorlane.js"), ...command, "--out", out, "--json"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  if (status !== 0) throw new Error(`training on ${data} ended with status ${status}`);
  const result = JSON.parse(stdout.trim().split("\n").at(-1));
  if (result.simulated)
    throw new Error(`${data} was out of reach: simulated figures are not quoted`);
  const { models: scores, baselines } = result.metrics;
  results.push({
    data,
    seed: 1,
    models: Object.fromEntries(
      Object.entries(scores).map(([name, { horizons }]) => {
        const { parameters, seconds } = result.train.models[name];
        return [name, { parameters, seconds, horizons }];
      }),
    ),
    baselines: Object.fromEntries(
      Object.entries(baselines).map(([name, { horizons }]) => [name, { horizons }]),
    ),
  });
}
rmSync(folder, { recursive: true, force: true });

const { version } = JSON.parse(readFileSync(join(root, "packages/core/package.json"), "utf8"));
const machine = {
  cpu: cpus()[0].model,
  cores: availableParallelism(),
  node: process.version,
  tensorlane: version,
};
const path = join(root, "bench/results/forecast.json");
writeFileSync(path, `${JSON.stringify({ machine, results }, null, 2)}\n`);
process.stderr.write(`written: ${path}\n`);
