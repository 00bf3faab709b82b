import { weights } from "tensorlane";
import { UserError } from "../errors.ts";
import {
  LanguageModel,
  type LanguageModelOptions,
  type Unit,
  Vocabulary,
} from "../language/index.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";

/** The vocabulary of a run, a list of tokens by id. */
const vocabularyFile = "vocabulary.json";

/** What a finished run keeps, so that it can write anew. */
export interface RunState {
  readonly model: LanguageModel;
  readonly vocabulary: Vocabulary;
}

export async function saveRunState(
  folder: RunFolder,
  { model, vocabulary }: RunState,
): Promise<void> {
  await folder.write(runFiles.best, weights.writeSafetensors(model.stateDict()));
  await folder.writeJson(vocabularyFile, vocabulary.tokens);
  const options = model.options as unknown as { [key: string]: Json };
  await folder.update({ details: { model: options, unit: vocabulary.unit } });
}

/** The model of a run with its best weights. */
export async function loadRunState(folder: RunFolder): Promise<RunState> {
  const { details } = folder.info;
  const best = await folder.need(runFiles.best, "rebuild the model");
  await folder.need(vocabularyFile, "tell the tokens");
  const tokens = (await folder.readJson(vocabularyFile)) as readonly string[];
  const model = new LanguageModel(details.model as unknown as LanguageModelOptions);
  try {
    model.loadStateDict(weights.readSafetensors(best).arrays);
  } catch (error) {
    const path = folder.path(runFiles.best);
    throw new UserError(`${path}: ${(error as Error).message}`, { cause: error });
  }
  return { model: model.eval(), vocabulary: new Vocabulary(details.unit as Unit, tokens) };
}
