import { UserError } from "../errors.ts";
import type { Task, TaskOption } from "../task.ts";

const size =
  (flag: string) =>
  (text: string): number => {
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new UserError(`${flag} ${text}: it must be a whole number from 1.`);
  };

const trainOptions: readonly TaskOption[] = [
  { flags: "--hidden <n>", description: "size of a node's state", parse: size("--hidden") },
  { flags: "--embedding <n>", description: "size of a word's vector", parse: size("--embedding") },
  {
    flags: "--vectors <file>",
    description: "pre-trained word vectors: a word and its numbers a line, as GloVe's text files",
  },
  {
    flags: "--no-phrases",
    description: "learn from whole sentences only, not from the labels of the phrases in them",
  },
];

/** What a sentence says about a film, from very negative to very positive: networks over trees and words. */
export const sentiment: Task = {
  name: "sentiment",
  summary: "judge the sentiment of sentences with tree and sequence networks",
  models: ["treelstm", "childsum", "rntn", "mv-rnn", "recursive", "lstm", "bilstm", "average"],
  datasets: ["sst"],
  files: "a folder with train.txt, dev.txt and test.txt: labelled trees, one a line",
  inputs: 'sentences ("a fine film.") or trees in brackets',
  defaults: { data: "sst", models: ["treelstm"], seed: 1 },
  options: { train: trainOptions },
  examples: {
    train: [
      "tensorlane train sentiment --quick",
      "tensorlane train sentiment --data sst --model treelstm --epochs 6 --seed 1 --out runs/sst",
      "tensorlane train sentiment --model lstm --vectors glove.6B.100d.txt",
    ],
    evaluate: ["tensorlane evaluate runs/sst"],
    predict: ['tensorlane predict runs/sst "a sentence."'],
    export: ["tensorlane export runs/sst --out sentiment.onnx"],
  },
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
