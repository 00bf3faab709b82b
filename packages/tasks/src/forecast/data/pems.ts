import { UserError } from "../../errors.ts";
import { pemsFlow } from "./published.ts";
import { calendarOf, localTime, type TrafficSeries } from "./series.ts";
import { cellsOf, columnIndex, textOf } from "./table.ts";
import { timeFormatOf } from "./timestamps.ts";

const TIME = "5 Minutes";
const FLOW = "Lane 1 Flow (Veh/5 Minutes)";

/**
 * PeMS lane flow: vehicles in 5 minutes at one detector on working days; min-max scaling fitted on the
 * training file, 12 values in, the next one out, windows across day borders, 4308 test windows.
 */
export function readPemsFlow(files: { train: Uint8Array; test: Uint8Array }): TrafficSeries {
  const train = readFlow(files.train, "pems_flow_train.csv");
  const test = readFlow(files.test, "pems_flow_test.csv");
  const values = Float32Array.from([...train.flow, ...test.flow]);
  const timestamps = Float64Array.from([...train.times, ...test.times]);
  return {
    id: "pems-flow",
    title: "PeMS lane flow: one freeway detector, working days",
    unit: "vehicles per 5 min",
    intervalMinutes: 5,
    start: localTime(timestamps[0]!),
    timestamps,
    ...calendarOf(timestamps, 5),
    names: ["lane 1"],
    values,
    rows: values.length,
    columns: 1,
    simulated: false,
    notes: [
      "Days do not always follow each other; as in the source, windows run across day borders.",
    ],
    protocol: {
      name: "lag 12",
      source: "xiaochus/TrafficFlowPrediction: data/data.py, main.py",
      stepsIn: 12,
      horizons: [1],
      trainRows: train.flow.length,
      // The last five days of the training file.
      validationRows: Math.min(5 * 288, Math.floor(0.2 * train.flow.length)),
      scaling: "minmax",
      windows: "inside",
      nonZeroOnly: false,
      published: pemsFlow,
    },
  };
}

function readFlow(bytes: Uint8Array, file: string) {
  const [header = [], ...lines] = cellsOf(textOf(bytes));
  const [time, flow] = columnIndex(header, [TIME, FLOW], file) as [number, number];
  const format = timeFormatOf(lines.map((line) => line[time] ?? ""));
  if (format === undefined) throw new UserError(`${file}: no times in column "${TIME}"`);
  const read = (line: string[], row: number) => {
    const value = Number(line[flow] || Number.NaN);
    const at = format.parse(line[time] ?? "");
    if (Number.isNaN(value) || Number.isNaN(at))
      throw new UserError(`${file}, data row ${row}: "${line.join(",")}" is no time and flow`);
    return { value, at };
  };
  const pairs = lines.map(read);
  return { times: pairs.map((p) => p.at), flow: pairs.map((p) => p.value) };
}
