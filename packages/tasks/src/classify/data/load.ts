import { stat } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { DataError, type DataPlaces, dataEntry, obtainFile } from "tensorlane/node";
import { UserError } from "../../errors.ts";
import type { TaskUi } from "../../task.ts";
import type { ImagePool } from "../images/pool.ts";
import { readFolder } from "./folder.ts";
import { readSigns } from "./gtsrb.ts";
import { readMnist } from "./mnist.ts";
import { cifarNames, digitNames, signNames } from "./names.ts";
import { published } from "./published.ts";
import { cifarLayout, gtsrbLayout, readRecords } from "./records.ts";
import { type ImageSet, type PictureBlock, sourcesOf } from "./set.ts";
import { simulateDigits } from "./simulator.ts";
import { byTrack, stratified } from "./split.ts";
import { readTar } from "./tar.ts";

/** The set that the task takes unless told otherwise, and the only one that a simulation may stand in for. */
export const DEFAULT_IMAGES = "mnist";
export const SIMULATED = "simulated";

export interface LoadOptions extends DataPlaces {
  /** Shorter side that pictures of other sizes are shrunk to. */
  readonly side: number;
  /** Chooses the validation part. */
  readonly seed: number;
  readonly pool: ImagePool;
  readonly ui: TaskUi;
}

type Loaded = Omit<ImageSet, "id" | "title" | "simulated">;

const indices = (from: number, to: number): Int32Array =>
  Int32Array.from({ length: to - from }, (_, i) => from + i);

/** What a set of two blocks of pictures of one size has, a share of each training class held out. */
function twoBlocks(
  train: PictureBlock,
  test: PictureBlock,
  { classes, seed }: { readonly classes: readonly string[]; readonly seed: number },
): Loaded {
  const labels = Int32Array.of(...train.labels, ...test.labels);
  const count = train.labels.length;
  const { kept, held } = stratified(indices(0, count), labels, 0.1, seed);
  return {
    classes,
    channels: train.channels,
    side: train.side,
    sources: sourcesOf(train, test),
    labels,
    nameOf: (index) => (index < count ? `training image ${index}` : `test image ${index - count}`),
    train: kept,
    validation: held,
    test: indices(count, labels.length),
    split: "10 % of each training class, chosen by the seed",
    skipped: [],
    notes: [],
    published: [],
  };
}

type Files = (role: string) => Promise<Uint8Array>;

const readers: Readonly<Record<string, (files: Files, options: LoadOptions) => Promise<Loaded>>> = {
  mnist: async (files, { seed }) => {
    const train = readMnist(await files("trainImages"), await files("trainLabels"));
    const test = readMnist(await files("testImages"), await files("testLabels"));
    const set = twoBlocks(train, test, { classes: digitNames, seed });
    return { ...set, published: published.mnist };
  },
  cifar10: async (files, { seed }) => {
    const content = readTar(gunzipSync(await files("archive")));
    const batch = (name: string) => {
      const bytes = content.get(`cifar-10-batches-bin/${name}.bin`);
      if (!bytes) throw new UserError(`the CIFAR-10 archive holds no ${name}.bin.`);
      return bytes;
    };
    const batches = [1, 2, 3, 4, 5].map((number) => batch(`data_batch_${number}`));
    const train = readRecords("CIFAR-10's training part", Buffer.concat(batches), cifarLayout);
    const test = readRecords("CIFAR-10's test part", batch("test_batch"), cifarLayout);
    const set = twoBlocks(train, test, { classes: cifarNames, seed });
    return { ...set, published: published.cifar10 };
  },
  "cifar10-part": async (files, { seed }) => {
    const read = async (role: string) =>
      readRecords(`cifar10-part ${role}`, gunzipSync(await files(role)), cifarLayout);
    const set = twoBlocks(await read("train"), await read("test"), { classes: cifarNames, seed });
    const note = "Published results are for the whole set of 50000, with the original pixels.";
    return { ...set, notes: [note], published: published.cifar10 };
  },
  gtsrb: async (files, options) => {
    const archives = {
      train: await files("train"),
      test: await files("test"),
      truth: await files("truth"),
    };
    return { ...(await readSigns(archives, options)), notes: [], published: published.gtsrb };
  },
  "gtsrb-part": async (files, { seed }) => {
    const read = async (role: string) =>
      readRecords(`gtsrb-part ${role}`, gunzipSync(await files(role)), gtsrbLayout);
    const train = await read("train");
    const test = await read("test");
    const set = twoBlocks(train, test, { classes: signNames, seed });
    const all = indices(0, train.labels.length);
    const { kept, held } = byTrack(all, train.labels, train.extra[0]!, 0.15, seed);
    return {
      ...set,
      train: kept,
      validation: held,
      split: "15 % of each class's tracks (a track is one sign, filmed), chosen by the seed",
      notes: [
        "Published results are for the whole set: its test part is other and larger, and not balanced.",
      ],
      published: published.gtsrb,
    };
  },
};

/** The ids that `loadImages` knows. */
export const imageIds: readonly string[] = [...Object.keys(readers), SIMULATED];

function simulated(seed: number, notes: readonly string[]): ImageSet {
  const train = simulateDigits({ count: 6000, seed: 1 });
  const test = simulateDigits({ count: 1000, seed: 2 });
  return {
    ...twoBlocks(train, test, { classes: digitNames, seed }),
    id: SIMULATED,
    title: "SIMULATED digits: 6000 + 1000 drawings of 28 x 28",
    simulated: true,
    notes: [
      ...notes,
      "SIMULATED data: digits drawn by a program, not handwriting. Figures on them say nothing about MNIST.",
    ],
  };
}

/**
 * Labelled pictures by id, or from a user's folder: mirror, then cache, then network. Where the default set is
 * out of reach, drawn digits stand in, and `simulated`, title and notes say so; any other set is an error.
 */
export async function loadImages(source: string, options: LoadOptions): Promise<ImageSet> {
  if (source === SIMULATED) return simulated(options.seed, []);
  const reader = readers[source];
  if (reader) {
    try {
      return await loadRegistered(source, reader, options);
    } catch (error) {
      const out = error instanceof DataError && outOfReach.has(error.code);
      if (source !== DEFAULT_IMAGES || !out) throw error;
      return simulated(options.seed, [`SIMULATED data in place of ${source}: ${error.message}.`]);
    }
  }
  const found = await stat(source).catch(() => undefined);
  if (found?.isDirectory()) return readFolder(source, options);
  throw new UserError(
    found
      ? `${source} is a file; give a folder with one sub-folder of images for each class.`
      : `no image set "${source}": known are ${imageIds.join(", ")}; for your own images give a folder ` +
          "with one sub-folder for each class.",
  );
}

const outOfReach: ReadonlySet<string> = new Set(["unreachable", "offline", "http"]);

async function loadRegistered(
  id: string,
  read: (files: Files, options: LoadOptions) => Promise<Loaded>,
  options: LoadOptions,
): Promise<ImageSet> {
  const entry = dataEntry(id);
  const doubtful: string[] = [];
  const set = await read(async (role) => {
    const file = await obtainFile(entry, role, options);
    if (!file.verified) doubtful.push(file.path);
    return file.bytes;
  }, options);
  const notes = doubtful.map((path) => `No published SHA-256 vouches for ${path}: unverified.`);
  return { ...set, id, title: entry.title, simulated: false, notes: [...set.notes, ...notes] };
}
