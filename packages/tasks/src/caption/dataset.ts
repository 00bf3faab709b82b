import { type Batch, type Dataset, data } from "tensorlane";
import type { Augmentation, Preprocessing } from "../classify/images/augment.ts";
import { ImageDataset } from "../classify/images/dataset.ts";
import type { ImagePool } from "../classify/images/pool.ts";
import type { Captioned } from "./captions.ts";
import { type CaptionWords, wordsOf } from "./words.ts";

/** What a picture may undergo without changing what is said of it. */
const augmentation: Augmentation = {
  flip: true,
  shift: 4,
  scale: 0.1,
  brightness: 0.2,
  contrast: 0.2,
  saturation: 0.2,
};

/** Targets that do not count. */
export const IGNORED = -100;

export interface PictureOptions {
  readonly pictures: readonly Pick<Captioned, "picture">[];
  readonly indices: Int32Array;
  readonly preprocessing: Preprocessing;
  readonly pool: ImagePool;
  /** Varies the pictures in every pass, drawn from it; without it all are seen as they are. */
  readonly seed?: number | undefined;
}

/** Pictures alone: the field `image` (3, size, size), and a `label` without meaning. */
export const pictureDataset = ({ pictures, seed, ...rest }: PictureOptions): ImageDataset =>
  new ImageDataset({
    ...rest,
    set: {
      sources: pictures.map(({ picture }) => ({ picture })),
      labels: new Int32Array(pictures.length),
      channels: 3,
    },
    ...(seed !== undefined && { seed, augmentation }),
  });

export interface CaptionDatasetOptions extends PictureOptions {
  readonly pictures: readonly Captioned[];
  readonly words: CaptionWords;
  /** Captions of each picture: missing ones are ignored, further ones left out. */
  readonly captions: number;
  /** Words of a caption at most; longer ones are learnt up to there. */
  readonly maxLength: number;
}

/**
 * Samples `image` (3, size, size), `tokens` (K, T) that begin with the mark of a beginning, and the `targets`
 * (K, T) that follow them: all captions of a picture together, so that it goes through the encoder once.
 */
export class CaptionDataset implements Dataset {
  readonly length: number;
  readonly fields: Dataset["fields"];
  readonly #images: ImageDataset;
  readonly #options: CaptionDatasetOptions;

  constructor(options: CaptionDatasetOptions) {
    const { captions, maxLength, indices } = options;
    this.#options = options;
    this.#images = pictureDataset(options);
    this.length = indices.length;
    const tokens = { dtype: "int32", shape: [captions, maxLength + 1] } as const;
    this.fields = { image: this.#images.fields.image, tokens, targets: tokens };
  }

  async get(rows: ArrayLike<number>, pass = 0): Promise<Batch> {
    const batch = data.allocateBatch(this.fields, rows.length);
    await this.fill(batch, rows, pass);
    return batch;
  }

  async fill(target: Batch, rows: ArrayLike<number>, pass = 0): Promise<void> {
    const { label } = data.allocateBatch(this.#images.fields, rows.length);
    await this.#images.fill({ image: target.image, label }, rows, pass);
    const { pictures, indices, words, captions, maxLength } = this.#options;
    const steps = maxLength + 1;
    const [tokens, targets] = [target.tokens.data, target.targets.data] as Int32Array[];
    for (let row = 0; row < rows.length; row++) {
      const said = pictures[indices[rows[row]]].captions;
      for (let k = 0; k < captions; k++) {
        const from = (row * captions + k) * steps;
        tokens.fill(words.end, from, from + steps);
        targets.fill(IGNORED, from, from + steps);
        if (k >= said.length) continue;
        const ids = [words.start, ...words.encode(wordsOf(said[k])), words.end];
        tokens.set(ids.slice(0, -1).slice(0, steps), from);
        targets.set(ids.slice(1, steps + 1), from);
      }
    }
  }
}
