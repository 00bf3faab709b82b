import { BarClock } from "./clock.ts";
import { EIGHTH, isSectionLine, kindOf, type TokenKind, ticksOf, tupletOf } from "./tokens.ts";

/** What a token is, worked out once for a vocabulary. */
interface Entry {
  readonly token: string;
  readonly kind: TokenKind;
  /** Of a note or rest. */
  readonly ticks: number;
}

/** Longest pick-up before a tune's first line. */
const PICK_UP = 4 * EIGHTH;

/** The tokens of a vocabulary, with what a grammar must know of each. */
export const entriesOf = (tokens: readonly string[]): readonly Entry[] =>
  tokens.map((token) => {
    const kind = kindOf(token);
    const ticks = kind === "note" || kind === "rest" ? ticksOf(token) : 0;
    return { token, kind, ticks };
  });

/**
 * Follows a tune while it is written and says which tokens may come next, so that it is ABC and its bars add
 * up: no note beyond the bar's end, no line before it, tuplets of equal notes, endings in pairs, and short
 * bars only where `countBars` takes them for right.
 */
export class TuneGrammar {
  readonly #entries: readonly Entry[];
  readonly #clock = new BarClock();
  #last: Entry | undefined;
  /** Bars that are over. */
  #bars = 0;
  /** Whether the bar begins a section, and how long its section's first bar was, if short. */
  #opens = true;
  #pickUp = 0;
  /** What a bar cut by a line that nothing repeats still lacks. */
  #owed = 0;
  /** Of the notes of a tuplet. */
  #tupletTicks = 0;
  #ending: "none" | "first" | "between" = "none";

  /** Lengths that notes can have, the shortest first: bars leave room for it, or none. */
  readonly #lengths: readonly number[];

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
    const lengths = new Set(entries.map(({ ticks }) => ticks).filter((ticks) => ticks > 0));
    this.#lengths = [...lengths].sort((a, b) => a - b);
  }

  /** Whether token `id` may come next. */
  allows(id: number): boolean {
    const { token, kind, ticks } = this.#entries[id]!;
    const { position, full, tupletLeft } = this.#clock;
    const last = this.#last?.kind;
    if (last === undefined) return token.startsWith("M:");
    if (this.#last!.token.startsWith("M:")) return token.startsWith("K:");
    if (this.#ending === "between" && last === "line") return token === "[2";
    const room = this.#target() - position;
    switch (kind) {
      case "note":
      case "rest":
        return this.#fits(ticks, room);
      case "chord":
        return room > 0 && last !== "chord" && last !== "tuplet";
      case "tuplet": {
        const { notes, scale } = tupletOf(token)!;
        const possible = this.#lengths.some((one) => this.#leavesRoom(room - notes * scale * one));
        return possible && tupletLeft === 0 && last !== "tuplet";
      }
      case "space":
        return room > 0 && position > 0 && tupletLeft === 0 && ["note", "rest"].includes(last);
      case "tie":
        return last === "note" && position > 0;
      case "line":
        return this.#allowsLine(token);
      case "ending":
        return token === "[1" && last === "line" && this.#ending === "none" && this.#bars > 1;
      case "end":
        return last === "line" && this.#bars > 1 && this.#owed === 0 && this.#ending === "none";
      default:
        // A change of metre or key: between bars.
        return token.startsWith("[") && last === "line" && full > 0 && this.#owed === 0;
    }
  }

  push(id: number): void {
    const entry = this.#entries[id]!;
    const { position, full, tupletLeft } = this.#clock;
    const { token, kind } = entry;
    if (kind === "line" && position > 0) {
      const short = position < full ? position : 0;
      if (this.#opens) this.#pickUp = short;
      this.#bars++;
      const repeats = token === ":|" || token === "::";
      const cut = short > 0 && isSectionLine(token) && !this.#opens && !repeats;
      this.#owed = cut && short + this.#pickUp !== full ? full - short : 0;
      if (repeats) this.#ending = this.#ending === "first" ? "between" : "none";
    }
    if (kind === "line") this.#opens = isSectionLine(token);
    if (token === "[1") this.#ending = "first";
    if (token === "[2") this.#ending = "none";
    this.#clock.push(token);
    if (tupletLeft === 0 && this.#clock.tupletLeft > 0) this.#tupletTicks = 0;
    else if (kind === "note" || kind === "rest") this.#tupletTicks = entry.ticks;
    this.#last = entry;
  }

  /** Where the running bar must end at the latest. */
  #target(): number {
    return this.#owed > 0 ? this.#owed : this.#clock.full;
  }

  /** Whether a note ends within the bar, and with it the tuplet that it is in. */
  #fits(ticks: number, room: number): boolean {
    const { tupletLeft } = this.#clock;
    const inside = tupletLeft > 0;
    if (inside && this.#tupletTicks > 0) return ticks === this.#tupletTicks;
    const scale = this.#clock.lengthOf("z") / EIGHTH;
    return this.#leavesRoom(room - (inside ? tupletLeft * scale : 1) * ticks);
  }

  /** Whether what is left of a bar is nothing, or can be filled. */
  #leavesRoom(rest: number): boolean {
    const shortest = this.#lengths[0]!;
    return rest === 0 || (rest >= shortest && rest % shortest === 0);
  }

  #allowsLine(token: string): boolean {
    const { position, tupletLeft, full } = this.#clock;
    const last = this.#last!.kind;
    if (tupletLeft > 0 || last === "chord" || last === "tuplet" || last === "space") return false;
    if (this.#ending === "first" && isSectionLine(token) && token !== ":|") return false;
    if (position === 0) return last === "key" && token === "|:" && this.#bars === 0;
    const closed = position === this.#target();
    const pickUp = this.#bars === 0 && position < full && position <= PICK_UP;
    if (token === "|" || token === "|:") return closed || pickUp;
    if (this.#bars < 2) return false;
    return closed || position + this.#pickUp === full;
  }
}
