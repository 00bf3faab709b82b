export { WeightsError } from "./error.ts";
export { type PyTorchFile, type ReadPyTorchOptions, readPyTorch } from "./pytorch/index.ts";
export { type NamedArrays, readSafetensors, writeSafetensors } from "./safetensors.ts";
