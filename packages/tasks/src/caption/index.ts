import { between, whole } from "../options.ts";
import type { Task, TaskOption } from "../task.ts";

const beam: TaskOption = {
  flags: "--beam <n>",
  description:
    "hypotheses that the search for a caption follows; 1 takes the likeliest word each time",
  parse: whole(1),
};

const trainOptions: readonly TaskOption[] = [
  { flags: "--size <pixels>", description: "side of the pictures (32)", parse: whole(32) },
  { flags: "--hidden <n>", description: "size of the decoder's state", parse: whole(1) },
  { flags: "--embedding <n>", description: "size of a word's vector", parse: whole(1) },
  {
    flags: "--dropout <p>",
    description: "share of a word's vector and of the readout that is dropped in training (0.5)",
    parse: between(0, 0.95),
  },
  {
    flags: "--min-count <n>",
    description: "words that stand less often in the training captions are unknown (5)",
    parse: whole(1),
  },
  {
    flags: "--from <weights>",
    description: "start the encoder with those of a resnet20 classifier: a run's folder or a file",
  },
  { flags: "--freeze", description: "keep the encoder's weights as they came with --from" },
];

/** Sentences about pictures: a convolutional encoder and an LSTM decoder, with or without attention. */
export const caption: Task = {
  name: "caption",
  summary: "describe pictures in a sentence with an encoder, a decoder and attention",
  models: ["show-attend", "show-tell"],
  datasets: ["flickr8k-part"],
  files: 'a folder with pictures and captions.txt: "image,caption", a caption a line',
  inputs: "image files",
  defaults: { data: "flickr8k-part", models: ["show-attend"], seed: 1 },
  options: { train: trainOptions, evaluate: [beam], predict: [beam] },
  examples: {
    train: [
      "tensorlane train caption --quick",
      "tensorlane train caption --data flickr8k-part --model show-attend --epochs 20 --seed 1 --out runs/captions",
      "tensorlane train caption --model show-tell --from runs/cifar --freeze",
    ],
    evaluate: ["tensorlane evaluate runs/captions --beam 1"],
    predict: ["tensorlane predict runs/captions photo.jpg"],
    export: ["tensorlane export runs/captions --out captions.onnx"],
  },
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
