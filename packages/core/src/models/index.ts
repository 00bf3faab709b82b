export { AlexNet, type AlexNetOptions, alexnet } from "./alexnet.ts";
export type { Architecture, Classifier, ClassifierOptions } from "./architecture.ts";
export * from "./cifarResnet.ts";
export {
  GoogLeNet,
  type GoogLeNetOptions,
  type GoogLeNetOutputs,
  googlenet,
  googlenetLoss,
  Inception,
  NaiveInception,
} from "./googlenet.ts";
export { replaceHead } from "./head.ts";
export { LeNet5, lenet5 } from "./lenet5.ts";
export { architecture, architectures } from "./registry.ts";
export { BasicBlock, Bottleneck, type Shortcut } from "./residual.ts";
export * from "./resnet.ts";
export * from "./vgg.ts";
