import { weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";
import type { Preprocessing } from "./images/augment.ts";
import { buildNetwork, type Classifier, type NetworkSpec } from "./network.ts";

/** What a run keeps in `run.json` beside its settings, so that it can classify anew. */
export interface RunDetails {
  readonly spec: NetworkSpec;
  readonly classes: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly simulated: boolean;
}

export const saveDetails = (folder: RunFolder, details: RunDetails): Promise<void> =>
  folder.update({ details: JSON.parse(JSON.stringify(details)) as { [key: string]: Json } });

/** The details of a run that has begun. */
export function detailsOf(folder: RunFolder): RunDetails {
  const details = folder.info.details as unknown as Partial<RunDetails>;
  if (!details.spec || !details.classes || !details.preprocessing) {
    throw new UserError(
      `${folder.path(runFiles.run)} does not describe a classifier: was training stopped before it began?`,
    );
  }
  return details as RunDetails;
}

/** The network of a run with its best weights. */
export async function loadRunState(
  folder: RunFolder,
): Promise<RunDetails & { readonly network: Classifier }> {
  const details = detailsOf(folder);
  const bytes = await folder.need(runFiles.best, "rebuild the network");
  const network = buildNetwork(details.spec);
  try {
    network.loadStateDict(weights.readSafetensors(bytes).arrays);
  } catch (error) {
    throw new UserError(`${folder.path(runFiles.best)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return { ...details, network };
}
