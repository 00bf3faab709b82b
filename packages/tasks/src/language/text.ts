import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { createGunzip, gunzipSync } from "node:zlib";
import { type DataEntry, dataEntries, dataEntry, obtainFile } from "tensorlane/node";
import { UserError } from "../errors.ts";
import { type TokenIds, tokensOf, type Unit, unseenCharacters, Vocabulary } from "./vocabulary.ts";

/** A text that can be read from its beginning, piece by piece, as often as needed. */
export interface TextSource {
  readonly id: string;
  readonly title: string;
  /** What must be said about it: files left out. */
  readonly notes: readonly string[];
  read(): AsyncIterable<string>;
}

/** Read at once; no more of a large file is in memory. */
const CHUNK = 2 ** 20;

/** Folders of a source tree that hold nothing written by hand. */
const skipped = new Set(["node_modules", "__pycache__", "dist", "build", "target"]);

/** A registered text by its id, a text file (UTF-8, also gzipped), or the texts of a folder. */
export async function openText(data: string): Promise<TextSource> {
  const asText = ({ files }: DataEntry) => files.some(({ role }) => role === "text");
  if (dataEntries().some((entry) => entry.id === data && asText(entry))) return registered(data);
  const found = await stat(data).catch(() => undefined);
  if (found === undefined) {
    throw new UserError(
      `${data} does not exist; give a text file, a folder of text files or the id of a data set.`,
    );
  }
  if (found.isDirectory()) return folderText(data);
  const title = basename(data);
  return { id: data, title, notes: [], read: () => decoded(data) };
}

async function registered(id: string): Promise<TextSource> {
  const entry = dataEntry(id);
  const { bytes, origin } = await obtainFile(entry, "text");
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  const text = withoutMarks(new TextDecoder("utf-8", { fatal: true }).decode(plain));
  return {
    id,
    title: entry.title,
    notes: origin === "network" ? [`${id} was downloaded.`] : [],
    async *read() {
      yield text;
    },
  };
}

/** The text files of a folder and those below it, in the order of their paths; others are counted. */
async function folderText(folder: string): Promise<TextSource> {
  const texts: string[] = [];
  const others: string[] = [];
  for (const path of await filesBelow(folder)) {
    ((await isText(path)) ? texts : others).push(path);
  }
  if (texts.length === 0) {
    throw new UserError(`${folder} holds no text file (UTF-8); ${others.length} other files.`);
  }
  const named = others.slice(0, 3).map((path) => relative(folder, path));
  const more = others.length > named.length ? ` and ${others.length - named.length} more` : "";
  return {
    id: folder,
    title: `${basename(folder)}: ${texts.length} text files`,
    notes: others.length === 0 ? [] : [`left out, not UTF-8 text: ${named.join(", ")}${more}`],
    async *read() {
      for (const path of texts) {
        yield* decoded(path);
        yield "\n";
      }
    },
  };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".") || skipped.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path)));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}

/** Whether a whole file is UTF-8 without NUL, as text is. */
async function isText(path: string): Promise<boolean> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const bytes of createReadStream(path, { highWaterMark: CHUNK })) {
      if ((bytes as Buffer).includes(0)) return false;
      decoder.decode(bytes as Buffer, { stream: true });
    }
    decoder.decode();
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** The bytes of a file, unpacked where its name says that it is packed. */
function bytesOf(path: string): AsyncIterable<Buffer> {
  const file = createReadStream(path, { highWaterMark: CHUNK });
  if (!path.endsWith(".gz")) return file;
  const unpacked = file.pipe(createGunzip({ chunkSize: CHUNK }));
  file.on("error", (error) => unpacked.destroy(error));
  return unpacked;
}

/** Marks the order of bytes; files joined to one have it inside, too, where it means nothing. */
const withoutMarks = (text: string): string => text.replaceAll("\uFEFF", "");

async function* decoded(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of bytesOf(path)) {
      const text = withoutMarks(decoder.decode(chunk, { stream: true }));
      if (text !== "") yield text;
    }
    decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const { at, value } = await firstBadByte(path);
    throw new UserError(
      `${path} is not text in UTF-8 (byte ${at}, 0x${value.toString(16)}, is wrong); convert it first, ` +
        "for example with `iconv -f ISO-8859-1 -t UTF-8`.",
      { cause: error },
    );
  }
}

/** Where a file ceases to be UTF-8, counted from 0: it is read again, since a decoder does not tell. */
async function firstBadByte(path: string): Promise<{ at: number; value: number }> {
  let [pending, done] = [Buffer.alloc(0), 0];
  for await (const chunk of bytesOf(path)) {
    const all = Buffer.concat([pending, chunk]);
    /** The text of the first bytes, but for a character that is cut; undefined where one is wrong. */
    const text = (bytes: number): string | undefined => {
      try {
        const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
        return decoder.decode(all.subarray(0, bytes), { stream: true });
      } catch {
        return undefined;
      }
    };
    let [good, bad] = [0, all.length + 1];
    while (bad - good > 1) {
      const middle = (good + bad) >> 1;
      if (text(middle) === undefined) bad = middle;
      else good = middle;
    }
    const whole = Buffer.byteLength(text(good)!);
    if (good < all.length) return { at: done + whole, value: all[whole]! };
    pending = all.subarray(whole);
    done += whole;
  }
  return { at: done, value: pending[0]! };
}

/** Whole tokens of a text, as lists; a word cut by the end of a piece goes on in the next. */
async function* tokenLists(source: TextSource, unit: Unit): AsyncGenerator<readonly string[]> {
  let rest = "";
  for await (const piece of source.read()) {
    if (unit === "character") {
      yield tokensOf(piece, unit);
      continue;
    }
    const tokens = tokensOf(rest + piece, unit);
    rest = tokens.at(-1) ?? "";
    // A space at the end may belong to the word that follows.
    yield tokens.slice(0, -1);
  }
  if (rest !== "") yield [rest];
}

/** A text as ids. */
export interface Corpus {
  readonly source: TextSource;
  readonly vocabulary: Vocabulary;
  readonly ids: TokenIds;
}

/** Reads a text twice: once to count its tokens, once to write down their ids. */
export async function readCorpus(source: TextSource, unit: Unit, limit: number): Promise<Corpus> {
  const counts = new Map<string, number>();
  let length = 0;
  for await (const tokens of tokenLists(source, unit)) {
    for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
    length += tokens.length;
  }
  if (length === 0) throw new UserError(`${source.id} is empty: there is nothing to learn from.`);
  const vocabulary = Vocabulary.fromCounts(unit, counts, limit);
  return { source, vocabulary, ids: await idsOf(source, vocabulary, length) };
}

/** Reads a text with a vocabulary made before; throws UserError for characters it does not have. */
export async function readWith(vocabulary: Vocabulary, source: TextSource): Promise<Corpus> {
  let length = 0;
  for await (const tokens of tokenLists(source, vocabulary.unit)) length += tokens.length;
  if (length === 0) throw new UserError(`${source.id} is empty: there is nothing to measure.`);
  return { source, vocabulary, ids: await idsOf(source, vocabulary, length) };
}

async function idsOf(
  source: TextSource,
  vocabulary: Vocabulary,
  length: number,
): Promise<TokenIds> {
  const ids = vocabulary.allocate(length);
  const unseen = new Map<string, number>();
  let at = 0;
  for await (const tokens of tokenLists(source, vocabulary.unit)) {
    for (const token of tokens) {
      const id = vocabulary.idOf(token);
      if (id < 0) unseen.set(token, (unseen.get(token) ?? 0) + 1);
      ids[at++] = id;
    }
  }
  if (unseen.size > 0) throw unseenCharacters(source.title, unseen, vocabulary);
  return ids;
}
