export {
  type GraphInput,
  ImportedModule,
  type ImportOptions,
  importModel,
  OnnxImportError,
} from "../import/index.ts";
export {
  type ExportOptions,
  exportModel,
  type InputSpec,
  type Outputs,
  readModel,
} from "./model.ts";
export { exportTrainingStep, type StepDescription, type StepOptions } from "./trainingStep.ts";
