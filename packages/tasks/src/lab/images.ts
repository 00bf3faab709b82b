import { type Dataset, data } from "tensorlane";
import { loadImages } from "../classify/data/load.ts";
import { thinOut } from "../classify/data/select.ts";
import { fewOfEach } from "../classify/data/split.ts";
import { ImageDataset } from "../classify/images/dataset.ts";
import { channelMoments } from "../classify/images/moments.ts";
import { preprocessingFor, storedSide } from "../classify/recipes.ts";
import type { Bench } from "./bench.ts";

export interface PicturesOptions {
  /** Id of an image set. */
  readonly data: string;
  /** Side of the network's input. */
  readonly size: number;
  /** Training and test pictures of each class. */
  readonly perClass: number;
  readonly testPerClass: number;
}

/** A few pictures of a set, normalised and in memory. */
export interface Pictures {
  readonly title: string;
  readonly classes: number;
  readonly channels: number;
  readonly train: Dataset;
  readonly test: Dataset;
}

/** Reads a part of an image set, as the task `classify` reads it, without variation. */
export async function loadPictures(bench: Bench, options: PicturesOptions): Promise<Pictures> {
  const { pool, seed, ui } = bench;
  const { size, perClass, testPerClass } = options;
  const whole = await loadImages(options.data, { side: storedSide(size), seed, pool, ui });
  if (whole.simulated) ui.warn(`SIMULATED DATA: ${whole.title}.`);
  const set = thinOut(whole, perClass, seed);
  const { mean, std } = await channelMoments(set, pool);
  const preprocessing = { ...preprocessingFor(set, size), mean, std };
  const inMemory = async (indices: Int32Array) => {
    const pictures = new ImageDataset({ set, indices, preprocessing, pool });
    const { image, label } = await pictures.get(Int32Array.from(indices.keys()));
    return new data.ArrayDataset({ image: image!, label: label! });
  };
  return {
    title: set.title,
    classes: set.classes.length,
    channels: set.channels,
    train: await inMemory(set.train),
    test: await inMemory(fewOfEach(set.test, set.labels, testPerClass, seed)),
  };
}

/** Batches in a new order in every epoch. */
export const shuffled = (dataset: Dataset, batchSize: number, seed: number): data.DataLoader =>
  new data.DataLoader(dataset, { batchSize, shuffle: true, seed, dropLast: true });

/** Batches to evaluate on, the last one filled up. */
export const inOrder = (dataset: Dataset, batchSize = 200): data.DataLoader =>
  new data.DataLoader(dataset, { batchSize: Math.min(batchSize, dataset.length) });
