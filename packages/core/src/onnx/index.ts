export {
  type ExportOptions,
  exportModel,
  exportTrainingStep,
  type InputSpec,
  type Outputs,
  readModel,
  type StepDescription,
  type StepOptions,
} from "./export.ts";
