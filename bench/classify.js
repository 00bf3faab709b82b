#!/usr/bin/env node
// Trains the classifiers that the documents quote, and writes their curves and figures.
//
//   npm run bench:classify -- mnist gtsrb cifar finetune     (needs the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:classify -- cifar --out DIR                (goes on with the runs that DIR holds)
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine, resultPath, runIn, tensorlane } from "./command.js";

const args = process.argv.slice(2);
const at = args.indexOf("--out");
const given = at < 0 ? undefined : args.splice(at, 2)[1];
const folder = given ?? mkdtempSync(join(tmpdir(), "tensorlane-bench-"));

/** Trains, or goes on with, one run; what the documents need of its result. */
function train(name, ...options) {
  const line = ["train", "classify", ...options, "--seed", "1"];
  const { train: run, metrics, simulated } = tensorlane(...line, ...runIn(join(folder, name)));
  if (simulated) throw new Error("the data were out of reach: simulated figures are not quoted");
  const { model, losses, validation, bestEpoch, steps, parameters, seconds, images } = run;
  return {
    command: `tensorlane ${line.join(" ").replaceAll(`${folder}/`, "")}`,
    ...{ model, parameters, images, epochs: losses.length, steps, bestEpoch, seconds },
    testError: round(metrics.error),
    top5Error: round(metrics.top5Error),
    trainingLoss: losses.map((loss) => Number(loss.toPrecision(5))),
    validationError: validation.map(round),
  };
}

const round = (value) => (value === null ? null : Number(value.toFixed(3)));

/**
 * Few pictures of new classes: weights from other classes against a fresh start. An epoch of "scratch" is the
 * same work as one of "tuned" (the same graph), and more than one of "frozen"; "longer" has twice as many.
 */
function finetune() {
  const few = ["--data", "gtsrb-part", "--model", "resnet20", "--classes", "22-42"];
  few.push("--per-class", "3", "--lr", "0.02");
  const base = ["--data", "gtsrb-part", "--model", "resnet20", "--classes", "0-21"];
  const before = train("base", ...base, "--epochs", "12");
  const from = ["--from", join(folder, "base")];
  return {
    before,
    frozen: train("frozen", ...few, ...from, "--freeze", "features", "--epochs", "20"),
    tuned: train("tuned", ...few, ...from, "--epochs", "20"),
    scratch: train("scratch", ...few, "--epochs", "20"),
    longer: train("longer", ...few, "--epochs", "40"),
  };
}

const jobs = {
  mnist: () => train("mnist", "--data", "mnist", "--model", "lenet5"),
  gtsrb: () => train("gtsrb", "--data", "gtsrb-part", "--model", "resnet20"),
  cifar: () => train("cifar", "--data", "cifar10-part", "--model", "resnet20"),
  finetune,
};

for (const name of args) {
  if (!Object.hasOwn(jobs, name)) {
    throw new Error(`no job "${name}"; there are ${Object.keys(jobs).join(", ")}`);
  }
  const path = resultPath(`classify-${name}`);
  writeFileSync(path, `${JSON.stringify({ machine: machine(), result: jobs[name]() }, null, 2)}\n`);
  process.stderr.write(`written: ${path}\n`);
}
if (given === undefined) rmSync(folder, { recursive: true, force: true });
