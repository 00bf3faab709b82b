#!/usr/bin/env node
// Training steps of a softmax over 40,000 words: the full one, sampled, adaptive, and PyTorch's full one, in
// turns, so that all see the same machine. A step is a Linear below, the loss, all gradients and SGD.
//
//   npm run bench:softmax             (PyTorch as in npm run bench: bench/pytorch/settings.js)
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { data, defaultEngine, nn, optim, Trainer } from "tensorlane";
import { machineFacts } from "./machine.js";
import { likely } from "./pytorch/settings.js";
import { python, pytorchSettings } from "./sides.js";

const [classes, hidden, numSampled, rounds, steps] = [40_000, 256, 1024, 4, 6];
const cutoffs = [2000, 10_000];
const threads = availableParallelism();

const heads = {
  full: () => new nn.Linear({ inFeatures: hidden, outFeatures: classes }),
  sampled: () => new nn.SampledSoftmaxLoss({ inFeatures: hidden, numClasses: classes, numSampled }),
  adaptive: () =>
    new nn.AdaptiveLogSoftmaxWithLoss({
      inFeatures: hidden,
      nClasses: classes,
      cutoffs,
    }),
};
const losses = {
  full: (head, h, y) => nn.crossEntropy(head.forward(h), y),
  sampled: (head, h, y) => head.forward(h, y),
  adaptive: (head, h, y) => head.forward(h, y).loss,
};

/** Milliseconds between the ends of steps; the first two, which compile, are left out. */
async function ownTimes(kind, rows) {
  class Net extends nn.Module {
    below = new nn.Linear({ inFeatures: hidden, outFeatures: hidden });
    head = heads[kind]();
  }
  const count = rows * (steps + 2);
  // Words by Zipf's law, most frequent first.
  const words = Int32Array.from({ length: count }, (_, i) =>
    Math.floor(classes ** ((i * 0.6180339887) % 1) - 1),
  );
  const inputs = Float32Array.from({ length: count * hidden }, (_, i) => Math.sin(i * 1.7));
  const set = new data.ArrayDataset({
    x: { data: inputs, shape: [count, hidden] },
    y: { data: words, shape: [count] },
  });
  const ends = [];
  const trainer = new Trainer(new Net(), {
    loss: (model, { x, y }) => losses[kind](model.head, model.below.forward(x), y),
    optimizer: new optim.SGD({ lr: 0.1 }),
    callbacks: [{ onStep: () => void ends.push(performance.now()) }],
  });
  await trainer.fit(new data.DataLoader(set, { batchSize: rows, dropLast: true }), { epochs: 1 });
  return ends.slice(2).map((end, i) => end - ends[i + 1]);
}

/** @param {import("./pytorch/settings.js").Setting} setting */
function torchTimes(rows, { env }) {
  const script = fileURLToPath(new URL("pytorch/softmax.py", import.meta.url));
  const given = [script, rows, hidden, classes, steps].map(String);
  const { stdout, status } = spawnSync(python, given, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`PyTorch ended with status ${status}`);
  return JSON.parse(stdout);
}

const say = (text) => process.stderr.write(`${text}\n`);
const { settings, reference } = pytorchSettings(threads, say);
// Minutes a step: no fair peer, and no use.
const peers = reference ? [] : likely(settings);
const results = [];
let version;
for (const rows of [512, 1024]) {
  const own = Object.keys(heads);
  const times = new Map([...own, ...peers].map((contestant) => [contestant, []]));
  for (let round = 0; round < rounds; round++) {
    for (const kind of own) times.get(kind).push(...(await ownTimes(kind, rows)));
    for (const setting of peers) {
      const result = torchTimes(rows, setting);
      version = result.version;
      times.get(setting).push(...result.times);
    }
  }
  const figures = [...times].map(([contestant, list]) => {
    const sorted = list.toSorted((a, b) => a - b);
    const at = (share) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] * 10) / 10;
    return { contestant, steps: list.length, fastest: at(0), median: at(0.5) };
  });
  const ours = figures.filter(({ contestant }) => own.includes(contestant));
  const theirs = figures.filter(({ contestant }) => !own.includes(contestant));
  const [best] = theirs.toSorted((a, b) => a.median - b.median);
  results.push({
    rows,
    milliseconds: Object.fromEntries(ours.map(({ contestant, ...rest }) => [contestant, rest])),
    pytorch: best ? { ...best, contestant: undefined, setting: best.contestant.name } : null,
  });
  say(JSON.stringify(results.at(-1)));
}
const { info } = await defaultEngine();
const report = {
  task: { classes, hidden, numSampled, cutoffs, optimizer: "sgd" },
  machine: machineFacts(info, undefined),
  torch: version ?? null,
  results,
};
const file = new URL("results/softmax.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
