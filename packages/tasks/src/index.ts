import { caption } from "./caption/index.ts";
import { classify } from "./classify/index.ts";
import { compose } from "./compose/index.ts";
import { forecast } from "./forecast/index.ts";
import { generate } from "./generate/index.ts";
import { names } from "./names/index.ts";
import { sentiment } from "./sentiment/index.ts";
import type { Task } from "./task.ts";
import { translate } from "./translate/index.ts";

export { nearestName, UserError, unknownName } from "./errors.ts";
export {
  checkData,
  checkModels,
  optionDefaults,
  optionName,
  planTrain,
  type TrainRequest,
} from "./plan.ts";
export {
  type Begun,
  RunFolder,
  type RunInfo,
  readRunInfo,
  runFiles,
  writeFileAtomic,
} from "./runFolder.ts";
export * from "./table.ts";
export type * from "./task.ts";

/** Every task of the command, by name. */
export const tasks: Readonly<Record<string, Task>> = {
  caption,
  classify,
  compose,
  forecast,
  generate,
  names,
  sentiment,
  translate,
};
