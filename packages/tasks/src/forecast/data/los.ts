import { UserError } from "../../errors.ts";
import { losLoop } from "./published.ts";
import { calendarOf, everyInterval, type TrafficSeries } from "./series.ts";
import { numbersOf, textOf } from "./table.ts";

const START = "2012-03-01T00:00";

/**
 * Los-loop, 2016 x 207 speeds (mph, 5 minutes) with the protocol of T-GCN: divide by the maximum, the first
 * int(0.8 rows) train, 12 steps in, 3/6/9/12 out, scores over all output steps together.
 *
 * The source has no time column: rows count from 2012-03-01 00:00.
 */
export function readLosLoop(files: { values: Uint8Array; adjacency: Uint8Array }): TrafficSeries {
  const speeds = numbersOf(textOf(files.values), "los_speed.csv", true);
  const graph = numbersOf(textOf(files.adjacency), "los_adj.csv", false);
  const { rows, columns, values, names } = speeds;
  if (graph.rows !== columns || graph.columns !== columns)
    throw new UserError(
      `los_adj.csv is ${graph.rows} x ${graph.columns}, the speeds have ${columns} sensors: the files do not belong together`,
    );
  const timestamps = everyInterval(START, rows, 5);
  return {
    id: "los-loop",
    title: "Los-loop: highway speeds, Los Angeles County",
    unit: "mph",
    intervalMinutes: 5,
    start: START,
    timestamps,
    ...calendarOf(timestamps, 5),
    names,
    values,
    rows,
    columns,
    adjacency: graph.values,
    simulated: false,
    notes: [],
    protocol: {
      name: "T-GCN",
      source:
        "lehaifeng/T-GCN: T-GCN/T-GCN-TensorFlow/main.py, input_data.py; the epoch is chosen on a validation day cut from the training part instead of the test part",
      stepsIn: 12,
      horizons: [3, 6, 9, 12],
      trainRows: Math.floor(0.8 * rows),
      validationRows: Math.min(288, Math.floor(0.2 * rows)),
      scaling: "max",
      windows: "t-gcn",
      nonZeroOnly: false,
      published: losLoop,
    },
  };
}
