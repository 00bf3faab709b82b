#!/usr/bin/env node
// Trains the character model of Tiny Shakespeare, measures how fast a 2 x 512 LSTM writes, and writes down
// both in bench/results/generate.json.
//
//   npm run bench:generate [folder]    (needs the network, or TENSORLANE_DATA_MIRROR)
//
// With a folder the training can be stopped (Ctrl-C) and gone on with by the same command.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine, resultPath, tensorlane } from "./command.js";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
const out = process.argv[2] ?? join(scratch, "shakespeare");

const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const { train, metrics } = tensorlane("train", "generate", "--seed", "1", "--out", out, "--resume");

const text = join(scratch, "text.txt");
writeFileSync(text, "The quick brown fox jumps over the lazy dog.\n".repeat(100));
const large = join(scratch, "large");
const size = ["--hidden", "512", "--layers", "2", "--epochs", "1"];
tensorlane("train", "generate", "--data", text, ...size, "--out", large);
const rates = Array.from(
  { length: 5 },
  () => tensorlane("predict", large, "The ", "--length", "1000").tokensPerSecond,
);
rmSync(scratch, { recursive: true, force: true });

const { parameters, steps, seconds, bestEpoch, losses, validation } = train;
const results = {
  data: "tiny-shakespeare",
  seed: 1,
  train: { parameters, epochs: losses.length, bestEpoch, steps, seconds, losses, validation },
  metrics,
  writing: {
    model: "LSTM, 2 layers of 512",
    characters: 1000,
    charactersPerSecond: { median: middle(rates), all: rates },
  },
};
const path = resultPath("generate");
writeFileSync(path, `${JSON.stringify({ machine: machine(), results }, null, 2)}\n`);
process.stderr.write(`written: ${path}\n`);
