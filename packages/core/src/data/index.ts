export { permutation, type RandomStream, randomStream } from "../random/stream.ts";
export { concat, decoded, type Sample, subset } from "./combine.ts";
export { DataError, type DataErrorCode } from "./data-error.ts";
export {
  ArrayDataset,
  allocateBatch,
  type Batch,
  type Dataset,
  type Field,
  WindowDataset,
  type WindowOptions,
} from "./dataset.ts";
export {
  DataLoader,
  type DataLoaderOptions,
  type EpochOptions,
  type LoadedBatch,
} from "./loader.ts";
export { type DataEntry, type DataFile, dataEntries, dataEntry } from "./registry.ts";
export { Scaler, type ScalerKind, type ScalerState } from "./scale.ts";
export {
  type ChronologicalSplit,
  chronologicalSplit,
  type RowRange,
  type SplitOptions,
  windowStarts,
} from "./split.ts";
