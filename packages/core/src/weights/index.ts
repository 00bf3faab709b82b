export { type NamedArrays, readSafetensors, writeSafetensors } from "./safetensors.ts";
