import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { data } from "tensorlane";
import { dataEntry, obtainFile } from "tensorlane/node";
import { UserError } from "../errors.ts";
import { textOf } from "../forecast/data/table.ts";

/** Names of the labels 0 to 4. */
export const CLASSES = [
  "very negative",
  "negative",
  "neutral",
  "positive",
  "very positive",
] as const;

export const NEUTRAL = 2;

const parts = ["train", "dev", "test"] as const;
type Part = (typeof parts)[number];

/** Labelled trees in three parts: to learn from, to choose the epoch by, to be scored on. */
export interface Treebank extends Readonly<Record<Part, readonly data.BinaryTree[]>> {
  readonly id: string;
  readonly title: string;
  readonly notes: readonly string[];
}

/** The treebank of a registered id, or of a folder with train.txt, dev.txt and test.txt. */
export async function loadTreebank(source: string): Promise<Treebank> {
  if (source !== "sst") return readFolder(source);
  const entry = dataEntry("sst");
  const read = new Map<Part, readonly data.BinaryTree[]>();
  const unverified: string[] = [];
  for (const part of parts) {
    const { bytes, path, verified } = await obtainFile(entry, part);
    if (!verified) unverified.push(path);
    read.set(part, treesOf(bytes, path));
  }
  const note = `No published hash vouches for ${unverified.join(", ")}: unverified.`;
  return {
    id: "sst",
    title: entry.title,
    notes: unverified.length > 0 ? [note] : [],
    ...(Object.fromEntries(read) as Record<Part, readonly data.BinaryTree[]>),
  };
}

async function readFolder(folder: string): Promise<Treebank> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new UserError(
      `${folder} is not a folder; give the id "sst" or a folder with train.txt, dev.txt and test.txt.`,
    );
  }
  const read = async (part: Part) => {
    const path = join(folder, `${part}.txt`);
    if (!existsSync(path)) throw new UserError(`${path} is missing: one tree a line is expected.`);
    return treesOf(await readFile(path), path);
  };
  const [train, dev, test] = [await read("train"), await read("dev"), await read("test")];
  return { id: folder, title: `trees of ${folder}`, notes: [], train, dev, test };
}

function treesOf(bytes: Uint8Array, source: string): readonly data.BinaryTree[] {
  const trees = inputTrees(() =>
    data.readTrees(textOf(bytes), { source, classes: CLASSES.length }),
  );
  if (trees.length > 0) return trees;
  throw new UserError(`${source} holds no trees: one a line is expected, "(3 (2 It) (4 works))".`);
}

/** A tree that cannot be read is the user's to mend. */
export function inputTrees<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof data.TreeError) throw new UserError(error.message, { cause: error });
    throw error;
  }
}

/** The label of the whole sentence. */
export const rootLabel = ({ labels }: data.BinaryTree): number => labels.at(-1)!;

/** A tree that only tells its sentence's label. */
export const rootOnly = (tree: data.BinaryTree): data.BinaryTree => ({
  ...tree,
  labels: new Int32Array(tree.labels.length).fill(-1).fill(rootLabel(tree), -1),
});

/** First word and the one after the last of every node of a tree. */
export function spansOf({ words, left, right }: data.BinaryTree): (readonly [number, number])[] {
  const spans: (readonly [number, number])[] = words.map((_, i) => [i, i + 1] as const);
  for (const [i, child] of left.entries()) spans.push([spans[child][0], spans[right[i]][1]]);
  return spans;
}

/**
 * Words and signs of plain text as the treebank has them: "didn't" is "did", "n't"; brackets are -LRB- and
 * -RRB-.
 *
 * @example wordsOf("It's fine.") // ["It", "'s", "fine", "."]
 */
export function wordsOf(text: string): string[] {
  const brackets: Readonly<Record<string, string>> = { "(": "-LRB-", ")": "-RRB-" };
  const pieces = text.replaceAll("\u2019", "'").match(word) ?? [];
  return pieces.flatMap((piece) => {
    const [, stem, ending] = contraction.exec(piece) ?? [];
    return stem === undefined ? [brackets[piece] ?? piece] : [stem, ending];
  });
}

/** Letters and digits, also around a hyphen, point or apostrophe; dots and dashes; any other sign alone. */
const word = /[\p{L}\p{N}]+(?:[-.,'][\p{L}\p{N}]+)*|\.\.\.|--|\S/gu;
const contraction = /^(.+?)(n't|'(?:s|re|ve|ll|d|m))$/i;
