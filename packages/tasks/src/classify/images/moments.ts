import { TensorlaneError } from "tensorlane";
import type { ImageSet } from "../data/set.ts";
import type { ImagePool } from "./pool.ts";

/** Pictures that are measured at most where they have to be decoded for it. */
const SAMPLE = 500;

/** Mean and standard deviation of each channel over the training pictures, values 0 .. 1. */
export async function channelMoments(
  set: Pick<ImageSet, "sources" | "train" | "channels">,
  pool: ImagePool,
): Promise<{ readonly mean: number[]; readonly std: number[] }> {
  const { sources, train, channels } = set;
  const inMemory = train.every((index) => "picture" in sources[index]!);
  const step = inMemory ? 1 : Math.max(1, Math.floor(train.length / SAMPLE));
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let count = 0;
  for (let i = 0; i < train.length; i += step) {
    const source = sources[train[i]!]!;
    const { picture, error } =
      "picture" in source ? { ...source, error: "" } : await pool.decode(source);
    if (!picture) throw new TensorlaneError(`images: ${error}`);
    const area = picture.width * picture.height;
    count += area;
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      let square = 0;
      for (let k = c * area; k < (c + 1) * area; k++) {
        const value = picture.data[k]!;
        sum += value;
        square += value * value;
      }
      sums[c]! += sum;
      squares[c]! += square;
    }
  }
  const mean = Array.from(sums, (sum) => sum / count / 255);
  const std = mean.map(
    (m, c) => Math.sqrt(Math.max(0, squares[c]! / count / 255 ** 2 - m * m)) || 1,
  );
  return { mean, std };
}
