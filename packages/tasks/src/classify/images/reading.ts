import { readFile } from "node:fs/promises";
import { UserError } from "../../errors.ts";
import { sharedBytes } from "../data/set.ts";
import type { Picture } from "./pixelTools.ts";
import type { ImagePool } from "./pool.ts";

/** The picture of a file, its shorter side at most `side` pixels; says what is wrong with the file. */
export async function readPicture(path: string, side: number, pool: ImagePool): Promise<Picture> {
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
export function withChannels({ data, width, height }: Picture, channels: number): Picture {
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
