import { readFile } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, PredictOptions, TaskUi } from "../task.ts";
import { sharedBytes } from "./data/set.ts";
import { predictImages, ranking } from "./evaluation.ts";
import type { Picture } from "./images/pixelTools.ts";
import { ImagePool } from "./images/pool.ts";
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
  const folder = await RunFolder.open(dir);
  const { network, spec, classes, preprocessing } = await loadRunState(folder);
  const pool = new ImagePool();
  try {
    const side = storedSide(preprocessing.size);
    const pictures: Picture[] = [];
    for (const path of inputs) {
      pictures.push(withChannels(await readPicture(path, side, pool), spec.inChannels));
    }
    const predictions = await predictImages({
      ...{ network, preprocessing, pool },
      set: {
        sources: pictures.map((picture) => ({ picture })),
        labels: new Int32Array(inputs.length),
        channels: spec.inChannels,
      },
      indices: Int32Array.from(inputs.keys()),
      classes: classes.length,
    });
    const results = inputs.map((file, row) => ({
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
      ui.notice(`${options.out}: ${inputs.length} images`);
    } else ui.write(text);
    return { dir: folder.dir, predictions: results, ...(options.out && { path: options.out }) };
  } finally {
    pool.close();
  }
}

async function readPicture(path: string, side: number, pool: ImagePool): Promise<Picture> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what = code === "ENOENT" ? "no such file" : `cannot be read (${code})`;
    throw new UserError(`${path}: ${what}.`, { cause });
  }
  const { picture, error } = await pool.decode({ bytes, side });
  if (!picture) throw new UserError(`${path} is not an image that can be read: ${error}.`);
  return picture;
}

/** The picture in grey where the network was trained on grey ones, in memory that threads share. */
function withChannels({ data, width, height }: Picture, channels: number): Picture {
  const area = width * height;
  const result = sharedBytes(channels * area);
  if (channels === 3) result.set(data);
  else {
    for (let i = 0; i < area; i++) {
      result[i] = Math.round(
        0.299 * data[i]! + 0.587 * data[i + area]! + 0.114 * data[i + 2 * area]!,
      );
    }
  }
  return { data: result, width, height, channels };
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
