import { UserError } from "../errors.ts";
import { between, whole } from "../options.ts";
import type { Task } from "../task.ts";

const share = between(0, 0.95);

const unit = (text: string): string => {
  if (text === "character" || text === "word") return text;
  throw new UserError("it must be character or word.");
};

const softmax = (text: string): string => {
  if (["full", "sampled", "adaptive"].includes(text)) return text;
  throw new UserError("it must be full, sampled or adaptive.");
};

/** Language models of characters or words: they learn a text and write on. */
export const generate: Task = {
  name: "generate",
  summary: "learn to write like a text, by characters or words",
  models: ["lstm", "gru", "rnn"],
  datasets: ["tiny-shakespeare"],
  files: "a text file (UTF-8), or a folder of them such as a source tree",
  inputs: "the beginning of a text, in quotes",
  defaults: { data: "tiny-shakespeare", models: ["lstm"], seed: 1 },
  options: {
    train: [
      {
        flags: "--unit <unit>",
        description: "character or word",
        default: "character",
        parse: unit,
      },
      { flags: "--vocabulary <n>", description: "words known at most (10000)", parse: whole(2) },
      { flags: "--hidden <n>", description: "units of a layer", parse: whole(1) },
      { flags: "--layers <n>", description: "layers", default: 1, parse: whole(1) },
      {
        flags: "--embedding <n>",
        description: "size of learnt token vectors; 0: one-hot",
        parse: whole(0),
      },
      { flags: "--tied", description: "output weights are the embedding's" },
      { flags: "--dropout <share>", description: "outputs left out (0.4)", parse: share },
      {
        flags: "--each-step",
        description: "draw dropout anew at each step, not once for a window",
      },
      {
        flags: "--weight-dropout <share>",
        description: "weights from state to state left out (0.3)",
        parse: share,
      },
      {
        flags: "--steps <n>",
        description: "steps that gradients flow back (64)",
        parse: whole(1),
      },
      {
        flags: "--softmax <kind>",
        description: "of words: full, sampled or adaptive (full); measured over all words",
        parse: softmax,
      },
    ],
    predict: [
      {
        flags: "--length <n>",
        description: "characters or words to write",
        default: 500,
        parse: whole(1),
      },
      {
        flags: "--temperature <t>",
        description: "below 1 bolder for the likely; 0 takes the likeliest",
        default: 0.8,
        parse: between(0, 100),
      },
      { flags: "--top-k <k>", description: "draw from the k likeliest", parse: whole(1) },
      {
        flags: "--top-p <p>",
        description: "draw from the likeliest that together reach p",
        parse: between(1e-6, 1),
      },
      {
        flags: "--seed <n>",
        description: "the same seed writes the same text",
        default: 1,
        parse: whole(0),
      },
    ],
  },
  examples: {
    train: [
      "tensorlane train generate --quick",
      "tensorlane train generate --data my.txt --model gru --epochs 20 --out runs/mine",
      "tensorlane train generate --data src --unit word --seed 7",
      "tensorlane train generate --unit word --vocabulary 40000 --softmax sampled",
    ],
    evaluate: ["tensorlane evaluate runs/mine", "tensorlane evaluate runs/mine --data other.txt"],
    predict: ['tensorlane predict runs/mine "The " --length 200 --temperature 0.7 --top-p 0.95'],
    export: ["tensorlane export runs/mine --out writer.onnx"],
  },
  networks: async () => (await import("./networks.ts")).networks,
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
