export * from "./batchNorm.ts";
export * from "./convolution.ts";
export * as init from "./init.ts";
export { manualSeed } from "./init.ts";
export * from "./layers.ts";
export * from "./losses.ts";
export {
  Buffer,
  type LoadReport,
  Module,
  type StateDict,
  trace,
  updateBuffer,
} from "./module.ts";
export * from "./pooling.ts";
export * from "./recurrent/cells.ts";
export * from "./recurrent/layers.ts";
export * from "./recursive/cells.ts";
export * from "./recursive/recursive.ts";
