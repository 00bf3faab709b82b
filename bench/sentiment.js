#!/usr/bin/env node
// Trains the sentiment networks on the Stanford Sentiment Treebank and writes the figures that README quotes.
//
//   npm run bench:sentiment           (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:sentiment -- rntn   (only these models; the others' figures stay)
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine, resultPath, tensorlane } from "./command.js";

const path = resultPath("sentiment");
const all = ["treelstm", "rntn", "mv-rnn", "recursive", "lstm", "bilstm", "average"];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all;
const results = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { models: {} };

const folder = mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
for (const model of chosen) {
  const command = ["train", "sentiment", "--data", "sst", "--model", model, "--seed", "1"];
  const { train, metrics } = tensorlane(...command, "--out", join(folder, model));
  const { dev, bestEpoch, steps, parameters, seconds } = train;
  const { accuracy, binary, nodes, confusion } = metrics;
  results.models[model] = {
    ...{ accuracy, binary, nodes, dev: dev[bestEpoch - 1], bestEpoch, steps, parameters, seconds },
    confusion,
  };
  results.baselines = metrics.baselines;
  // After each model: what is measured stays, also where a later one fails.
  const { baselines, models } = results;
  writeFileSync(
    path,
    `${JSON.stringify({ machine: machine(), seed: 1, baselines, models }, null, 2)}\n`,
  );
  process.stderr.write(`written: ${path}\n`);
}
rmSync(folder, { recursive: true, force: true });
