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
export { type AddingOptions, addingProblem, type CopyOptions, copyProblem } from "./longMemory.ts";
export { type DataEntry, type DataFile, dataEntries, dataEntry } from "./registry.ts";
export { Scaler, type ScalerKind, type ScalerState } from "./scale.ts";
export {
  type ChronologicalSplit,
  chronologicalSplit,
  type RowRange,
  type SplitOptions,
  windowStarts,
} from "./split.ts";
export {
  type BinaryTree,
  formatTree,
  readTrees,
  TreeError,
  type TreeOptions,
  treeOfWords,
} from "./trees.ts";
export { type PackedTree, type TreePackOptions, TreePacks } from "./trees-packs.ts";
export { type ScheduledNode, scheduleTrees, type TreeSchedule } from "./trees-schedule.ts";
