import { weights } from "tensorlane";
import type { Preprocessing } from "../classify/images/augment.ts";
import { UserError } from "../errors.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";
import { buildCaptioner, type Captioner, type CaptionerSpec } from "./network.ts";
import { CaptionWords } from "./words.ts";

const wordsFile = "vocabulary.json";

/** What a run keeps in `run.json` beside its settings. */
export interface RunDetails {
  readonly spec: CaptionerSpec;
  readonly preprocessing: Preprocessing;
  readonly maxLength: number;
}

/** A captioner and all that it needs to describe a picture. */
export interface RunState extends RunDetails {
  readonly network: Captioner;
  readonly words: CaptionWords;
}

export async function saveDetails(
  folder: RunFolder,
  details: RunDetails,
  words: CaptionWords,
): Promise<void> {
  await folder.writeJson(wordsFile, words.vocabulary.tokens);
  await folder.update({ details: { ...details } as unknown as { [key: string]: Json } });
}

/** A run's captioner with its best weights, and the words it knows. */
export async function loadRunState(folder: RunFolder): Promise<RunState> {
  const bytes = await folder.need(runFiles.best, "rebuild the network");
  await folder.need(wordsFile, "write words");
  const words = new CaptionWords((await folder.readJson(wordsFile)) as readonly string[]);
  const details = folder.info.details as unknown as RunDetails;
  if (details.spec?.words !== words.size) {
    throw new UserError(
      `${folder.path(wordsFile)} holds ${words.size} words, the network was made for ` +
        `${details.spec?.words ?? "none"}: one of the files is not this run's.`,
    );
  }
  const network = buildCaptioner(details.spec);
  try {
    network.loadStateDict(weights.readSafetensors(bytes).arrays);
  } catch (error) {
    throw new UserError(`${folder.path(runFiles.best)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return { ...details, network, words };
}
