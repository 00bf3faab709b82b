import {
  cutBody,
  EIGHTH,
  END,
  isSectionLine,
  joinLines,
  kindOf,
  tupletOf,
  withUnit,
} from "./tokens.ts";

/**
 * A tune as tokens: `M:6/8`, `K:G`, then the body for the unit of an eighth, without its line breaks,
 * remarks and parts. Joined, the tokens of the body are ABC again.
 */
export interface Tune {
  readonly title: string;
  readonly tokens: readonly string[];
}

export interface TuneBook {
  readonly tunes: readonly Tune[];
  /** Titles of tunes with something in them that is not understood here. */
  readonly leftOut: readonly string[];
  /** Tunes that were there before, note for note. */
  readonly twice: number;
}

const metres: Readonly<Record<string, string>> = { C: "4/4", "C|": "2/2" };

/** Metre as a fraction of a whole note. */
export function metreOf(text: string): number {
  const [, count, unit] = /(\d+)\/(\d+)/.exec(text)!;
  return Number(count) / Number(unit);
}

/** The tunes of a text in ABC (version 2.1): each begins with a line `X:`. */
export function readTuneBook(text: string): TuneBook {
  const leftOut: string[] = [];
  const tunes = new Map<string, Tune>();
  const pieces = text.split(/^(?=X:)/m).filter((piece) => piece.startsWith("X:"));
  for (const piece of pieces) {
    const title = /^T:\s*(.*?)\s*$/m.exec(piece)?.[1] ?? "";
    const tokens = readTune(piece);
    if (tokens === undefined) {
      leftOut.push(title);
      continue;
    }
    const known = tokens.join("");
    if (!tunes.has(known)) tunes.set(known, { title, tokens });
  }
  const twice = pieces.length - leftOut.length - tunes.size;
  return { tunes: [...tunes.values()], leftOut, twice };
}

/** Tokens of one tune; undefined where something is not understood. */
function readTune(text: string): string[] | undefined {
  let unit: number | undefined;
  let [metre, key] = ["", ""];
  const body: string[] = [];
  const field = (name: string, raw: string): boolean => {
    const value = raw.trim();
    if (name === "L") {
      if (!/^\d+\/\d+$/.test(value)) return false;
      unit = 8 * EIGHTH * metreOf(value);
    } else if (name === "M") {
      const known = metres[value] ?? value;
      if (!/^\d+\/\d+$/.test(known)) return false;
      if (key === "") metre = known;
      else body.push(`[M:${known}]`);
    } else if (name === "K") {
      if (key === "") key = value;
      else body.push(`[K:${value}]`);
    }
    return true;
  };
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/%.*/, "").replace(/\\\s*$/, "");
    const found = /^([A-Za-z]):(.*)/.exec(line);
    // "w:" and the like are fields; a body line never begins so.
    if (found) {
      if (!field(found[1]!, found[2]!)) return undefined;
      continue;
    }
    if (line.trim() === "") continue;
    if (metre === "" || key === "") return undefined;
    // Without L the unit follows from the metre.
    unit ??= metreOf(metre) < 0.75 ? EIGHTH / 2 : EIGHTH;
    const tokens = cutBody(`${line} `);
    if (tokens === undefined) return undefined;
    for (const token of tokens) {
      const inline = /^\[([KML]):(.*)\]$/.exec(token);
      if (inline) {
        if (!field(inline[1]!, inline[2]!)) return undefined;
      } else {
        const normal = normalised(token, unit);
        if (normal === undefined) return undefined;
        if (normal !== "") body.push(normal);
      }
    }
  }
  const tidy = tidied(body);
  return tidy.some((token) => kindOf(token) === "note")
    ? [`M:${metre}`, `K:${key}`, ...tidy]
    : undefined;
}

/** A token for the unit of an eighth, or nothing for slurs; undefined where it is not understood. */
function normalised(token: string, unit: number): string | undefined {
  if (/^\s+$/.test(token)) return " ";
  if (token === "(" || token === ")") return "";
  if (token.startsWith('"')) {
    // Annotations (above, below, ...) are words, not chords.
    return /^"[\^_<>@]/.test(token) ? "" : `"${token.slice(1, -1).trim()}"`;
  }
  const kind = kindOf(token);
  if (kind === "tuplet") return tupletOf(token) && token;
  return kind === "note" || kind === "rest" ? withUnit(token, unit) : token;
}

/** Joins bar lines and drops spaces that part no notes: beside lines, and around others. */
function tidied(tokens: readonly string[]): string[] {
  const out: string[] = [];
  const lines: string[] = [];
  const flush = () => {
    if (lines.length > 0) out.push(joinLines(lines.splice(0)));
  };
  let space = false;
  for (const token of tokens) {
    const kind = kindOf(token);
    if (kind === "space") {
      space = true;
      continue;
    }
    if (kind === "line") {
      lines.push(token);
    } else {
      const atLine = lines.length > 0;
      flush();
      const before = out.at(-1);
      const parts = before !== undefined && ["note", "rest", "tie"].includes(kindOf(before));
      if (space && !atLine && parts && !["tie", "metre", "key", "ending"].includes(kind)) {
        out.push(" ");
      }
      out.push(token);
    }
    space = false;
  }
  flush();
  return out;
}

/** Bars of a line of music. */
const BARS_A_LINE = 4;

/** A title on one line: another one would be a header or music, and a percent sign would begin a remark. */
function titleLine(title: string): string {
  const plain = title.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  return plain === "" ? "" : `T:${plain.replaceAll(/(?<!\\)%/g, "\\%")}\n`;
}

/** A tune as a text in ABC, four bars a line. */
export function tuneText({ title, tokens }: Tune, number = 1): string {
  const [metre, key, ...rest] = tokens;
  let [body, bars] = ["", 0];
  for (const [i, token] of rest.entries()) {
    if (token === END) break;
    body += token;
    const next = rest[i + 1];
    if (kindOf(token) !== "line" || i === 0) continue;
    bars++;
    // An ending stays on the line of its sign.
    const ends = isSectionLine(token) || bars >= BARS_A_LINE;
    if (ends && next !== undefined && next !== END && kindOf(next) !== "ending") {
      body += "\n";
      bars = 0;
    }
  }
  const name = titleLine(title);
  return `X:${number}\n${name}${metre}\nL:1/8\n${key}\n${body}\n`;
}
