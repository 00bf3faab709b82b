/** Optimisers, learning-rate schedules and gradient clipping, with PyTorch's names and semantics. */
export { Adadelta, type AdadeltaOptions } from "./adadelta.ts";
export { Adagrad, type AdagradOptions } from "./adagrad.ts";
export { Adam, type AdamOptions, AdamW } from "./adam.ts";
export {
  type ClipNormOptions,
  type ClippedGradients,
  clipGradNorm,
  clipGradValue,
} from "./clip.ts";
export {
  type CommonOptions,
  groupOf,
  type Optimizer,
  type ParameterGroup,
  type Slot,
  type Treatment,
  type UpdateInputs,
  type UpdateOutputs,
} from "./optimizer.ts";
export { RMSprop, type RMSpropOptions } from "./rmsprop.ts";
export * from "./schedules/index.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
