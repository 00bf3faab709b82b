import { data } from "tensorlane";
import { UserError } from "../../errors.ts";
import { openText, type TokenIds } from "../../language/index.ts";
import type { TaskUi } from "../../task.ts";
import { counted } from "../../wording.ts";
import { END } from "./tokens.ts";
import { readTuneBook, type Tune } from "./tune.ts";

/** The tokens that a model of tunes knows, by id. */
export class TuneTokens {
  readonly tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  constructor(tokens: readonly string[]) {
    this.tokens = tokens;
    this.#ids = new Map(tokens.map((token, id) => [token, id]));
  }

  /** The end of a tune, then all tokens of some tunes in the order of their codes. */
  static of(tunes: readonly Tune[]): TuneTokens {
    const all = new Set(tunes.flatMap(({ tokens }) => tokens));
    return new TuneTokens([END, ...[...all].sort((a, b) => (a < b ? -1 : 1))]);
  }

  get size(): number {
    return this.tokens.length;
  }

  /** Id of a token; undefined where it is not known. */
  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Tunes one after the other, an end before each and after the last; unknown tokens are an error. */
  encode(tunes: readonly Tune[]): TokenIds {
    const texts = tunes.flatMap(({ tokens }) => [...tokens, END]);
    return Uint16Array.from([END, ...texts], (token) => {
      const id = this.idOf(token);
      if (id === undefined) {
        throw new UserError(`the model never saw ${JSON.stringify(token)} in a tune.`);
      }
      return id;
    });
  }

  /** Metres (`M:`) or keys (`K:`) that a tune may begin with. */
  heads(field: "M" | "K"): readonly string[] {
    return this.tokens.filter((t) => t.startsWith(`${field}:`)).map((t) => t.slice(2));
  }
}

/** Tunes to learn from, to choose the epoch by, and to measure on. */
export interface TuneCorpus {
  readonly source: string;
  readonly title: string;
  readonly vocabulary: TuneTokens;
  readonly train: readonly Tune[];
  readonly validation: readonly Tune[];
  readonly test: readonly Tune[];
}

/** Fewer tunes make no three parts. */
const LEAST = 10;

/** Of ten tunes one is for the test and one for validation, whatever the model's seed. */
const SPLIT_SEED = 1;

/** Some of the titles, in brackets. */
function named(titles: readonly string[]): string {
  const [shown, rest] = [titles.slice(0, 5), titles.length - 5];
  if (shown.length === 0) return "";
  const list = shown.map((title) => (title === "" ? "one without a title" : JSON.stringify(title)));
  return ` (${list.join(", ")}${rest > 0 ? ` and ${rest} more` : ""})`;
}

/** Reads tunes and parts them as wholes; tunes that occur twice are taken once. */
export async function loadTunes(source: string, ui: TaskUi): Promise<TuneCorpus> {
  const { title, notes, read } = await openText(source);
  for (const note of notes) ui.notice(note);
  let text = "";
  for await (const piece of read()) text += piece;
  const { tunes, leftOut, twice } = readTuneBook(text);
  if (tunes.length < LEAST) {
    const all = tunes.length + leftOut.length + twice;
    throw new UserError(
      `${source} holds ${counted(tunes.length, "tune")} to learn from, at least ${LEAST} are needed: of ` +
        `${counted(all, "tune")}, ${leftOut.length} cannot be read${named(leftOut)} and ${twice} occur again, note for note. ` +
        "A tune in ABC begins with a line X:, then has M:, K: and its notes.",
    );
  }
  const vocabulary = TuneTokens.of(tunes);
  ui.notice(
    `${title}: ${counted(tunes.length, "tune")} (${leftOut.length} left out, not understood; ${twice} occur again), ` +
      `${vocabulary.size} different tokens`,
  );
  const order = Array.from(data.permutation(tunes.length, SPLIT_SEED, 0), (at) => tunes[at]!);
  const tenth = Math.max(1, Math.floor(tunes.length / 10));
  return {
    source,
    title,
    vocabulary,
    test: order.slice(0, tenth),
    validation: order.slice(tenth, 2 * tenth),
    train: order.slice(2 * tenth),
  };
}
