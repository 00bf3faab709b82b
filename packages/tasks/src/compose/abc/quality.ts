import { countBars } from "./bars.ts";
import { warningsOf } from "./score.ts";
import { kindOf } from "./tokens.ts";
import { type Tune, tuneText } from "./tune.ts";

/** What can be said of a set of tunes without ears. */
export interface Quality {
  readonly tunes: number;
  /** Share of tunes that abcjs reads without a warning. */
  readonly valid: number;
  /** Share of bars that add up, and of tunes whose bars all do. */
  readonly bars: number;
  readonly wholeTunes: number;
  /** Share of phrases of eight bars that are in a training tune, note for note. */
  readonly copiedPhrases: number;
  /** Most bars in a row that are in one training tune. */
  readonly longestRun: number;
  /** Share of tunes whose last note is their key's. */
  readonly onTonic: number;
}

/** Bars of a phrase. */
const PHRASE = 8;

/** The bars of a tune as text: notes and rests only, so that lines, chords and spaces make no difference. */
function barTexts({ tokens }: Tune): string[] {
  const bars: string[] = [];
  let bar = "";
  for (const token of tokens) {
    const kind = kindOf(token);
    if (kind === "line") {
      if (bar !== "") bars.push(bar);
      bar = "";
    } else if (["note", "rest", "tuplet"].includes(kind)) bar += `${token} `;
  }
  if (bar !== "") bars.push(bar);
  return bars;
}

/** Finds bars of other tunes again. */
export class Copies {
  readonly #tunes: readonly (readonly string[])[];
  readonly #places = new Map<string, { readonly tune: number; readonly at: number }[]>();

  constructor(tunes: readonly Tune[]) {
    this.#tunes = tunes.map(barTexts);
    for (const [tune, bars] of this.#tunes.entries()) {
      for (const [at, bar] of bars.entries()) {
        const places = this.#places.get(bar) ?? [];
        places.push({ tune, at });
        this.#places.set(bar, places);
      }
    }
  }

  /** For each bar of a tune: how many bars from it on are in one of the tunes, in this order. */
  runs(tune: Tune): number[] {
    const bars = barTexts(tune);
    return bars.map((bar, i) => {
      let longest = 0;
      for (const { tune: other, at } of this.#places.get(bar) ?? []) {
        let run = 1;
        while (i + run < bars.length && bars[i + run] === this.#tunes[other]![at + run]) run++;
        longest = Math.max(longest, run);
      }
      return longest;
    });
  }
}

/** Judges tunes, and compares them with those that were learnt from. */
export function qualityOf(tunes: readonly Tune[], copies: Copies): Quality {
  const counts = tunes.map(({ tokens }) => countBars(tokens));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const runs = tunes.map((tune) => copies.runs(tune));
  const phrases = runs.flatMap((run) => run.slice(0, Math.max(0, run.length - PHRASE + 1)));
  const share = (flags: readonly boolean[]) => sum(flags.map(Number)) / Math.max(1, flags.length);
  return {
    tunes: tunes.length,
    valid: share(tunes.map((tune) => warningsOf(tuneText(tune)).length === 0)),
    bars: sum(counts.map(({ right }) => right)) / Math.max(1, sum(counts.map(({ bars }) => bars))),
    wholeTunes: share(counts.map(({ right, bars }) => bars > 0 && right === bars)),
    copiedPhrases: share(phrases.map((run) => run >= PHRASE)),
    longestRun: Math.max(0, ...runs.flat()),
    onTonic: share(tunes.map(endsOnTonic)),
  };
}

/** Whether a tune's last note has the letter of the key it ends in. */
function endsOnTonic({ tokens }: Tune): boolean {
  const key = tokens.findLast((token) => kindOf(token) === "key") ?? "";
  const note = tokens.findLast((token) => kindOf(token) === "note") ?? "";
  const letter = /[A-Ga-g]/.exec(note)?.[0].toUpperCase();
  return letter !== undefined && letter === /K:([A-G])/.exec(key)?.[1];
}
