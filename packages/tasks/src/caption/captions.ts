import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import { data } from "tensorlane";
import { type DataPlaces, dataEntry, obtainFile } from "tensorlane/node";
import { sharedBytes } from "../classify/data/set.ts";
import type { Picture } from "../classify/images/pixelTools.ts";
import type { ImagePool } from "../classify/images/pool.ts";
import { readPicture } from "../classify/images/reading.ts";
import { resizingTools } from "../classify/images/resizing.ts";
import { RESIZING_WASM } from "../classify/images/resizing.wasm.ts";
import { UserError } from "../errors.ts";
import { wordsOf } from "./words.ts";

/** A picture and what people said of it. */
export interface Captioned {
  readonly file: string;
  /** size x size pixels. */
  readonly picture: Picture;
  /** As written. */
  readonly captions: readonly string[];
}

/** Pictures with captions, divided into parts. */
export interface CaptionSet {
  readonly id: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly pictures: readonly Captioned[];
  /** Indices of the pictures of each part; nothing is in two of them. */
  readonly train: Int32Array;
  readonly validation: Int32Array;
  readonly test: Int32Array;
  /** How the parts were cut, in words. */
  readonly split: string;
}

export interface LoadOptions extends DataPlaces {
  /** Side that pictures are brought to, whatever their shape. */
  readonly size: number;
  /** Chooses what is held out. */
  readonly seed: number;
  readonly pool: ImagePool;
}

/** The registered set: its id, its side, and where the test part begins. */
const [FLICKR, SIDE, TEST] = ["flickr8k-part", 64, 900];

/** Name of the captions' file in a folder, and its columns. */
const LIST = "captions.txt";

const { resize } = resizingTools(RESIZING_WASM);

/** A picture of a file, squeezed into a square. */
export const readSquare = async (path: string, size: number, pool: ImagePool): Promise<Picture> =>
  // Whole first: shrinking by the shorter side would smooth twice.
  squared(await readPicture(path, Number.POSITIVE_INFINITY, pool), size);

/** A picture squeezed into a square, in memory that threads share. */
function squared(picture: Picture, size: number): Picture {
  const resized = resize(picture, size, size);
  const pixels = sharedBytes(resized.data.length);
  pixels.set(resized.data);
  return { ...resized, data: pixels };
}

/** Flickr8k's part by its id, or a folder of pictures with the captions in `captions.txt`. */
export async function loadCaptions(source: string, options: LoadOptions): Promise<CaptionSet> {
  const set = source === FLICKR ? await readFlickr(options) : await readFolder(source, options);
  const mute = set.pictures.find(({ captions }) => captions.every((c) => wordsOf(c).length === 0));
  if (mute) throw new UserError(`${set.id}: the captions of ${mute.file} have no words.`);
  return set;
}

async function readFlickr({ size, seed, ...places }: LoadOptions): Promise<CaptionSet> {
  const entry = dataEntry(FLICKR);
  const table = await obtainFile(entry, "captions", places);
  const pixels = gunzipSync((await obtainFile(entry, "images", places)).bytes);
  const rows = rowsOf(FLICKR, gunzipSync(table.bytes), "\t", ["file", "caption"]);
  const named = [...grouped(rows, ({ file }) => file)];
  const area = 3 * SIDE * SIDE;
  if (pixels.length !== named.length * area) {
    throw new UserError(
      `${FLICKR}: ${pixels.length} bytes of pixels, but ${named.length} pictures have captions.`,
    );
  }
  const pictures = named.map(([file, own], i) => {
    const bytes = pixels.subarray(i * area, (i + 1) * area);
    const picture = { data: bytes, width: SIDE, height: SIDE, channels: 3 };
    return { file, picture: squared(picture, size), captions: own.map((row) => row.caption) };
  });
  const order = data.permutation(TEST, seed, 0);
  const held = TEST / 10;
  return {
    id: FLICKR,
    title: entry.title,
    notes: [
      "The pictures are 64 x 64 pixels, squeezed; published results have full-size ones.",
      ...(table.verified ? [] : ["No published SHA-256 vouches for the files: unverified."]),
    ],
    pictures,
    train: order.slice(held).sort(),
    validation: order.slice(0, held).sort(),
    test: Int32Array.from({ length: named.length - TEST }, (_, i) => TEST + i),
    split: `the pictures from ${TEST} on are the test; ${held} of the others, chosen by the seed, validate`,
  };
}

async function readFolder(folder: string, options: LoadOptions): Promise<CaptionSet> {
  const list = join(folder, LIST);
  const bytes = await readFile(list).catch((cause: Error) => {
    throw new UserError(
      `${list} cannot be read; give a folder with ${LIST} (a header "image,caption", then a picture's file and a ` +
        "caption a line, as Flickr8k has it) and the pictures beside it or in Images/.",
      { cause },
    );
  });
  const rows = rowsOf(list, bytes, ",", ["image", "caption"]);
  const named = [...grouped(rows, ({ image }) => image)];
  const beside = existsSync(join(folder, "Images")) ? join(folder, "Images") : folder;
  const pictures: Captioned[] = [];
  for (const [file, own] of named) {
    const picture = await readSquare(join(beside, file), options.size, options.pool);
    pictures.push({ file, picture, captions: own.map((row) => row.caption) });
  }
  const held = Math.floor(pictures.length / 10);
  if (held === 0) {
    throw new UserError(`${list} names ${pictures.length} pictures; at least 10 are needed.`);
  }
  const order = data.permutation(pictures.length, options.seed, 0);
  return {
    id: folder,
    title: `${basename(folder)}: ${pictures.length} pictures, ${rows.length} captions`,
    notes: [],
    pictures,
    train: order.slice(2 * held).sort(),
    validation: order.slice(held, 2 * held).sort(),
    test: order.slice(0, held).sort(),
    split: "a tenth of the pictures each for validation and test, chosen by the seed",
  };
}

/** The rows of a table with a header, by the columns' names. */
function rowsOf<Column extends string>(
  name: string,
  bytes: Uint8Array,
  delimiter: string,
  columns: readonly Column[],
): Record<Column, string>[] {
  const quote = delimiter === "\t" ? false : '"';
  let rows: Record<Column, string>[];
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    rows = parse(text, { columns: true, delimiter, quote, bom: true, skip_empty_lines: true });
  } catch (cause) {
    throw new UserError(`${name}: ${(cause as Error).message}`, { cause });
  }
  const missing = columns.filter((column) => rows[0]?.[column] === undefined);
  if (missing.length > 0) {
    throw new UserError(
      `${name} has no column ${missing.join(", ")}; its header must name ${columns.join(", ")}.`,
    );
  }
  return rows;
}

/** Rows by a key, in the order in which the keys come first. */
function grouped<Row>(rows: readonly Row[], key: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row]);
  return groups;
}
