import { between, whole } from "../options.ts";
import type { Task } from "../task.ts";

const share = between(0, 0.95);

/** Models of folk tunes in ABC, and of piano rolls: they compose. */
export const compose: Task = {
  name: "compose",
  summary: "learn to compose like a book of tunes, or like piano rolls",
  models: ["lstm", "gru", "rnn"],
  datasets: ["nottingham", "nottingham-roll"],
  files: "a file of tunes in ABC, or a folder of them",
  inputs: "nothing: --key, --metre and others say what to write",
  defaults: { data: "nottingham", models: ["lstm"], seed: 1 },
  options: {
    train: [
      { flags: "--hidden <n>", description: "units of a layer", parse: whole(1) },
      { flags: "--layers <n>", description: "layers", default: 1, parse: whole(1) },
      {
        flags: "--dropout <share>",
        description: "outputs left out; 0 also keeps all weights from state to state",
        parse: share,
      },
      { flags: "--steps <n>", description: "steps that gradients flow back", parse: whole(1) },
      {
        flags: "--memory <n>",
        description: "piano rolls: steps of the piece that may be recalled (256); 0: none",
        parse: whole(0),
      },
      {
        flags: "--published",
        description: "piano rolls: the published size and RMSProp, 100 epochs, no dropout",
      },
    ],
    predict: [
      { flags: "--key <key>", description: "such as G or Em; the model chooses one otherwise" },
      { flags: "--metre <metre>", description: "such as 6/8; the model chooses one otherwise" },
      { flags: "--title <text>", description: "the tune's title" },
      { flags: "--count <n>", description: "pieces to write", default: 1, parse: whole(1) },
      {
        flags: "--length <n>",
        description: "piano rolls: steps to write (200)",
        parse: whole(1),
      },
      {
        flags: "--temperature <t>",
        description: "below 1 bolder for the likely; 0 takes the likeliest",
        default: 0.9,
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
        description: "the same seed writes the same pieces",
        default: 1,
        parse: whole(0),
      },
      {
        flags: "--free",
        description:
          "tunes: draw also what makes no ABC or no whole bar; rolls: each key by itself, whatever the chord",
      },
    ],
  },
  examples: {
    train: [
      "tensorlane train compose --quick",
      "tensorlane train compose --data my-tunes.abc --model gru --out runs/mine",
      "tensorlane train compose --data nottingham-roll --seed 1",
    ],
    evaluate: ["tensorlane evaluate runs/mine"],
    predict: [
      "tensorlane predict runs/mine --key D --metre 4/4 --count 3",
      "tensorlane predict runs/mine --key G --metre 6/8 --out jig.svg",
      "tensorlane predict runs/mine --count 5 --out tunes.html",
    ],
    export: ["tensorlane export runs/mine --out composer.onnx"],
  },
  networks: async () => (await import("./networks.ts")).networks,
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
