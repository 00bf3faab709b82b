/** Learning-rate schedules with PyTorch's names and semantics. */
export {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  CyclicLR,
  type CyclicOptions,
  OneCycleLR,
  type OneCycleOptions,
} from "./cyclic.ts";
export {
  ConstantLR,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  PolynomialLR,
  StepLR,
} from "./decay.ts";
export { type PlateauOptions, ReduceLROnPlateau } from "./plateau.ts";
export {
  type BaseRate,
  CountingSchedule,
  type IntervalOption,
  type Json,
  type JsonObject,
  type Schedule,
} from "./schedule.ts";
export { SequentialLR, type SequentialOptions } from "./sequential.ts";
