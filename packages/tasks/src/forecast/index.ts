import type { Task } from "../task.ts";

/** Forecasting of traffic and other series: recurrent networks against honest baselines. */
export const forecast: Task = {
  name: "forecast",
  summary: "forecast traffic and other series with recurrent networks",
  models: ["rnn", "lstm", "gru", "bilstm", "deep-lstm", "graph-gru"],
  severalModels: true,
  datasets: [
    "los-loop",
    "pems-flow",
    "hangzhou-metro",
    "nyc-taxi",
    "metro-interstate",
    "nab-speed-6005",
    "nab-speed-7578",
    "nab-speed-t4013",
    "nab-occupancy-6005",
    "nab-occupancy-t4013",
    "nab-travel-time-387",
    "nab-travel-time-451",
    "simulated",
  ],
  files: "a CSV file: a timestamp column and value columns",
  inputs: "a CSV file with the latest values (by default the data trained on)",
  defaults: { data: "los-loop", models: ["lstm", "gru"], seed: 1 },
  examples: {
    train: [
      "tensorlane train forecast --quick",
      "tensorlane train forecast --data pems-flow --model gru --epochs 3 --seed 7 --out runs/pems",
      "tensorlane train forecast --data my.csv --model lstm",
    ],
    evaluate: ["tensorlane evaluate runs/pems"],
    predict: ["tensorlane predict runs/pems latest.csv --out forecast.csv"],
    export: ["tensorlane export runs/pems --out forecaster.onnx"],
  },
  networks: async () => (await import("./networks.ts")).networks,
  train: async (...args) => (await import("./run.ts")).train(...args),
  evaluate: async (...args) => (await import("./run.ts")).evaluate(...args),
  predict: async (...args) => (await import("./predict.ts")).predict(...args),
  export: async (...args) => (await import("./run.ts")).exportModel(...args),
};
