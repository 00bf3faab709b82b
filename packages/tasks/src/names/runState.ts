import { weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { Vocabulary } from "../language/index.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";
import { NameNetwork, type Spec } from "./network.ts";

/** What a run keeps in `run.json` beside its settings. */
export interface RunDetails {
  readonly spec: Spec;
  readonly characters: readonly string[];
  readonly languages: readonly string[];
}

export async function saveDetails(folder: RunFolder, details: RunDetails): Promise<void> {
  const all = { ...folder.info.details, ...(details as unknown as { [key: string]: Json }) };
  await folder.update({ details: all });
}

/** A run's network with its best weights, the characters and the languages that it knows. */
export async function loadRunState(folder: RunFolder) {
  const bytes = await folder.need(runFiles.best, "rebuild the network");
  const { spec, characters, languages } = folder.info.details as unknown as RunDetails;
  const network = new NameNetwork(spec);
  try {
    network.loadStateDict(weights.readSafetensors(bytes).arrays);
  } catch (error) {
    throw new UserError(`${folder.path(runFiles.best)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return {
    network: network.eval(),
    vocabulary: new Vocabulary("character", characters),
    languages,
  };
}
