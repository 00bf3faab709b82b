export { type CsvOptions, csvSeries, readCsvSeries } from "./csv.ts";
export { DEFAULT_TRAFFIC, type LoadOptions, loadTraffic, trafficIds } from "./load.ts";
export {
  type AnomalyWindow,
  calendarOf,
  describeInterval,
  type Part,
  type Protocol,
  type PublishedRow,
  partRows,
  seriesWindows,
  type TrafficSeries,
} from "./series.ts";
export { type SimulatorOptions, simulateTraffic } from "./simulator.ts";
