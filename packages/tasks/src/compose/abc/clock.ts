import { EIGHTH, kindOf, ticksOf, tupletOf } from "./tokens.ts";
import { metreOf } from "./tune.ts";

/** Where in the bar a tune has come to, token by token; lengths in ticks. */
export class BarClock {
  /** Of a whole bar. */
  full = 0;
  /** Since the bar's beginning. */
  position = 0;
  #tuplet: { left: number; scale: number } | undefined;

  /** Notes of a tuplet that are still to come. */
  get tupletLeft(): number {
    return this.#tuplet?.left ?? 0;
  }

  /** How long a note or rest would be here. */
  lengthOf(token: string): number {
    return ticksOf(token) * (this.#tuplet?.scale ?? 1);
  }

  push(token: string): void {
    const kind = kindOf(token);
    if (kind === "metre") this.full = 8 * EIGHTH * metreOf(token);
    else if (kind === "tuplet") {
      const { notes, scale } = tupletOf(token)!;
      this.#tuplet = { left: notes, scale };
    } else if (kind === "note" || kind === "rest") {
      this.position += this.lengthOf(token);
      if (this.#tuplet && --this.#tuplet.left === 0) this.#tuplet = undefined;
    } else if (kind === "line") {
      this.position = 0;
      this.#tuplet = undefined;
    }
  }
}
