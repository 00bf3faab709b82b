import "./graph/methods.ts";

export { gradients } from "./autodiff/gradients.ts";
export type { Batch, DataLoader, Dataset } from "./data/index.ts";
export * as data from "./data/index.ts";
export type { Engine, EngineInfo, Value } from "./engine/engine.ts";
export { TensorlaneError } from "./errors.ts";
export { type EvaluateOptions, evaluate, type Result } from "./evaluate.ts";
export { Dim, type Shape, type Size } from "./graph/dim.ts";
export type { DType, TensorData } from "./graph/dtype.ts";
export * as ops from "./graph/ops/index.ts";
export { scan } from "./graph/ops/scan.ts";
export { Parameter, placeholder, random, Tensor, tensor } from "./graph/tensor.ts";
export * as inspect from "./inspect/index.ts";
export * as nn from "./nn/index.ts";
export * as onnx from "./onnx/index.ts";
export * as optim from "./optim/index.ts";
export * from "./train/index.ts";
export * as weights from "./weights/index.ts";
