import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { data } from "tensorlane";
import { UserError } from "../errors.ts";

/** Words by number, without regard to capitals. Number 0 stands for all words that were not seen. */
export class Vocabulary {
  readonly words: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;

  /** @param words those from number 1 on */
  constructor(words: readonly string[]) {
    this.words = words;
    this.#numbers = new Map(words.map((word, i) => [word, i + 1]));
  }

  static of(trees: readonly data.BinaryTree[]): Vocabulary {
    return new Vocabulary([...new Set(trees.flatMap(({ words }) => words.map(plain)))].sort());
  }

  get size(): number {
    return this.words.length + 1;
  }

  readonly token = (word: string): number => this.#numbers.get(plain(word)) ?? 0;
}

const plain = (word: string): string => word.toLowerCase();

/** Vectors of a vocabulary's words, and how many the file had. */
export interface WordVectors {
  readonly size: number;
  readonly vectors: ReadonlyMap<number, Float32Array>;
}

/**
 * Reads word vectors, a word and its numbers a line (GloVe's text files; word2vec's with a first line of two
 * counts), line by line, keeping only the words of the vocabulary.
 */
export async function readVectors(path: string, vocabulary: Vocabulary): Promise<WordVectors> {
  const vectors = new Map<number, Float32Array>();
  let [size, line] = [0, 0];
  try {
    for await (const text of createInterface({ input: createReadStream(path), crlfDelay: 2 })) {
      line++;
      const fields = text
        .replace(/^\uFEFF/, "")
        .trimEnd()
        .split(" ");
      if (line === 1 && fields.length === 2) continue;
      const width = fields.length - 1;
      if (size === 0) size = width;
      if (width !== size || size < 2) {
        throw new UserError(
          `${path}:${line}: ${width} numbers after the word, expected ${Math.max(size, 2)}; ` +
            "give word vectors as text, a word and its numbers a line.",
        );
      }
      const token = vocabulary.token(fields[0]);
      // The first of several spellings counts: such files begin with the most frequent words.
      if (token === 0 || vectors.has(token)) continue;
      const vector = Float32Array.from(fields.slice(1), Number);
      if (!vector.every(Number.isFinite)) {
        throw new UserError(`${path}:${line}: the vector of "${fields[0]}" is not all numbers.`);
      }
      vectors.set(token, vector);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: ${(error as Error).message}`, { cause: error });
  }
  if (vectors.size === 0) throw new UserError(`${path} has no vector for any word of the data.`);
  return { size, vectors };
}
