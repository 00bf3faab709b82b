import { stringify } from "csv-stringify/sync";
import { UserError } from "../errors.ts";
import { checkEnding, readInputs } from "../inputs.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import { softmax } from "../sentiment/judging.ts";
import type { CommandResult, PredictOptions, TaskUi } from "../task.ts";
import { counted } from "../wording.ts";
import { judge } from "./dataset.ts";
import { loadRunState } from "./runState.ts";

/** Languages told of each name. */
const TOP = 5;

/** The likeliest languages of surnames, with their probabilities. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  options: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  checkEnding(options.out, "the results are CSV", [".csv", ".txt"]);
  const folder = await RunFolder.open(dir);
  const { network, vocabulary, languages } = await loadRunState(folder);
  if (inputs.length === 0) throw new UserError("predict takes surnames, e.g. Satoshi.");
  const { values: names, left } = await readInputs(
    inputs,
    (input, i) => {
      const name = input.trim().normalize("NFC");
      if (name === "") throw new UserError(`input ${i + 1} is empty: ${JSON.stringify(input)}.`);
      vocabulary.encode(name, JSON.stringify(name));
      return { name, label: 0 };
    },
    ui,
  );
  const judged = await (await judge(network, names, vocabulary))();
  const results = names.map(({ name }, i) => {
    const top = softmax(judged[i])
      .map((probability, label) => ({ language: languages[label], probability }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, TOP);
    return { name, top };
  });
  const csv = stringify([
    ["name", "language", "probability"],
    ...results.flatMap(({ name, top }) =>
      top.map(({ language, probability }) => [name, language, probability.toFixed(4)]),
    ),
  ]);
  if (options.out === undefined) ui.write(csv);
  else {
    await writeFileAtomic(options.out, csv);
    ui.notice(`${options.out}: ${counted(results.length, "name")}`);
  }
  return {
    dir: folder.dir,
    results,
    ...left,
    ...(options.out !== undefined && { path: options.out }),
  };
}
