import { weights } from "tensorlane";
import { UserError } from "../errors.ts";
import { Vocabulary } from "../language/index.ts";
import { type RunFolder, runFiles } from "../runFolder.ts";
import type { Json } from "../task.ts";
import { type Spec, Tokens, Translator } from "./translator.ts";

const tokensFile = "vocabulary.json";

export async function saveSpec(folder: RunFolder, spec: Spec, tokens: Tokens): Promise<void> {
  const { source, target } = tokens;
  await folder.writeJson(tokensFile, { source: source.tokens, target: target.tokens });
  const details = { ...folder.info.details, spec: { ...spec } as unknown as Json };
  await folder.update({ details });
}

/** A run's network with its best weights. */
export async function loadRunState(folder: RunFolder): Promise<Translator> {
  const bytes = await folder.need(runFiles.best, "rebuild the network");
  await folder.need(tokensFile, "tell the tokens");
  const { source, target } = (await folder.readJson(tokensFile)) as Record<
    "source" | "target",
    readonly string[]
  >;
  const spec = folder.info.details.spec as unknown as Spec;
  const tokens = new Tokens(new Vocabulary("character", source), new Vocabulary(spec.unit, target));
  const network = new Translator(spec, tokens);
  try {
    network.loadStateDict(weights.readSafetensors(bytes).arrays);
  } catch (error) {
    throw new UserError(`${folder.path(runFiles.best)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return network.eval();
}
