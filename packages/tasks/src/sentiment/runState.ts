import { weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";
import { buildNetwork, type NetworkSpec, type SentimentNetwork } from "./networks.ts";
import { Vocabulary } from "./vocabulary.ts";

const vocabularyFile = "vocabulary.json";

/** What a run keeps in `run.json` beside its settings. */
export interface RunDetails {
  readonly spec: NetworkSpec;
  readonly epochs: number;
}

export async function saveDetails(
  folder: RunFolder,
  details: RunDetails,
  vocabulary: Vocabulary,
): Promise<void> {
  await folder.writeJson(vocabularyFile, vocabulary.words);
  await folder.update({ details: { ...details } as unknown as { [key: string]: Json } });
}

/** A run's network with its best weights, and the words it knows. */
export async function loadRunState(
  folder: RunFolder,
): Promise<{ readonly network: SentimentNetwork; readonly vocabulary: Vocabulary }> {
  const bytes = await folder.need(runFiles.best, "rebuild the network");
  await folder.need(vocabularyFile, "number the words");
  const words = (await folder.readJson(vocabularyFile)) as readonly string[];
  const { spec } = folder.info.details as unknown as RunDetails;
  if (spec === undefined || words.length + 1 !== spec.words) {
    throw new UserError(
      `${folder.path(vocabularyFile)} holds ${words.length} words, the network was made for ` +
        `${(spec?.words ?? 1) - 1}: one of the files is not this run's.`,
    );
  }
  const network = buildNetwork(spec);
  try {
    network.loadStateDict(weights.readSafetensors(bytes).arrays);
  } catch (error) {
    throw new UserError(`${folder.path(runFiles.best)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return { network: network.eval(), vocabulary: new Vocabulary(words) };
}
