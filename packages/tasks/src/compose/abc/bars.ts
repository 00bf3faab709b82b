import { BarClock } from "./clock.ts";
import { isSectionLine, kindOf } from "./tokens.ts";

/** A bar as it is written. */
interface Bar {
  readonly ticks: number;
  readonly full: number;
  /** The lines around it; nothing before the first one. */
  readonly before: string;
  readonly after: string;
  /** Whether it begins a second, third, ... ending. */
  readonly another: boolean;
}

/** How many bars of a tune last as long as its metre says. */
export interface BarCount {
  readonly bars: number;
  readonly right: number;
}

const notWhole = (value: number, other: number): boolean => Math.abs(value - other) > 0.5;

/**
 * Counts the bars of a tune that add up. A bar lasts as long as its metre says. A short one is right too
 * where a section is cut within a bar: the pick-up a tune begins with, and two parts at the two sides of a
 * section's line that make one bar together, be it in the order of writing or where a repeat goes back.
 */
export function countBars(tokens: readonly string[]): BarCount {
  const bars = barsOf(tokens);
  const right = bars.filter((bar, i) => !notWhole(bar.ticks, bar.full) || cutRightly(bars, i));
  return { bars: bars.length, right: right.length };
}

/** Whether a short bar is a part of one that a section's line cuts. */
function cutRightly(bars: readonly Bar[], i: number): boolean {
  const bar = bars[i]!;
  if (bar.ticks > bar.full) return false;
  const fits = (other: Bar | undefined) =>
    other !== undefined && !notWhole(bar.ticks + other.ticks, bar.full);
  if (i === 0) return true;
  const opens = isSectionLine(bar.before);
  const closes = isSectionLine(bar.after);
  return (
    (closes && [bars[i + 1], bars[sectionStart(bars, i)], bars[0]].some(fits)) ||
    (opens && (fits(bars[i - 1]) || sectionEnds(bars, i).some(fits)))
  );
}

/** The bar that the repeat of bar i's section goes back to. */
function sectionStart(bars: readonly Bar[], i: number): number {
  let at = i;
  while (at > 0 && (bars[at]!.another || !isSectionLine(bars[at]!.before))) at--;
  return at;
}

/** The last bars of the section that begins with bar i, one for each ending. */
function sectionEnds(bars: readonly Bar[], i: number): Bar[] {
  const found: Bar[] = [];
  for (let at = i + 1; at < bars.length; at++) {
    if (!isSectionLine(bars[at]!.after)) continue;
    found.push(bars[at]!);
    if (!bars[at + 1]?.another) break;
  }
  return found;
}

function barsOf(tokens: readonly string[]): Bar[] {
  const clock = new BarClock();
  const bars: Bar[] = [];
  let [before, ending] = ["", ""];
  const close = (after: string) => {
    if (clock.position > 0) {
      const another = ending !== "" && ending !== "[1";
      bars.push({ ticks: clock.position, full: clock.full, before, after, another });
      ending = "";
    }
    before = after;
  };
  for (const token of tokens) {
    const kind = kindOf(token);
    if (kind === "line") close(token);
    else if (kind === "end") break;
    else if (kind === "ending") ending = token;
    clock.push(token);
  }
  // A tune may end without a line.
  close("|]");
  return bars;
}
