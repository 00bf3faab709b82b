import { weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { exportStep, LanguageModel, type LanguageModelOptions } from "../language/index.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";
import { TuneTokens } from "./abc/corpus.ts";
import { type Form, formOf } from "./recipe.ts";
import { exportRollStep, RollModel, type RollModelOptions } from "./roll/model.ts";

/** The tokens of a run of tunes, a list by id; or how often each step occurs in the rolls. */
const vocabularyFile = "vocabulary.json";

/** What a finished run keeps, so that it can compose. */
export type RunState =
  | { readonly form: "abc"; readonly model: LanguageModel; readonly vocabulary: TuneTokens }
  | {
      readonly form: "roll";
      readonly model: RollModel;
      /** How often each step occurs in the training rolls. */
      readonly counts: Readonly<Record<string, number>>;
    };

export async function saveRunState(folder: RunFolder, state: RunState): Promise<void> {
  await folder.write(runFiles.best, weights.writeSafetensors(state.model.stateDict()));
  const known = state.form === "abc" ? state.vocabulary.tokens : state.counts;
  await folder.writeJson(vocabularyFile, known);
  const options = state.form === "roll" ? state.model.settings : state.model.options;
  const model = options as unknown as { [key: string]: Json };
  await folder.update({ details: { model } });
}

/** The model of a run with its best weights. */
export async function loadRunState(folder: RunFolder): Promise<RunState> {
  const form: Form = formOf(folder.info.settings.data);
  const best = await folder.need(runFiles.best, "rebuild the model");
  const options = folder.info.details.model as unknown;
  const restore = <M extends LanguageModel>(model: M): M => {
    try {
      model.loadStateDict(weights.readSafetensors(best).arrays);
    } catch (error) {
      const path = folder.path(runFiles.best);
      throw new UserError(`${path}: ${(error as Error).message}`, { cause: error });
    }
    model.eval();
    return model;
  };
  await folder.need(vocabularyFile, "tell the tokens");
  const known = (await folder.readJson(vocabularyFile)) as unknown;
  if (form === "roll") {
    const counts = known as Readonly<Record<string, number>>;
    return { form, model: restore(new RollModel(options as RollModelOptions)), counts };
  }
  const model = restore(new LanguageModel(options as LanguageModelOptions));
  return { form, model, vocabulary: new TuneTokens(known as readonly string[]) };
}

/** The step-by-step model, with all that a program needs to compose with it. */
export const exportState = (state: RunState): Promise<Uint8Array> =>
  state.form === "roll"
    ? exportRollStep(state.model)
    : exportStep(
        state.model,
        {},
        { "tensorlane.vocabulary": JSON.stringify(state.vocabulary.tokens) },
      );
