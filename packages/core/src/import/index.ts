export { OnnxImportError } from "./error.ts";
export { type GraphInput, ImportedModule, type ImportOptions, importModel } from "./module.ts";
