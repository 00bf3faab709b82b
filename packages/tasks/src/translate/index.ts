import { between, whole } from "../options.ts";
import type { Task, TaskOption } from "../task.ts";

const trainOptions: readonly TaskOption[] = [
  {
    flags: "--hidden <n>",
    description: "units of the encoder and the decoder",
    parse: whole(1),
  },
  {
    flags: "--teacher-forcing <share>",
    description:
      "steps of the last epoch that are given the right token, not the network's own; all are in the first epoch",
    parse: between(0, 1),
  },
];

/** One sequence in, another of any length out. */
export const translate: Task = {
  name: "translate",
  summary: "turn one sequence into another: dates to ISO, digits to words, pairs of your own",
  models: ["attention", "seq2seq"],
  datasets: ["dates", "numbers"],
  files: "a text file: source, tab, target a line",
  inputs: 'sources ("3rd of May 2021")',
  defaults: { data: "dates", models: ["attention"], seed: 1 },
  options: {
    train: trainOptions,
    predict: [
      {
        flags: "--beam <n>",
        description: "texts that the search keeps; 1 takes the likeliest token each time",
        parse: whole(1),
        default: 4,
      },
    ],
  },
  examples: {
    train: [
      "tensorlane train translate --quick",
      "tensorlane train translate --data dates --model attention --seed 1 --out runs/dates",
      "tensorlane train translate --data pairs.tsv --model seq2seq --epochs 20",
    ],
    evaluate: ["tensorlane evaluate runs/dates"],
    predict: ['tensorlane predict runs/dates "3rd of May 2021"'],
    export: ["tensorlane export runs/dates --out dates.onnx"],
  },
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
