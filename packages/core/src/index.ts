import "./graph/methods.ts";

export { gradients } from "./autodiff/gradients.ts";
export { TensorlaneError } from "./errors.ts";
export { type EvaluateOptions, evaluate, type Result } from "./evaluate.ts";
export { Dim, type Shape, type Size } from "./graph/dim.ts";
export type { DType, TensorData } from "./graph/dtype.ts";
export * as ops from "./graph/ops/index.ts";
export { scan } from "./graph/ops/scan.ts";
export { Parameter, placeholder, random, Tensor, tensor } from "./graph/tensor.ts";
export * as nn from "./nn/index.ts";
