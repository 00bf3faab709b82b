import { stringify } from "csv-stringify/sync";
import { UserError } from "../errors.ts";
import { checkEnding, readInputs } from "../inputs.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, PredictOptions, TaskUi } from "../task.ts";
import { counted } from "../wording.ts";
import { normalizers, unseen } from "./pairs.ts";
import { loadRunState } from "./runState.ts";
import { RANKING, search } from "./writing.ts";

/** Writes the best text for each source, found by a beam search. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  options: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  checkEnding(options.out, "the results are CSV", [".csv", ".txt"]);
  const folder = await RunFolder.open(dir);
  const network = await loadRunState(folder);
  if (inputs.length === 0) throw new UserError("predict takes sources in quotes, one text each.");
  const { data } = folder.info.settings;
  const normalize = normalizers[data] ?? ((text: string) => text);
  const beam = (options.extra as { readonly beam: number }).beam;
  const { values: results, left } = await readInputs(
    inputs,
    async (input, i) => {
      const source = normalize(input);
      if (source === "") throw new UserError(`input ${i + 1} is empty: ${JSON.stringify(input)}.`);
      const strange = unseen[data]?.(source);
      if (strange) ui.warn(`${JSON.stringify(input)}: the network never saw ${strange}.`);
      const candidates = await search(network, source, beam);
      return {
        input,
        text: candidates[0].text,
        candidates: candidates.map((one) => ({ ...one })),
      };
    },
    ui,
  );
  const lines = results.map(({ input, text, candidates }) => [
    input,
    text,
    candidates[0].probability.toFixed(4),
  ]);
  const csv = stringify([["source", "text", "probability"], ...lines]);
  if (options.out === undefined) ui.write(csv);
  else {
    await writeFileAtomic(options.out, csv);
    ui.notice(`${options.out}: ${counted(results.length, "text")}`);
  }
  return {
    dir: folder.dir,
    results,
    ranking: RANKING,
    ...left,
    ...(options.out !== undefined && { path: options.out }),
  };
}
