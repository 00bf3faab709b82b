import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { UserError } from "../../errors.ts";
import type { TaskUi } from "../../task.ts";
import type { ImagePool, PictureSource, ToDecode } from "../images/pool.ts";
import { type ImageSet, type SkippedFile, sharedBytes } from "./set.ts";
import { stratified } from "./split.ts";

/** Pictures above this many bytes are decoded anew whenever they are needed. */
export const MEMORY_LIMIT = 2 ** 30;

/** Files that a system leaves in folders. */
const ignored = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/** A labelled file, not read yet. */
export interface LabelledFile {
  /** For messages and the report. */
  readonly name: string;
  readonly label: number;
  readonly content: { readonly path: string } | { readonly bytes: Uint8Array };
}

/** What could be read of labelled files. */
export interface ReadFiles {
  readonly sources: readonly PictureSource[];
  readonly labels: Int32Array;
  readonly names: readonly string[];
  readonly skipped: readonly SkippedFile[];
  /** Place of each given file among those read; -1 for a skipped one. */
  readonly places: Int32Array;
  /** Whether all pixels are kept in memory. */
  readonly kept: boolean;
}

/**
 * Decodes files on the pool's threads, shrunk to what the network needs; damaged ones are listed, never fatal.
 * Up to a limit the pixels stay in memory that all threads see.
 */
export async function readFiles(
  files: readonly LabelledFile[],
  { side, pool, ui, limit = MEMORY_LIMIT }: ReadOptions,
): Promise<ReadFiles> {
  const bar = ui.progress("reading images", files.length);
  const found: (PictureSource | undefined)[] = [];
  const skipped: SkippedFile[] = [];
  let bytes = 0;
  let done = 0;
  const readOne = async (i: number): Promise<void> => {
    const { name, content } = files[i]!;
    const source: ToDecode = { ...content, side };
    const { picture, error = "it cannot be read" } = await pool.decode(source);
    done++;
    if (done % 50 === 0) bar.update(done, { skipped: skipped.length });
    if (!picture) {
      skipped.push({ path: name, reason: error });
      return;
    }
    const { data, ...size } = picture;
    bytes += data.length;
    if (bytes > limit && "path" in content) {
      found[i] = { ...content, side, width: size.width, height: size.height };
      return;
    }
    const shared = sharedBytes(data.length);
    shared.set(data);
    found[i] = { picture: { ...size, data: shared } };
  };
  // A few at a time: the pool decodes them side by side, and undecoded bytes do not pile up.
  const width = 8;
  for (let from = 0; from < files.length && !ui.signal.aborted; from += width) {
    const count = Math.min(width, files.length - from);
    await Promise.all(Array.from({ length: count }, (_, k) => readOne(from + k)));
  }
  ui.signal.throwIfAborted();
  bar.stop(`${files.length - skipped.length} images read, ${skipped.length} skipped`);
  const good = [...files.keys()].filter((i) => found[i] !== undefined);
  const places = new Int32Array(files.length).fill(-1);
  for (const [place, i] of good.entries()) places[i] = place;
  return {
    sources: good.map((i) => found[i]!),
    labels: Int32Array.from(good, (i) => files[i]!.label),
    names: good.map((i) => files[i]!.name),
    skipped: skipped.sort((a, b) => a.path.localeCompare(b.path)),
    places,
    kept: bytes <= limit,
  };
}

export interface ReadOptions {
  /** Shorter side that pictures are shrunk to. */
  readonly side: number;
  readonly pool: ImagePool;
  readonly ui: TaskUi;
  /** Bytes of pixels that are kept in memory. */
  readonly limit?: number;
}

/** Names of the sub-folders, in the order of their code points (the same on every machine). */
async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && !ignored.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

async function filesIn(folder: string, root: string, label: number): Promise<LabelledFile[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && !ignored.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: relative(root, path), label, content: { path } }));
}

/** Names that a division made by the user may have; the first is ours. */
const partNames = {
  train: ["train", "training"],
  validation: ["val", "valid", "validation"],
  test: ["test", "testing"],
} as const;
type Part = keyof typeof partNames;

/** The user's own parts where the folder is divided into them, otherwise the folder itself. */
async function partsOf(folder: string): Promise<ReadonlyMap<Part | "all", string>> {
  const names = await subfolders(folder);
  const parts = (Object.keys(partNames) as Part[]).flatMap((part) => {
    const known: readonly string[] = partNames[part];
    const name = names.find((one) => known.includes(one.toLowerCase()));
    return name === undefined ? [] : [[part, join(folder, name)] as const];
  });
  const divided = parts.length === names.length && parts.some(([part]) => part === "train");
  return new Map<Part | "all", string>(divided ? parts : [["all", folder]]);
}

/**
 * A folder with one sub-folder for each class, or with `train`, `val` and `test` folders of such. What is
 * not divided is divided here: 15 % of each class for validation and 15 % for the test.
 */
export async function readFolder(
  folder: string,
  { seed, ...options }: ReadOptions & { readonly seed: number },
): Promise<ImageSet> {
  const parts = await partsOf(folder);
  const first = parts.get("train") ?? folder;
  const classes = await subfolders(first);
  if (classes.length < 2) {
    throw new UserError(
      `${first} has ${classes.length === 0 ? "no sub-folder" : `only the sub-folder "${classes[0]}"`}; ` +
        "put the images of each class into a sub-folder of its own, at least two.",
    );
  }
  const files: LabelledFile[] = [];
  const ranges = new Map<Part | "all", readonly [number, number]>();
  for (const [part, place] of parts) {
    const start = files.length;
    const other = (await subfolders(place)).find((name) => !classes.includes(name));
    if (other !== undefined) {
      throw new UserError(`${join(place, other)}: there is no class "${other}" in ${first}.`);
    }
    for (const [label, name] of classes.entries()) {
      files.push(...(await filesIn(join(place, name), folder, label).catch(missing)));
    }
    ranges.set(part, [start, files.length]);
  }
  const read = await readFiles(files, options);
  const { labels, places } = read;
  const within = (part: Part | "all") => {
    const [from, to] = ranges.get(part) ?? [0, 0];
    return places.slice(from, to).filter((place) => place >= 0);
  };
  const division = divide(labels, within, seed);
  const empty = classes.findIndex((_, label) => !division.train.some((i) => labels[i] === label));
  if (empty >= 0) {
    throw new UserError(
      `${join(first, classes[empty]!)} holds no image to train on` +
        (read.skipped.length > 0
          ? ` (${read.skipped.length} files could not be read, e.g. ${read.skipped[0]!.path}: ${read.skipped[0]!.reason}).`
          : "."),
    );
  }
  return {
    id: folder,
    title: folder,
    classes,
    channels: 3,
    side: Math.min(...read.sources.map(shorterSide)),
    sources: read.sources,
    labels,
    nameOf: (index) => read.names[index]!,
    ...division,
    skipped: read.skipped,
    simulated: false,
    notes: read.kept ? [] : ["Too large for memory: images are decoded anew in every epoch."],
    published: [],
  };
}

const missing = (error: NodeJS.ErrnoException): LabelledFile[] => {
  if (error.code === "ENOENT") return [];
  throw error;
};

const shorterSide = (source: PictureSource): number => {
  const { width, height } = "picture" in source ? source.picture : source;
  return Math.min(width, height);
};

function divide(
  labels: Int32Array,
  within: (part: Part | "all") => Int32Array,
  seed: number,
): Pick<ImageSet, "train" | "validation" | "test" | "split"> {
  const own = { validation: within("validation"), test: within("test") };
  let train: Int32Array = Int32Array.of(...within("all"), ...within("train"));
  const take = (part: Exclude<Part, "train">): Int32Array => {
    if (own[part].length > 0) return own[part];
    const { kept, held } = stratified(train, labels, part === "test" ? 0.15 : 0.15 / 0.85, seed);
    train = kept;
    return held;
  };
  const test = take("test");
  const validation = take("validation");
  const cut = (["validation", "test"] as const).filter((part) => own[part].length === 0);
  const split =
    cut.length === 0
      ? "the folder's own parts"
      : `15 % of each class for ${cut.join(" and for ")}, chosen by the seed`;
  return { train, validation, test, split };
}
