#!/usr/bin/env node
// Trains the models of Tiny Shakespeare's characters and of its words, measures how fast a 2 x 512 LSTM writes,
// and writes down all of it in bench/results/generate.json.
//
//   npm run bench:generate              (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:generate -- words     (only these; the others' figures stay)
//
// With --out DIR a training can be stopped (Ctrl-C) and gone on with by the same command.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine, resultPath, runIn, tensorlane } from "./command.js";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
const { values, positionals } = parseArgs({
  options: { out: { type: "string", default: scratch } },
  allowPositionals: true,
});

const middle = (figures) => figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)];

function trained(name, ...options) {
  const line = ["train", "generate", ...options, "--seed", "1"];
  const { train, metrics } = tensorlane(...line, ...runIn(join(values.out, name)));
  const { parameters, steps, seconds, bestEpoch, losses, validation } = train;
  return {
    command: `tensorlane ${line.join(" ")}`,
    train: { parameters, epochs: losses.length, bestEpoch, steps, seconds, losses, validation },
    metrics,
  };
}

function writing() {
  const text = join(scratch, "text.txt");
  writeFileSync(text, "The quick brown fox jumps over the lazy dog.\n".repeat(100));
  const large = join(scratch, "large");
  const size = ["--hidden", "512", "--layers", "2", "--epochs", "1"];
  tensorlane("train", "generate", "--data", text, ...size, "--out", large);
  const rates = Array.from(
    { length: 5 },
    () => tensorlane("predict", large, "The ", "--length", "1000").tokensPerSecond,
  );
  return {
    model: "LSTM, 2 layers of 512",
    characters: 1000,
    charactersPerSecond: { median: middle(rates), all: rates },
  };
}

const jobs = {
  characters: () => trained("characters"),
  // No word is left out, so that nats of words and of characters can be compared.
  words: () => trained("words", "--unit", "word", "--vocabulary", "40000", "--softmax", "sampled"),
  writing,
};

const path = resultPath("generate");
const results = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).results : {};
for (const name of positionals.length > 0 ? positionals : Object.keys(jobs)) {
  if (!Object.hasOwn(jobs, name)) {
    throw new Error(`no run "${name}"; there are ${Object.keys(jobs).join(", ")}`);
  }
  results[name] = jobs[name]();
  // After each: what is measured stays, also where a later one fails.
  writeFileSync(path, `${JSON.stringify({ machine: machine(), seed: 1, results }, null, 2)}\n`);
  process.stderr.write(`written: ${path}\n`);
}
rmSync(scratch, { recursive: true, force: true });
