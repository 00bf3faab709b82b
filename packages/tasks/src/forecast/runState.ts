import { weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";
import { type FeatureSettings, Features } from "./features.ts";
import type { Interval } from "./forecasting.ts";
import { Forecaster, type ModelName, recipes } from "./models.ts";

const featuresFile = "features.safetensors";
const intervalFile = "interval.safetensors";

/** What a finished run keeps beside the weights, so that it can forecast anew. */
export interface RunState {
  readonly name: ModelName;
  readonly model: Forecaster;
  readonly features: Features;
  readonly interval: Interval;
}

export async function saveRunState(
  folder: RunFolder,
  { name, features, interval }: Omit<RunState, "model">,
): Promise<void> {
  const { level, lower, upper } = interval;
  const shape = [features.settings.stepsOut, features.settings.names.length];
  await folder.write(featuresFile, features.encode());
  await folder.write(
    intervalFile,
    weights.writeSafetensors(
      new Map([
        ["lower", { data: lower, shape }],
        ["upper", { data: upper, shape }],
      ]),
    ),
  );
  const settings = features.settings as unknown as { [key: string]: Json };
  await folder.update({ details: { model: name, features: settings, level } });
}

/** Names the file in what its reader throws. */
function inFile<T>(folder: RunFolder, file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UserError(`${folder.path(file)}: ${(error as Error).message}`, { cause: error });
  }
}

/** The model of a run with its best weights. */
export async function loadRunState(folder: RunFolder): Promise<RunState> {
  const { details } = folder.info;
  const best = await folder.need(runFiles.best, "rebuild the model");
  const profile = await folder.need(featuresFile, "rebuild the model's inputs");
  const bounds = await folder.need(intervalFile, "give intervals");
  const name = details.model as ModelName;
  if (!Object.hasOwn(recipes, name)) {
    throw new UserError(
      `${folder.path(runFiles.run)} names the model "${name}", which this version does not know.`,
    );
  }
  const features = inFile(folder, featuresFile, () =>
    Features.decode(details.features as unknown as FeatureSettings, profile),
  );
  const model = new Forecaster(name, features.settings);
  inFile(folder, runFiles.best, () => model.loadStateDict(weights.readSafetensors(best).arrays));
  const { arrays } = inFile(folder, intervalFile, () => weights.readSafetensors(bounds));
  const part = (key: string) => arrays.get(key)?.data as Float32Array;
  const interval = { level: details.level as number, lower: part("lower"), upper: part("upper") };
  return { name, model, features, interval };
}
