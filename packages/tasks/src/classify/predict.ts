import { UserError } from "../errors.ts";
import { checkEnding, readInputs } from "../inputs.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, PredictOptions, TaskUi } from "../task.ts";
import { counted } from "../wording.ts";
import { predictImages, ranking } from "./evaluation.ts";
import { ImagePool } from "./images/pool.ts";
import { readPicture, withChannels } from "./images/reading.ts";
import { storedSide } from "./recipes.ts";
import { loadRunState } from "./runState.ts";

/** The five likeliest classes of each image file. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  options: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  if (inputs.length === 0) throw new UserError("predict needs an image file, or several.");
  checkEnding(options.out, "the results are plain text", [".txt"]);
  const folder = await RunFolder.open(dir);
  const { network, spec, classes, preprocessing } = await loadRunState(folder);
  const pool = new ImagePool();
  try {
    const side = storedSide(preprocessing.size);
    const {
      given,
      values: pictures,
      left,
    } = await readInputs(
      inputs,
      async (path) => withChannels(await readPicture(path, side, pool), spec.inChannels),
      ui,
    );
    const predictions = await predictImages({
      ...{ network, preprocessing, pool },
      set: {
        sources: pictures.map((picture) => ({ picture })),
        labels: new Int32Array(given.length),
        channels: spec.inChannels,
      },
      indices: Int32Array.from(given.keys()),
      classes: classes.length,
    });
    const results = given.map((file, row) => ({
      file,
      classes: ranking(predictions, row)
        .slice(0, 5)
        .map((label) => ({
          class: classes[label]!,
          probability: predictions.probabilities[row * classes.length + label]!,
        })),
    }));
    const text = results.map(describe).join("");
    if (options.out) {
      await writeFileAtomic(options.out, text);
      ui.notice(`${options.out}: ${counted(given.length, "image")}`);
    } else ui.write(text);
    return {
      dir: folder.dir,
      predictions: results,
      ...left,
      ...(options.out && { path: options.out }),
    };
  } finally {
    pool.close();
  }
}

function describe({
  file,
  classes,
}: {
  readonly file: string;
  readonly classes: readonly { readonly class: string; readonly probability: number }[];
}): string {
  const lines = classes.map(
    ({ class: name, probability }) => `  ${(100 * probability).toFixed(1).padStart(5)} %  ${name}`,
  );
  return `${file}\n${lines.join("\n")}\n`;
}
