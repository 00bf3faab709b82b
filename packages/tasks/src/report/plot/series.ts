import * as Plot from "@observablehq/plot";
import {
  extent,
  type Figure,
  figure,
  fontSize,
  gridColor,
  ink,
  type KeyEntry,
  muted,
  number,
  paper,
  seriesColor,
  shade,
  timeAxis,
  withUnit,
} from "./base.ts";

export interface ForecastSeries {
  readonly name: string;
  /** One for every time; NaN where there is none. */
  readonly values: ArrayLike<number>;
  readonly lower?: ArrayLike<number> | undefined;
  readonly upper?: ArrayLike<number> | undefined;
  /** Of the interval: 0.9 is "90 % interval". */
  readonly level?: number | undefined;
}

export interface TimeWindow {
  readonly from: Date;
  readonly to: Date;
  readonly label: string;
}

export interface ForecastOptions {
  /** What is measured where: "speed at sensor 773869". */
  readonly label: string;
  readonly unit?: string;
  /** Wall-clock times as UTC: the axis shows them as they are. */
  readonly times: readonly Date[];
  /** NaN where nothing was measured: the line has a gap there. */
  readonly truth: ArrayLike<number>;
  readonly forecasts: readonly ForecastSeries[];
  /** Shaded: incidents, labelled anomalies, the test part. */
  readonly windows?: readonly TimeWindow[];
  /** Whether the axis starts at zero (counts, flows). */
  readonly zero?: boolean;
}

/** Forecast against truth over time, with intervals as bands and incidents shaded. */
export function forecastPlot(options: ForecastOptions): Figure {
  const { times, truth, forecasts, windows = [], zero = false } = options;
  const bands = forecasts.flatMap((one, index) => {
    const { lower, upper } = one;
    if (lower === undefined || upper === undefined) return [];
    const rows = times.map((x, i) => ({ x, low: lower[i]!, high: upper[i]! }));
    const level = one.level === undefined ? "interval" : `${number(100 * one.level)} % interval`;
    return [{ name: forecasts.length > 1 ? `${one.name}: ${level}` : level, index, rows }];
  });
  const lines = forecasts.map((one, index) => ({
    name: one.name,
    color: seriesColor(index),
    rows: times.map((x, i) => ({ x, y: one.values[i]! })),
  }));
  const truthRows = times.map((x, i) => ({ x, y: truth[i]! }));
  const values = [
    ...truthRows.map((row) => row.y),
    ...lines.flatMap((line) => line.rows.map((row) => row.y)),
    ...bands.flatMap((band) => band.rows.flatMap((row) => [row.low, row.high])),
  ].filter(Number.isFinite);
  const [least, most] = extent(values);
  const pad = (most - least || 1) * 0.05;
  const key: KeyEntry[] = [
    { name: "measured", color: ink },
    ...lines.map(({ name, color }) => ({ name, color })),
    ...bands.map(({ name, index }) => ({
      name,
      color: seriesColor(index),
      shape: "band" as const,
    })),
    ...[...new Set(windows.map((w) => w.label))].map((name) => ({
      name,
      color: shade,
      shape: "band" as const,
    })),
  ];
  const span = [times[0], times.at(-1)]
    .map((time) => time?.toISOString().slice(0, 16).replace("T", " "))
    .join(" to ");
  const alt =
    `Line chart of ${withUnit(options.label, options.unit)}, ${span}: measured and ` +
    `${lines.map((line) => line.name).join(", ")}. Measured values lie between ` +
    `${number(least)} and ${number(most)}.` +
    windows.map((w) => ` Shaded: ${w.label}.`).join("");
  const drawn = figure(alt, key, (frame) => ({
    height: frame.narrow ? 240 : 280,
    marginLeft: 46,
    marginRight: 14,
    marginTop: 30 + (windows.length > 0 && !frame.narrow ? 14 : 0),
    marginBottom: 44,
    x: { type: "utc" },
    y: {
      label: withUnit(options.label, options.unit),
      domain: [zero ? Math.min(0, least) : least - pad, most + pad],
      nice: true,
      ticks: 6,
    },
    marks: [
      timeAxis([times[0]!, times.at(-1)!], frame.narrow),
      ...shadedWindows(windows, frame.narrow),
      Plot.gridY({ stroke: gridColor, strokeOpacity: 1 }),
      ...(zero ? [Plot.ruleY([0], { stroke: muted })] : []),
      ...bands.map((band) =>
        Plot.areaY(band.rows, {
          x: "x",
          y1: "low",
          y2: "high",
          fill: seriesColor(band.index),
          fillOpacity: 0.2,
        }),
      ),
      Plot.line(truthRows, { x: "x", y: "y", stroke: ink, strokeWidth: 1.6 }),
      ...lines.map((line) =>
        Plot.line(line.rows, { x: "x", y: "y", stroke: line.color, strokeWidth: 1.6 }),
      ),
    ],
  }));
  // The lines cross and end together: labels at their ends would not tell them apart.
  return { ...drawn, keyAlways: true };
}

function shadedWindows(windows: readonly TimeWindow[], narrow: boolean): Plot.Markish[] {
  if (windows.length === 0) return [];
  const named = windows.filter((w, i) => windows.findIndex((v) => v.label === w.label) === i);
  return [
    Plot.rect([...windows], { x1: "from", x2: "to", fill: shade, fillOpacity: 0.18 }),
    ...(narrow
      ? []
      : [
          Plot.text([...named], {
            x: (w: TimeWindow) => new Date((w.from.getTime() + w.to.getTime()) / 2),
            text: "label",
            frameAnchor: "top",
            dy: -8,
            fill: shade,
            fontWeight: 600,
            fontSize: 11,
          }),
        ]),
  ];
}

export interface ScatterOptions {
  readonly truth: ArrayLike<number>;
  readonly predicted: ArrayLike<number>;
  /** What is compared: "speed". */
  readonly label: string;
  readonly unit?: string;
}

/** Predicted over true values as a density of hexagons: any number of pairs is a small picture. */
export function predictedOverTrue(options: ScatterOptions): Figure {
  const { truth, predicted } = options;
  const pairs: { x: number; y: number }[] = [];
  for (let i = 0; i < truth.length; i++) {
    const [x, y] = [truth[i]!, predicted[i]!];
    if (Number.isFinite(x) && Number.isFinite(y)) pairs.push({ x, y });
  }
  let all = extent(pairs.flatMap(({ x, y }) => [x, y]));
  if (all[0] === all[1]) all = [all[0] - 1, all[1] + 1];
  const alt =
    `Density of predicted over true ${withUnit(options.label, options.unit)}, ${pairs.length} pairs ` +
    `between ${number(all[0])} and ${number(all[1])}; the diagonal is a perfect prediction.`;
  return figure(alt, [], (frame) => {
    const side = frame.narrow ? 300 : 400;
    const width = side + 60 + (frame.narrow ? 0 : 40);
    const bins = hexagons(pairs, all, side, frame.narrow ? 9 : 10);
    const largest = Math.max(1, ...bins.map((bin) => bin.count));
    return {
      width,
      height: side + 70,
      marginLeft: 52,
      marginRight: width - 52 - side,
      marginTop: 30,
      marginBottom: 40,
      x: {
        labelAnchor: "center",
        label: withUnit(`true ${options.label}`, options.unit),
        domain: all,
        ticks: 6,
      },
      y: { label: withUnit(`predicted ${options.label}`, options.unit), domain: all, ticks: 6 },
      marks: [
        Plot.gridX({ stroke: gridColor, strokeOpacity: 1, ticks: 6 }),
        Plot.gridY({ stroke: gridColor, strokeOpacity: 1, ticks: 6 }),
        Plot.dot(bins, {
          x: "x",
          y: "y",
          symbol: "hexagon",
          r: (frame.narrow ? 9 : 10) / 2,
          fill: seriesColor(0),
          // Counts differ by powers of ten: their logarithm is the ink.
          fillOpacity: (bin) => 0.12 + 0.88 * (Math.log1p(bin.count) / Math.log1p(largest)),
        }),
        Plot.line(
          [
            { x: all[0], y: all[0] },
            { x: all[1], y: all[1] },
          ],
          { x: "x", y: "y", stroke: ink, strokeWidth: 1.2, strokeDasharray: "5 3" },
        ),
        Plot.text([`stronger colour: more pairs, up to ${largest}`], {
          frameAnchor: "top-left",
          dx: 6,
          dy: 6,
          fill: muted,
          fontSize: fontSize - 1,
          stroke: paper,
          strokeWidth: 4,
        }),
      ],
    };
  });
}

/** Counts in hexagonal bins of `size` pixels; only bins that hold something. */
function hexagons(
  pairs: readonly { x: number; y: number }[],
  [low, high]: readonly [number, number],
  side: number,
  size: number,
): { x: number; y: number; count: number }[] {
  const scale = side / (high - low);
  const rowHeight = (size * Math.sqrt(3)) / 2;
  const bins = new Map<string, { x: number; y: number; count: number }>();
  for (const { x, y } of pairs) {
    const [px, py] = [(x - low) * scale, (y - low) * scale];
    // The nearest centre is in the row above or below; odd rows are shifted by half a bin.
    const row = Math.floor(py / rowHeight);
    const candidates = [row, row + 1].map((r) => {
      const shift = r % 2 === 0 ? 0 : size / 2;
      const column = Math.round((px - shift) / size);
      return { r, column, cx: column * size + shift, cy: r * rowHeight };
    });
    const [a, b] = candidates as [(typeof candidates)[0], (typeof candidates)[0]];
    const near = (c: typeof a): number => (px - c.cx) ** 2 + (py - c.cy) ** 2;
    const best = near(a) <= near(b) ? a : b;
    const name = `${best.r},${best.column}`;
    const bin = bins.get(name);
    if (bin === undefined) {
      bins.set(name, { x: best.cx / scale + low, y: best.cy / scale + low, count: 1 });
    } else bin.count++;
  }
  return [...bins.values()];
}
