/** Loss functions: lazy tensors like any other, differentiable, with PyTorch's names and semantics. */
export {
  type AdaptiveLogSoftmaxOptions,
  AdaptiveLogSoftmaxWithLoss,
} from "./losses/adaptiveSoftmax.ts";
export {
  type CrossEntropyOptions,
  crossEntropy,
  type NllOptions,
  nllLoss,
} from "./losses/crossEntropy.ts";
export {
  bce,
  bceWithLogits,
  huberLoss,
  klDiv,
  l1Loss,
  mseLoss,
  poissonNll,
  smoothL1Loss,
} from "./losses/elementwise.ts";
export type { LossOptions, Reduction } from "./losses/reduce.ts";
export { SampledSoftmaxLoss, type SampledSoftmaxOptions } from "./losses/sampledSoftmax.ts";
