/** Every public operator. Each lives in one place, with its shape rule, gradient rule and ONNX lowering. */
export * from "./activations.ts";
export * from "./channelNorm.ts";
export * from "./composite.ts";
export * from "./conv.ts";
export * from "./create.ts";
export * from "./elementwise.ts";
export * from "./embedding.ts";
export * from "./indexing.ts";
export * from "./matmul.ts";
export * from "./norm.ts";
export * from "./padding.ts";
export * from "./pool.ts";
export * from "./reduce.ts";
export * from "./scan.ts";
export * from "./shape.ts";
