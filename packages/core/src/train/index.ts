export type { Callback, EpochRecord, StepEvent } from "./callbacks.ts";
export { BEST, LAST } from "./checkpoint.ts";
export { NonFiniteError } from "./diagnose.ts";
export { compile, type Forward, type ForwardOptions } from "./forward.ts";
export { MemoryStorage, type Storage } from "./storage.ts";
export type { BatchTensors, LossFunction, LossResult } from "./trace.ts";
export { type FitOptions, type FitResult, Trainer, type TrainerOptions } from "./trainer.ts";
