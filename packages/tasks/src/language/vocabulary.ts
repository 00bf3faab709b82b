import { UserError } from "../errors.ts";

/** What a token is: one Unicode character, or a word together with the space before it. */
export type Unit = "character" | "word";

/** Token ids, in the smallest type that holds them: a large text stays small. */
export type TokenIds = Uint8Array | Uint16Array | Uint32Array;

/** Stands for words that are not in the vocabulary. */
export const UNKNOWN = "<unk>";

/** A word, a number or a single other sign, each with the space before it; or any white space. */
const words = / ?[\p{L}\p{M}\p{N}_']+| ?[^\s\p{L}\p{M}\p{N}_']|\s/gu;

/** Cuts a text into tokens; joined, they are the text again. */
export const tokensOf = (text: string, unit: Unit): readonly string[] =>
  unit === "character" ? [...text] : (text.match(words) ?? []);

/**
 * The tokens that a model knows, by id. Characters are never lost: one that is not in the vocabulary is an
 * error. Words that are not in it are read as `<unk>`, which is id 0 there.
 *
 * @example Vocabulary.of("character", "to be").encode("bet") // Uint8Array [1, 2, 4]
 */
export class Vocabulary {
  readonly unit: Unit;
  readonly tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  constructor(unit: Unit, tokens: readonly string[]) {
    this.unit = unit;
    this.tokens = tokens;
    this.#ids = new Map(tokens.map((token, id) => [token, id]));
  }

  /**
   * The vocabulary of counted tokens: all characters in the order of Unicode, or the `limit` - 1 most
   * frequent words behind `<unk>`.
   */
  static fromCounts(unit: Unit, counts: ReadonlyMap<string, number>, limit: number): Vocabulary {
    if (unit === "character") {
      const byCode = [...counts.keys()].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
      return new Vocabulary(unit, byCode);
    }
    // Equal counts in the order of the text: the Map's own.
    const frequent = [...counts].sort(([, a], [, b]) => b - a).slice(0, limit - 1);
    return new Vocabulary(unit, [UNKNOWN, ...frequent.map(([token]) => token)]);
  }

  /** The vocabulary of a short text. */
  static of(unit: Unit, text: string, limit = Number.POSITIVE_INFINITY): Vocabulary {
    const counts = new Map<string, number>();
    for (const token of tokensOf(text, unit)) counts.set(token, (counts.get(token) ?? 0) + 1);
    return Vocabulary.fromCounts(unit, counts, limit);
  }

  get size(): number {
    return this.tokens.length;
  }

  /** Id of the token for unknown words; undefined for characters. */
  get unknown(): number | undefined {
    return this.unit === "word" ? 0 : undefined;
  }

  /** Zero-filled memory for so many ids. */
  allocate(length: number): TokenIds {
    if (this.size <= 2 ** 8) return new Uint8Array(length);
    return this.size <= 2 ** 16 ? new Uint16Array(length) : new Uint32Array(length);
  }

  /** Id of a token; -1 for a character that is not in the vocabulary. */
  idOf(token: string): number {
    return this.#ids.get(token) ?? this.unknown ?? -1;
  }

  /** Ids of a text; throws UserError for characters that are not in the vocabulary. */
  encode(text: string, what = "the text"): TokenIds {
    const tokens = tokensOf(text, this.unit);
    const ids = this.allocate(tokens.length);
    const unseen = new Map<string, number>();
    for (const [i, token] of tokens.entries()) {
      const id = this.idOf(token);
      if (id >= 0) ids[i] = id;
      else unseen.set(token, (unseen.get(token) ?? 0) + 1);
    }
    if (unseen.size > 0) throw unseenCharacters(what, unseen, this);
    return ids;
  }

  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => this.tokens[id]).join("");
  }
}

/** Says which characters of `what` the model never saw, and which it knows. */
export function unseenCharacters(
  what: string,
  unseen: ReadonlyMap<string, number>,
  { tokens }: Vocabulary,
): UserError {
  const shown = [...unseen].slice(0, 10).map(([token, n]) => {
    const code = token.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    return `${JSON.stringify(token)} (U+${code}${n > 1 ? `, ${n} times` : ""})`;
  });
  const more = unseen.size > shown.length ? ` and ${unseen.size - shown.length} more` : "";
  return new UserError(
    `${what} has ${unseen.size === 1 ? "a character" : `${unseen.size} characters`} that the model never saw: ` +
      `${shown.join(", ")}${more}. It knows ${JSON.stringify(tokens.slice(0, 200).join(""))}.`,
  );
}
