/** Ticks of an eighth note: triplets and 64ths are whole numbers of them. */
export const EIGHTH = 96;

const PITCH = /(?:\^{1,2}|_{1,2}|=)?[A-Ga-g][,']*/.source;
const LENGTH = /\d*(?:\/\d+|\/*)/.source;

/** What ABC's body is cut into. A note or a stack of notes is a token together with its length. */
const body = new RegExp(
  [
    /\[[KML]:[^\]]*\]/.source,
    /"[^"]*"/.source,
    `\\[(?:${PITCH}${LENGTH})+\\]${LENGTH}`,
    `${PITCH}${LENGTH}`,
    `[zx]${LENGTH}`,
    /\[[1-9]/.source,
    /\([2-9]/.source,
    /[:|[\]]*\|[:|\]]*|::+/.source,
    /[-()]/.source,
    /\s+/.source,
  ].join("|"),
  "y",
);

export type TokenKind =
  | "metre"
  | "key"
  | "chord"
  | "note"
  | "rest"
  | "ending"
  | "tuplet"
  | "line"
  | "tie"
  | "space"
  | "end";

/** Ends a tune; what a tune is begun from too. */
export const END = "\n";

/** A bar line that closes or opens a section: double, final, repeat. */
export const isSectionLine = (token: string): boolean => token !== "|";

/** What a token of a normalised tune is. */
export function kindOf(token: string): TokenKind {
  if (token === END) return "end";
  if (/^(M:|\[M:)/.test(token)) return "metre";
  if (/^(K:|\[K:)/.test(token)) return "key";
  if (token.startsWith('"')) return "chord";
  if (/^\[[1-9]/.test(token)) return "ending";
  if (/^\([2-9]/.test(token)) return "tuplet";
  if (token === "-") return "tie";
  if (token === " ") return "space";
  if (/^[zx]/.test(token)) return "rest";
  return /[A-Ga-g]/.test(token) ? "note" : "line";
}

/** Cuts a line of ABC; undefined where it holds something that is not understood here. */
export function cutBody(line: string): string[] | undefined {
  const tokens: string[] = [];
  body.lastIndex = 0;
  while (body.lastIndex < line.length) {
    const found = body.exec(line)?.[0];
    if (!found) return undefined;
    tokens.push(found);
  }
  return tokens;
}

/** The length written behind a note, as a multiple of the unit: "3/2" is 1.5, "//" a quarter. */
function lengthOf(text: string): number {
  const [, count, slashes, divisor] = /^(\d*)(\/*)(\d*)$/.exec(text)!;
  const below = divisor ? Number(divisor) : 2 ** slashes!.length;
  return Number(count || 1) / below;
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** How a length in ticks is written behind a note when the unit is an eighth. */
function lengthText(ticks: number): string {
  const divisor = greatestDivisor(ticks, EIGHTH);
  const [count, below] = [ticks / divisor, EIGHTH / divisor];
  return `${count === 1 ? "" : count}${below === 1 ? "" : `/${below}`}`;
}

const parts = new RegExp(`^(${PITCH}|[zx]|\\[.*\\])(${LENGTH})$`);

/** Ticks of a note or rest of a normalised tune, a tuplet around it not counted. */
export const ticksOf = (token: string): number => EIGHTH * lengthOf(parts.exec(token)![2]!);

/**
 * A note or rest for the unit of an eighth instead of `unit` ticks; undefined where its length is no whole
 * number of ticks.
 */
export function withUnit(token: string, unit: number): string | undefined {
  const [, head, length] = parts.exec(token)!;
  if (!head!.startsWith("[")) {
    const ticks = unit * lengthOf(length!);
    return Number.isInteger(ticks) ? `${head}${lengthText(ticks)}` : undefined;
  }
  // The first note of a stack says how long it is; lengths inside are multiplied with that behind it.
  const notes = [...head!.matchAll(new RegExp(`(${PITCH})(${LENGTH})`, "g"))];
  const ticks = unit * lengthOf(notes[0]![2]!) * lengthOf(length!);
  const equal = notes.every((note) => lengthOf(note[2]!) === lengthOf(notes[0]![2]!));
  if (!equal || !Number.isInteger(ticks)) return undefined;
  return `[${notes.map((note) => note[1]).join("")}]${lengthText(ticks)}`;
}

/** How much longer the notes of a tuplet are than written: three in the time of two, and so on. */
const tupletScales: Readonly<Record<string, number>> = { 2: 3 / 2, 3: 2 / 3, 4: 3 / 4, 6: 1 / 3 };

/** Notes of a tuplet and what their lengths are multiplied with; undefined where the metre decides. */
export function tupletOf(token: string): { notes: number; scale: number } | undefined {
  const scale = tupletScales[token[1]!];
  return scale === undefined ? undefined : { notes: Number(token[1]), scale };
}

/** Several bar lines in a row as one: `||:` is `|:`, `:| |:` is `::`. */
export function joinLines(tokens: readonly string[]): string {
  const text = tokens.join("");
  const [ends, starts] = [text.startsWith(":"), text.endsWith(":")];
  if (ends && starts) return "::";
  if (ends) return ":|";
  if (starts) return "|:";
  if (text.includes("]")) return "|]";
  return text === "|" ? "|" : "||";
}
