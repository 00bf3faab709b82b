import type { Task } from "../task.ts";

/** Which language a surname is of: a whole sequence in, one class out. */
export const names: Task = {
  name: "names",
  summary: "tell the language of surnames, read letter by letter",
  models: ["bilstm", "bigru", "lstm", "gru"],
  datasets: ["surnames"],
  inputs: "surnames (Satoshi)",
  defaults: { data: "surnames", models: ["bilstm"], seed: 1 },
  examples: {
    train: [
      "tensorlane train names --quick",
      "tensorlane train names --model bigru --epochs 12 --seed 1 --out runs/names",
    ],
    evaluate: ["tensorlane evaluate runs/names"],
    predict: ["tensorlane predict runs/names Satoshi"],
    export: ["tensorlane export runs/names --out names.onnx"],
  },
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
