import type { DataEntry, DataFile } from "./registry.ts";

/** A file on GitHub at a full commit, so that its content cannot change. */
export function raw(repository: string, commit: string, path: string): string {
  return `https://raw.githubusercontent.com/${repository}/${commit}/${path}`;
}

type Mirror = readonly [path: string, bytes: number, sha256: string];

/** A file whose source bytes nobody here has hashed. */
export function unverified(
  role: string,
  path: string,
  url: string | undefined,
  mirror?: Mirror,
): DataFile {
  return { role, path, url, verified: false, ...inMirror(mirror) };
}

const inMirror = (mirror: Mirror | undefined): Pick<DataFile, "mirror"> => {
  if (!mirror) return {};
  const [path, bytes, sha256] = mirror;
  return { mirror: { path, bytes, sha256 } };
};

/**
 * A file whose hash is confirmed by public projects that pin the same URL and hash; a mirror's copy has the
 * same bytes unless told otherwise.
 */
export function verified(
  role: string,
  path: string,
  url: string,
  source: readonly [bytes: number, sha256: string],
  mirror?: Mirror,
): DataFile {
  return {
    role,
    path,
    url,
    bytes: source[0],
    sha256: source[1],
    verified: true,
    ...inMirror(mirror),
  };
}

// The commit that StellarGraph's loader pins for these two files; their hashes are not published.
const tgcn = (path: string) =>
  raw("lehaifeng/T-GCN", "8427128f04157e6fd0b239a8734a468d923cd0c9", path);
const pems = (path: string) =>
  raw("xiaochus/TrafficFlowPrediction", "dec8243eb4ebe728d44d1ac73f38c2d3aaa9fd81", path);
const transdim = (path: string) =>
  raw("xinychen/transdim", "99a31275f12504f59b0c3d3debd50fea92b2e973", path);
const numenta = (path: string) =>
  raw("numenta/NAB", "ea702d75cc2258d9d7dd35ca8e5e2539d71f3140", path);

const nabWindows = verified(
  "windows",
  "traffic/nab/combined_windows.json",
  numenta("labels/combined_windows.json"),
  [15359, "1e1fbc4601321aad8d0f8b3784c8134299379f68f6c1f7777565f8ffd57ab6b1"],
  // The mirror keeps the seven traffic series only.
  [
    "traffic/nab/anomaly_windows.json",
    1028,
    "2464edf8b041aecf3a216f4c2456738b04e07a270e0deea75d0fc1ae40fc8e35",
  ],
);

function nab(
  id: string,
  file: string,
  title: string,
  unit: string,
  interval: number,
  bytes: number,
  sha256: string,
  confirmed = false,
): DataEntry {
  const path = `traffic/nab/${file}`;
  const url = numenta(`data/realTraffic/${file}`);
  return {
    id,
    title: `NAB: ${title}`,
    kind: "traffic",
    licence: "MIT (repository)",
    unit,
    interval,
    citation:
      "Lavin, Ahmad: Evaluating real-time anomaly detection algorithms - the Numenta anomaly benchmark (ICMLA 2015)",
    loader: "forecast",
    files: [
      confirmed
        ? verified("values", path, url, [bytes, sha256], [path, bytes, sha256])
        : unverified("values", path, url, [path, bytes, sha256]),
      nabWindows,
    ],
  };
}

const transdimCitation =
  "Chen, Sun: Bayesian temporal factorization for multidimensional time series prediction (TPAMI 2022)";

export const trafficEntries: readonly DataEntry[] = [
  {
    id: "los-loop",
    title: "Los-loop: speeds of 207 loop detectors, Los Angeles County, 1-7 March 2012",
    kind: "traffic",
    licence: "not stated for the data (the source's PyTorch folder and DCRNN carry MIT)",
    unit: "mph",
    interval: 5,
    citation:
      "Zhao et al.: T-GCN, a temporal graph convolutional network for traffic prediction (T-ITS 2020)",
    loader: "forecast",
    files: [
      unverified("values", "traffic/los_speed.csv", tgcn("data/los_speed.csv"), [
        "traffic/los_speed.csv.gz",
        746677,
        "aa316cf7a071f59effc96c8dcd0edea559dda402b3c351916e1bc24d54e9b58d",
      ]),
      unverified("adjacency", "traffic/los_adj.csv", tgcn("data/los_adj.csv"), [
        "traffic/los_adj.csv.gz",
        17007,
        "8b9f8da6cb2a3a6b15c541539ba90dd03ed68d3daea0addebcd0ca20511b5321",
      ]),
      verified(
        "locations",
        "traffic/los_sensor_locations.csv",
        raw(
          "liyaguang/DCRNN",
          "602afd9d767d3aa1c9b3eac51710d6aeee12c227",
          "data/sensor_graph/graph_sensor_locations.csv",
        ),
        [6341, "eb8ea96e07358b45d0e4ba3b89c2673fa20c54af50150249e627389e749ade6f"],
        [
          "traffic/los_sensor_locations.csv",
          6341,
          "eb8ea96e07358b45d0e4ba3b89c2673fa20c54af50150249e627389e749ade6f",
        ],
      ),
    ],
  },
  {
    id: "pems-flow",
    title: "PeMS lane flow: one freeway detector, lane 1, working days of January to March 2016",
    kind: "traffic",
    licence: "MIT (repository)",
    unit: "vehicles per 5 min",
    interval: 5,
    citation: "xiaochus/TrafficFlowPrediction; data of the Caltrans Performance Measurement System",
    loader: "forecast",
    files: [
      unverified("train", "traffic/pems_flow_train.csv", pems("data/train.csv"), [
        "traffic/pems_flow_train.csv.gz",
        28746,
        "06ebf97f6fd68debcc45ead6971d799896622c2c4e72d742c6889e226de5f96d",
      ]),
      unverified("test", "traffic/pems_flow_test.csv", pems("data/test.csv"), [
        "traffic/pems_flow_test.csv.gz",
        16177,
        "a55fa80046193293c2b38d234b2f8d2551db2c98a6c07630401254327ef1f88b",
      ]),
    ],
  },
  {
    id: "hangzhou-metro",
    title: "Hangzhou metro: passenger flow of 80 stations, 25 days of 108 slots",
    kind: "traffic",
    licence: "MIT (repository)",
    unit: "passengers per 10 min",
    interval: 10,
    citation: transdimCitation,
    loader: "forecast",
    files: [
      unverified(
        "values",
        "traffic/hangzhou_tensor.mat",
        transdim("datasets/Hangzhou-data-set/tensor.mat"),
        [
          "traffic/hangzhou_metro_flow.csv.gz",
          287471,
          "11eb9c50764ff56785b6cc1171acef5b786af3fdae63fa29fa4de2b407fd99c5",
        ],
      ),
    ],
  },
  {
    id: "nyc-taxi",
    title: "New York taxi: hourly trips between 30 x 30 zones, 61 days",
    kind: "traffic",
    licence: "MIT (repository)",
    unit: "trips per hour",
    interval: 60,
    citation: transdimCitation,
    loader: "forecast",
    files: [
      unverified("values", "traffic/nyc_tensor.mat", transdim("datasets/NYC-data-set/tensor.mat"), [
        "traffic/nyc_taxi_od.u16.gz",
        941332,
        "1fbe6455fc938408cef59379d0e7ab190d592c737f9e13fba1d988ccc4572d81",
      ]),
    ],
  },
  {
    id: "metro-interstate",
    title: "Metro Interstate: westbound volume of I-94, Minnesota, 2012-2018, with weather",
    kind: "traffic",
    licence: "not stated in the repository (the UCI set of that name)",
    unit: "vehicles per hour",
    interval: 60,
    citation: "Hogue: Metro Interstate Traffic Volume, UCI Machine Learning Repository (2019)",
    loader: "forecast",
    files: [
      unverified(
        "values",
        "traffic/metro_interstate_traffic_volume.csv",
        raw(
          "Trenttzzz/Traffic-Volume-Prediction-Project",
          "b970ffc146eb5648a8b8ff512f934ddef429ff37",
          "data/Metro_Interstate_Traffic_Volume.csv",
        ),
        [
          "traffic/metro_interstate_traffic_volume.csv.gz",
          403575,
          "02949ab12e17c9c67fbf1dca833df103cfc9e0c2f341fc1922adc9c1c8dd3c41",
        ],
      ),
    ],
  },
  nab(
    "nab-speed-6005",
    "speed_6005.csv",
    "speed at sensor 6005",
    "mph",
    5,
    57538,
    "7976e7596cd1e579696c737576e96a26fe041484472ed7d0a463ce2b094d7aa7",
  ),
  nab(
    "nab-speed-7578",
    "speed_7578.csv",
    "speed at sensor 7578",
    "mph",
    5,
    25928,
    "15ba994384730cb5a2e6818f17ded1430b40d92eb7a08e5b1a48a445c8c350f6",
    true,
  ),
  nab(
    "nab-speed-t4013",
    "speed_t4013.csv",
    "speed at sensor t4013",
    "mph",
    5,
    57400,
    "fa5532d6f7db36cadc73e657fd4dfef05cb1ec44d4010243b314d3f1bbd6a7b5",
  ),
  nab(
    "nab-occupancy-6005",
    "occupancy_6005.csv",
    "occupancy at sensor 6005",
    "%",
    5,
    59122,
    "cd357d7820d675074270fd976d4af1fc1e7854ecb764783028cbcb18d980c91d",
    true,
  ),
  nab(
    "nab-occupancy-t4013",
    "occupancy_t4013.csv",
    "occupancy at sensor t4013",
    "%",
    5,
    62609,
    "5663a8122a300360eb51fbbd0f21706da05af1af55262926d6a226bb6d071704",
  ),
  nab(
    "nab-travel-time-387",
    "TravelTime_387.csv",
    "travel time on segment 387",
    "s",
    10,
    59846,
    "38e70e9ead8227fd023bff6e93247d5bc01ee008f781b921a156962419b399bb",
  ),
  nab(
    "nab-travel-time-451",
    "TravelTime_451.csv",
    "travel time on segment 451",
    "s",
    10,
    51918,
    "7c174adfc457b201cd111d60688f7ec37eb7201c8080790dc41eeff477bd7345",
  ),
];
