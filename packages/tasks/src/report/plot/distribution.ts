import * as Plot from "@observablehq/plot";
import { encode } from "fast-png";
import {
  type Figure,
  figure,
  gridColor,
  ink,
  muted,
  number,
  seriesColor,
  textWidth,
  timeAxis,
  withUnit,
} from "./base.ts";

export interface HeatMapOptions {
  /** rows x columns, row by row; NaN cells stay blank. */
  readonly values: ArrayLike<number>;
  readonly rows: number;
  readonly columns: number;
  /** What the colour means: "mean absolute error". */
  readonly label: string;
  readonly unit?: string;
  readonly rowLabel: string;
  readonly columnLabel: string;
  /** The columns' meaning: first and last time, or numbers; without it the column's index. */
  readonly columnRange?: readonly [Date, Date] | readonly [number, number];
  /** Names instead of indices (classes, sensors), at most about 40. */
  readonly rowNames?: readonly string[];
  readonly columnNames?: readonly string[];
  /** A value with a meaning, such as 0 for a signed error: colours diverge from it. */
  readonly center?: number;
  /** Values above are drawn as this one (and the legend says so). */
  readonly max?: number;
}

/** Values by row and column as a picture with one pixel a cell: thousands of cells cost a few kilobytes. */
export function heatMap(options: HeatMapOptions): Figure {
  const { values, rows, columns, center } = options;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < rows * columns; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) [low, high] = [0, 1];
  const cut = options.max !== undefined && options.max < high;
  if (cut) high = options.max!;
  if (center !== undefined) {
    const reach = Math.max(high - center, center - low) || 1;
    [low, high] = [center - reach, center + reach];
  } else if (low >= 0) low = 0;
  if (low === high) high = low + 1;
  const colors = colorTable(center === undefined ? "cividis" : "puor");
  // 64 steps are as good to the eye as 256 and make a file half the size.
  const at = (value: number): number => Math.round(((value - low) / (high - low)) * 63) * 4 + 2;
  const picture = png(columns, rows, (x, y) => {
    const value = values[y * columns + x]!;
    return Number.isFinite(value) ? colors[Math.max(0, Math.min(255, at(value)))] : undefined;
  });
  const bar = png(256, 1, (x) => colors[x]);
  const range = options.columnRange ?? ([0, columns] as const);
  const time = range[0] instanceof Date;
  const alt =
    `Heat-map of ${withUnit(options.label, options.unit)}: ${rows} rows (${options.rowLabel}) by ` +
    `${columns} columns (${options.columnLabel}), from ${number(low)} to ${number(high)}.`;
  const names = options.rowNames;
  return figure(alt, [], (frame) => {
    const named = names === undefined ? 0 : Math.max(...names.map(textWidth));
    const marginLeft = names === undefined ? 48 : Math.min(frame.narrow ? 90 : 180, named + 14);
    const marginBottom = time ? 56 : options.columnNames === undefined ? 42 : 64;
    const height =
      Math.max(180, Math.min(460, rows * (frame.narrow ? 12 : 16))) + 56 + marginBottom;
    const barWidth = frame.narrow ? 130 : 180;
    const ticks = (list: readonly string[] | undefined) =>
      list === undefined
        ? {}
        : {
            ticks: list.map((_, index) => index + 0.5),
            tickFormat: (position: number) => list[Math.floor(position)] ?? "",
            tickSize: 0,
          };
    const text = (content: string, dx: number, textAnchor: "start" | "middle" | "end") =>
      Plot.text([content], { frameAnchor: "top-right", textAnchor, dx, dy: -17, fill: ink });
    return {
      height,
      marginLeft,
      marginRight: 16,
      marginTop: 56,
      marginBottom,
      x: {
        type: time ? "utc" : "linear",
        domain: [...range],
        label: options.columnLabel,
        labelAnchor: "center",
        ...ticks(options.columnNames),
        ...(options.columnNames === undefined ? {} : { tickRotate: -40 }),
      },
      y: { domain: [rows, 0], label: options.rowLabel, labelArrow: "none", ...ticks(names) },
      marks: [
        ...(time
          ? [timeAxis(range as readonly [Date, Date], frame.narrow, options.columnLabel)]
          : []),
        // One picture stretched over the frame; its pixels stay sharp.
        Plot.image([0], {
          x: () => middle(range),
          y: rows / 2,
          src: () => picture,
          width: frame.width - marginLeft - 16,
          height: height - 56 - marginBottom,
          preserveAspectRatio: "none",
          imageRendering: "pixelated",
        }),
        Plot.frame({ stroke: gridColor }),
        Plot.image([0], {
          frameAnchor: "top-right",
          src: () => bar,
          width: barWidth,
          height: 8,
          dx: -barWidth / 2,
          dy: -30,
          preserveAspectRatio: "none",
        }),
        Plot.text([withUnit(options.label, options.unit)], {
          frameAnchor: "top-right",
          textAnchor: "end",
          dy: -48,
          fill: ink,
          fontWeight: 600,
        }),
        text(number(low), -barWidth, "start"),
        ...(center === undefined ? [] : [text(number(center), -barWidth / 2, "middle")]),
        text(cut ? `${number(high)} or more` : number(high), 0, "end"),
      ],
    };
  });
}

const middle = (range: readonly [Date, Date] | readonly [number, number]): Date | number =>
  range[0] instanceof Date
    ? new Date((range[0].getTime() + (range[1] as Date).getTime()) / 2)
    : (range[0] + (range[1] as number)) / 2;

/** 256 colours of one of Plot's schemes, as bytes. */
function colorTable(scheme: "cividis" | "puor"): readonly (readonly [number, number, number])[] {
  const scale = Plot.scale({ color: { scheme, domain: [0, 255], type: "linear" } });
  return Array.from({ length: 256 }, (_, index) => {
    const color = String(scale.apply(index));
    const parts = color.startsWith("#")
      ? [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16))
      : [...color.matchAll(/[\d.]+/g)].map((match) => Math.round(Number(match[0])));
    return [parts[0]!, parts[1]!, parts[2]!] as const;
  });
}

/** A PNG as a data address; undefined colours are transparent. */
function png(
  width: number,
  height: number,
  color: (x: number, y: number) => readonly [number, number, number] | undefined,
): string {
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const rgb = color(x, y);
      if (rgb !== undefined) data.set([...rgb, 255], (y * width + x) * 4);
    }
  }
  const bytes = encode({ width, height, data, channels: 4, depth: 8 });
  return `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`;
}

export interface HistogramOptions {
  readonly values: ArrayLike<number>;
  /** What is counted: "error (predicted - true)". */
  readonly label: string;
  readonly unit?: string;
  readonly bins?: number;
  /** Vertical lines with a name: `{ at: 0, name: "no error" }`. */
  readonly marks?: readonly { readonly at: number; readonly name: string }[];
}

/** How often values occur; the few beyond the 0.2 % and 99.8 % quantiles are counted in the outer bars. */
export function histogram(options: HistogramOptions): Figure {
  const values = Float64Array.from(options.values).filter(Number.isFinite).sort();
  const quantile = (q: number): number =>
    values[Math.min(values.length - 1, Math.max(0, Math.round(q * (values.length - 1))))] ?? 0;
  let [low, high] = [quantile(0.002), quantile(0.998)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const count = options.bins ?? Math.max(10, Math.min(60, Math.round(Math.sqrt(values.length))));
  const step = (high - low) / count;
  const bins = Array.from({ length: count }, (_, index) => ({
    from: low + index * step,
    to: low + (index + 1) * step,
    count: 0,
  }));
  for (const value of values) {
    bins[Math.max(0, Math.min(count - 1, Math.floor((value - low) / step)))]!.count++;
  }
  const share = bins.map((bin) => ({ ...bin, share: (100 * bin.count) / (values.length || 1) }));
  const outside = values[0]! < low || values.at(-1)! > high;
  const marks = (options.marks ?? []).filter(({ at }) => at >= low && at <= high);
  const alt =
    `Histogram of ${withUnit(options.label, options.unit)}: ${values.length} values, ` +
    `median ${number(quantile(0.5))}, 90 % between ${number(quantile(0.05))} and ${number(quantile(0.95))}.`;
  return figure(alt, [], (frame) => ({
    height: frame.narrow ? 230 : 270,
    marginLeft: 46,
    marginRight: 16,
    marginTop: 36,
    marginBottom: 42,
    x: {
      label: withUnit(options.label, options.unit),
      labelAnchor: "center",
      domain: [low, high],
      ticks: frame.narrow ? 5 : 9,
    },
    y: { label: `share of values (%)${outside ? "; outermost bars: all beyond" : ""}`, ticks: 5 },
    marks: [
      Plot.gridY({ stroke: gridColor, strokeOpacity: 1 }),
      Plot.rect(share, {
        x1: "from",
        x2: "to",
        y1: () => 0,
        y2: "share",
        fill: seriesColor(0),
        insetLeft: 0.5,
        insetRight: 0.5,
        title: (bin) => `${number(bin.from)} to ${number(bin.to)}: ${bin.count}`,
      }),
      Plot.ruleY([0], { stroke: muted }),
      Plot.ruleX(marks, { x: "at", stroke: ink, strokeDasharray: "4 3" }),
      Plot.text(marks, { x: "at", text: "name", frameAnchor: "top", dy: -9, fill: ink }),
    ],
  }));
}

export interface BarsOptions {
  readonly items: readonly {
    readonly name: string;
    readonly value: number;
    readonly note?: string;
  }[];
  readonly label: string;
  readonly unit?: string;
  readonly digits?: number;
}

/** One bar a name, from zero, with its value beside it: error by sensor, accuracy by class. */
export function bars(options: BarsOptions): Figure {
  const { items, digits = 2 } = options;
  const alt = `Bar chart of ${withUnit(options.label, options.unit)}. ${items
    .map((item) => `${item.name}: ${item.value.toFixed(digits)}`)
    .join("; ")}.`;
  return figure(alt, [], (frame) => ({
    height: items.length * 22 + 64,
    marginLeft: Math.min(
      frame.narrow ? 130 : 240,
      Math.max(...items.map((i) => textWidth(i.name))) + 16,
    ),
    marginRight: 56,
    marginTop: 14,
    marginBottom: 42,
    x: {
      labelAnchor: "center",
      label: withUnit(options.label, options.unit),
      ticks: frame.narrow ? 4 : 8,
      nice: true,
    },
    y: { label: null, domain: items.map((item) => item.name), tickSize: 0, padding: 0.25 },
    marks: [
      Plot.gridX({ stroke: gridColor, strokeOpacity: 1, ticks: frame.narrow ? 4 : 8 }),
      Plot.barX([...items], { x: "value", y: "name", fill: seriesColor(0) }),
      Plot.ruleX([0], { stroke: muted }),
      Plot.text([...items], {
        x: "value",
        y: "name",
        text: (item) =>
          item.value.toFixed(digits) + (item.note === undefined ? "" : ` ${item.note}`),
        textAnchor: "start",
        dx: 5,
        fill: ink,
      }),
    ],
  }));
}
