import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** A line's or point's look in a key. */
export interface KeyEntry {
  readonly name: string;
  readonly color: string;
  readonly dash?: string | undefined;
  readonly shape?: "line" | "dot" | "band";
}

/** A drawn figure: one SVG for wide pages and print, one for phones, so that text stays readable on both. */
export interface Figure {
  readonly wide: string;
  readonly narrow: string;
  /** What the figure shows, in words, for those who do not see it. */
  readonly alt: string;
  /** Shown as a key above the narrow form, where labels beside the lines have no room. */
  readonly key: readonly KeyEntry[];
  /** Whether the wide form needs the key too, having no labels of its own. */
  readonly keyAlways?: boolean;
}

export interface Frame {
  readonly width: number;
  readonly narrow: boolean;
}

/** Colours are variables of the report's style sheet (light and dark), with the light ones as a fallback. */
export const ink = "var(--ink,#16191d)";
export const muted = "var(--muted,#5b6470)";
export const gridColor = "var(--grid,#e3e6ea)";
export const paper = "var(--paper,#ffffff)";
export const shade = "var(--shade,#d9822b)";

/** After Okabe and Ito's palette for colour-blind readers, darkened so that labels in these colours are readable. */
const fallback = ["#0067a8", "#c04f00", "#00795a", "#a3427c", "#856100", "#5a50b8"];
/** So many series have a colour of their own. */
export const SERIES_COLORS = fallback.length;
export const seriesColor = (index: number): string => {
  const i = index % fallback.length;
  return `var(--series-${i + 1},${fallback[i]})`;
};

export const dashes = [undefined, "6 3", "2 3", "8 3 2 3", "1 2", "10 4"] as const;

export const fontSize = 12;
/** Mean advance of a letter; a generous one, since the reader's font is not known. */
const letter = 6.7;

export const textWidth = (text: string): number => text.length * letter;

/** `speed` and `km/h` are "speed (km/h)". */
export const withUnit = (label: string, unit: string | undefined): string =>
  unit === undefined || unit === "" ? label : `${label} (${unit})`;

interface Drawn {
  readonly outerHTML: string;
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): { remove(): void } | null;
  scale(name: string): { apply(value: number): number; invert(value: number): number } | undefined;
}

/** Draws with Observable Plot on a document without a browser. */
function drawn(frame: Frame, options: Plot.PlotOptions): Drawn {
  const { document } = parseHTML("<html><body></body></html>");
  const svg = Plot.plot({
    document,
    className: "plot",
    width: frame.width,
    ...options,
  } as Plot.PlotOptions) as unknown as Drawn;
  return svg;
}

/** The pixel position of values on a scale of a plot. */
export function positions(
  frame: Frame,
  options: Plot.PlotOptions,
  name: "x" | "y",
): { apply(value: number): number; invert(value: number): number } {
  return drawn(frame, options).scale(name)!;
}

/** The SVG text of a plot: hidden from screen readers, which get the figure's `alt`. */
export function draw(frame: Frame, options: Plot.PlotOptions): string {
  const svg = drawn(frame, options);
  svg.querySelector("style")?.remove();
  svg.setAttribute("font-size", String(fontSize));
  svg.setAttribute("color", muted);
  svg.setAttribute("aria-hidden", "true");
  // Plot labels its groups for screen readers; inside a hidden picture that is only weight.
  return svg.outerHTML
    .replaceAll(/ aria-(?:label|description)="[^"]*"/g, "")
    .replaceAll(/(\d+\.\d\d)\d+/g, "$1");
}

/** Draws both forms of a figure. */
export function figure(
  alt: string,
  key: readonly KeyEntry[],
  options: (frame: Frame) => Plot.PlotOptions,
): Figure {
  const [wide, narrow] = [
    { width: 720, narrow: false },
    { width: 360, narrow: true },
  ].map((frame) => draw(frame, options(frame)));
  return { wide: wide!, narrow: narrow!, alt, key };
}

/** Moves labels apart so that none is nearer than `gap` to the next, as little as possible in sum. */
export function spread(
  wanted: readonly number[],
  gap: number,
  low: number,
  high: number,
): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]!);
  // Groups of touching labels share one shift: the mean of what their members want.
  const groups: { members: number[]; start: number }[] = [];
  for (const index of order) {
    let group = { members: [index], start: wanted[index]! };
    for (let last = groups.at(-1); last !== undefined; last = groups.at(-1)) {
      if (last.start + last.members.length * gap <= group.start) break;
      groups.pop();
      const members = [...last.members, ...group.members];
      const sum = members.reduce((total, m, place) => total + wanted[m]! - place * gap, 0);
      group = { members, start: sum / members.length };
    }
    const most = high - (group.members.length - 1) * gap;
    group.start = Math.max(low, Math.min(group.start, most));
    groups.push(group);
  }
  const result: number[] = [];
  for (const { members, start } of groups) {
    for (const [place, member] of members.entries()) result[member] = start + place * gap;
  }
  // Clamping at the lower edge may have pushed groups into each other: one last pass from the top.
  for (let place = 1; place < order.length; place++) {
    const least = result[order[place - 1]!]! + gap;
    result[order[place]!] = Math.max(result[order[place]!]!, least);
  }
  return result;
}

/** A line that is labelled where it ends. */
export interface Labelled {
  readonly name: string;
  readonly color: string;
  /** The value at the line's end, where the label wants to be. */
  readonly end: number;
}

export const labelMargin = (labels: readonly Labelled[]): number =>
  Math.min(250, 30 + Math.max(0, ...labels.map((label) => textWidth(label.name))));

/** Names beside the ends of lines, moved apart where they would touch, each tied to its line. */
export function endLabels(
  frame: Frame,
  options: Plot.PlotOptions,
  labels: readonly Labelled[],
): Plot.Markish[] {
  const height = options.height as number;
  const x = positions(frame, options, "x");
  const y = positions(frame, options, "y");
  const right = frame.width - (options.marginRight as number);
  const inside = labels.filter((label) => Number.isFinite(y.apply(label.end)));
  const placed = spread(
    inside.map((label) => y.apply(label.end)),
    fontSize + 3,
    (options.marginTop as number) - 2,
    height - (options.marginBottom as number),
  );
  return inside.flatMap(({ name, color, end }, index) => {
    const at = y.invert(placed[index]!);
    const tie = { x1: x.invert(right + 3), y1: end, x2: x.invert(right + 13), y2: at };
    return [
      Plot.link([tie], {
        x1: "x1",
        y1: "y1",
        x2: "x2",
        y2: "y2",
        stroke: color,
        strokeOpacity: 0.6,
      }),
      Plot.text([name], {
        frameAnchor: "right",
        textAnchor: "start",
        y: () => at,
        dx: 16,
        fill: color,
        fontWeight: 600,
      }),
    ];
  });
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** An axis of wall-clock times: 24 hours, the date below at the first tick and wherever it changes. */
export function timeAxis(
  range: readonly [Date, Date],
  narrow: boolean,
  label?: string,
): Plot.Markish {
  const days = (range[1].getTime() - range[0].getTime()) / 86_400_000;
  const two = (value: number): string => String(value).padStart(2, "0");
  let before = "";
  const format = (time: Date): string => {
    const date = `${time.getUTCDate()} ${months[time.getUTCMonth()]}`;
    // Ticks that are whole days, months or years need no clock.
    if (days > 8) return days > 300 ? `${date}\n${time.getUTCFullYear()}` : date;
    const clock = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}`;
    const changed = date !== before;
    before = date;
    return changed ? `${clock}\n${date}` : clock;
  };
  return Plot.axisX({
    ticks: narrow ? 4 : 8,
    tickFormat: format,
    lineHeight: 1.25,
    label: label ?? null,
    labelAnchor: "center",
    labelOffset: 46,
  });
}

/** The least and the largest value; 0 to 1 where there is none. */
export function extent(values: readonly number[]): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? [0, 1] : [low, high];
}

/** A number short enough for a sentence. */
export const number = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
