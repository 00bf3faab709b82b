import { ImagePool } from "../classify/images/pool.ts";
import { UserError } from "../errors.ts";
import { checkEnding, readInputs } from "../inputs.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, PredictOptions, TaskUi } from "../task.ts";
import { counted } from "../wording.ts";
import { readSquare } from "./captions.ts";
import { pictureDataset } from "./dataset.ts";
import { describeAll, lookAt } from "./describing.ts";
import { BEAM } from "./recipe.ts";
import { loadRunState } from "./runState.ts";

/** A sentence about each image file. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  options: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  if (inputs.length === 0) throw new UserError("predict needs an image file, or several.");
  checkEnding(options.out, "the results are plain text", [".txt"]);
  const folder = await RunFolder.open(dir);
  const { network, words, preprocessing, maxLength } = await loadRunState(folder);
  const pool = new ImagePool();
  try {
    const {
      given,
      values: pictures,
      left,
    } = await readInputs(
      inputs,
      async (path) => ({ picture: await readSquare(path, preprocessing.size, pool) }),
      ui,
    );
    const indices = Int32Array.from(given.keys());
    const sights = await lookAt(
      network,
      pictureDataset({ pictures, indices, preprocessing, pool }),
    );
    const beam = (options.extra.beam as number | undefined) ?? BEAM;
    const said = await describeAll(network, sights, { words, beam, maxLength });
    const captions = given.map((file, i) => ({
      file,
      caption: said[i].words.join(" "),
      logProbability: said[i].logProbability,
    }));
    const text = captions
      .map(({ file, caption }) => (inputs.length > 1 ? `${file}: ${caption}\n` : `${caption}\n`))
      .join("");
    if (options.out) {
      await writeFileAtomic(options.out, text);
      ui.notice(`${options.out}: ${counted(given.length, "caption")}`);
    } else ui.write(text);
    return { dir: folder.dir, captions, ...left, ...(options.out && { path: options.out }) };
  } finally {
    pool.close();
  }
}
