import type { PublishedRow } from "./series.ts";

/** Rows of (horizon, rmse, mae, ...) that share a method and a source. */
function rows(
  method: string,
  source: string,
  list: readonly Omit<PublishedRow, "method" | "source">[],
): PublishedRow[] {
  return list.map((row) => ({ method, source, ...row }));
}

const tgcnOut =
  "lehaifeng/T-GCN: out/tgcn_los_lr0.001_batch64_unit64_seq12_pre3_epoch5000 (epoch chosen on the test set)";
const ours = "computed from the data with this protocol";

/** Los-loop, T-GCN protocol. The other rows of the paper's table are in no text we could read. */
export const losLoop: readonly PublishedRow[] = [
  ...rows("T-GCN", tgcnOut, [{ horizon: 3, rmse: 5.1264, mae: 3.1802, accuracy: 0.9127 }]),
  ...rows("last value", ours, [
    { horizon: 3, rmse: 5.5428, mae: 3.1561, accuracy: 0.9056 },
    { horizon: 6, rmse: 6.6986, mae: 3.6317, accuracy: 0.8859 },
    { horizon: 9, rmse: 7.6281, mae: 4.0417, accuracy: 0.8701 },
    { horizon: 12, rmse: 8.4555, mae: 4.4332, accuracy: 0.8559 },
  ]),
  ...rows("moving mean", `${ours}, as in lehaifeng/T-GCN: Baselines/baselines.py`, [
    { horizon: 3, rmse: 7.3067, mae: 3.8782, accuracy: 0.8756 },
    { horizon: 6, rmse: 7.9575, mae: 4.1699, accuracy: 0.8645 },
    { horizon: 9, rmse: 8.5986, mae: 4.4824, accuracy: 0.8535 },
    { horizon: 12, rmse: 9.2619, mae: 4.828, accuracy: 0.8422 },
  ]),
];

const xiaochus = "xiaochus/TrafficFlowPrediction: README.md";

export const pemsFlow: readonly PublishedRow[] = [
  ...rows("LSTM (2 layers)", xiaochus, [
    { horizon: 1, rmse: 9.9, mae: 7.21, mape: 0.1656, r2: 0.9396 },
  ]),
  ...rows("GRU (2 layers)", xiaochus, [
    { horizon: 1, rmse: 9.97, mae: 7.2, mape: 0.1678, r2: 0.9389 },
  ]),
  ...rows("stacked autoencoders", xiaochus, [
    { horizon: 1, rmse: 9.6, mae: 7.06, mape: 0.178, r2: 0.9433 },
  ]),
  ...rows("linear AR(12)", ours, [
    { horizon: 1, rmse: 10.26, mae: 7.534, mape: 0.2153, r2: 0.9352 },
  ]),
  ...rows("last value", ours, [{ horizon: 1, rmse: 11.31, mae: 8.335, mape: 0.2056, r2: 0.9213 }]),
  ...rows("mean of 12", ours, [
    { horizon: 1, rmse: 16.111, mae: 11.331, mape: 0.2624, r2: 0.8402 },
  ]),
];

const btmf = "xinychen/transdim: predictor/BTMF.ipynb";
const transdim = "xinychen/transdim: predictor/*.ipynb";

export const hangzhouMetro: readonly PublishedRow[] = [
  ...rows("BTMF", btmf, [
    { horizon: 2, rmse: 34.715, mape: 0.2536 },
    { horizon: 4, rmse: 36.007, mape: 0.2728 },
    { horizon: 6, rmse: 37.521, mape: 0.2771 },
  ]),
  ...rows("last value", ours, [
    { horizon: 2, rmse: 53.786, mape: 0.3363 },
    { horizon: 4, rmse: 67.946, mape: 0.4725 },
    { horizon: 6, rmse: 82.804, mape: 0.619 },
  ]),
  ...rows("same slot one week before", ours, [
    { horizon: 2, rmse: 34.747, mape: 0.2242 },
    { horizon: 4, rmse: 34.747, mape: 0.2242 },
    { horizon: 6, rmse: 34.747, mape: 0.2242 },
  ]),
];

export const nycTaxi: readonly PublishedRow[] = [
  ...rows("BTMF", transdim, [
    { horizon: 2, rmse: 4.904, mape: 0.483 },
    { horizon: 4, rmse: 4.991, mape: 0.494 },
    { horizon: 6, rmse: 5.01, mape: 0.511 },
  ]),
  ...rows("BTTF", transdim, [
    { horizon: 2, rmse: 5.102, mape: 0.539 },
    { horizon: 4, rmse: 5.179, mape: 0.547 },
    { horizon: 6, rmse: 5.253, mape: 0.562 },
  ]),
  ...rows("BTRTF", transdim, [
    { horizon: 2, rmse: 5.468, mape: 0.507 },
    { horizon: 4, rmse: 5.719, mape: 0.509 },
    { horizon: 6, rmse: 5.944, mape: 0.503 },
  ]),
  ...rows("same hour one week before", ours, [
    { horizon: 2, rmse: 6.512, mape: 0.601 },
    { horizon: 4, rmse: 6.512, mape: 0.601 },
    { horizon: 6, rmse: 6.512, mape: 0.601 },
  ]),
  ...rows("last value", ours, [{ horizon: 2, rmse: 8.267, mape: 0.746 }]),
];
