import * as Plot from "@observablehq/plot";
import {
  dashes,
  endLabels,
  extent,
  type Figure,
  figure,
  gridColor,
  ink,
  type KeyEntry,
  type Labelled,
  labelMargin,
  muted,
  number,
  paper,
  SERIES_COLORS,
  seriesColor,
  withUnit,
} from "./base.ts";

export interface LossCurve {
  readonly name: string;
  /** One value for every epoch, the first epoch first. */
  readonly train?: readonly number[] | undefined;
  readonly validation?: readonly number[] | undefined;
  /** The epoch that was kept, counted from 1; marked with a point. */
  readonly best?: number | undefined;
}

export interface LossOptions {
  readonly curves: readonly LossCurve[];
  /** What is measured: "mean squared error", "validation RMSE". */
  readonly label: string;
  readonly unit?: string;
  readonly log?: boolean;
  /** What the values are counted by, from 1: "epoch" unless given. */
  readonly countedBy?: string;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** A logarithmic axis that fits the values, with ticks at 1, 2 and 5 times powers of ten. */
function logDomain(values: readonly number[]): Plot.ScaleOptions {
  const [low, high] = [0.9 * Math.min(...values), 1.1 * Math.max(...values)];
  const first = Math.floor(Math.log10(low));
  const powers = Array.from(
    { length: Math.ceil(Math.log10(high)) - first + 1 },
    (_, i) => first + i,
  );
  const steps = powers.length > 4 ? [1] : [1, 2, 5];
  const stride = Math.ceil(powers.length / 12);
  const ticks = powers
    .filter((power) => power % stride === 0)
    .flatMap((power) => steps.map((step) => Number(`${step}e${power}`)))
    .filter((tick) => tick >= low && tick <= high);
  const text = (tick: number) => (tick < 0.01 ? tick.toExponential(0) : String(tick));
  return { domain: [low, high], ticks, tickFormat: text };
}

const finite = (point: Point): boolean => Number.isFinite(point.y);

/** Training (dashed) and validation (solid) curves over the epochs, one colour a model. */
export function lossCurves(options: LossOptions): Figure {
  const { curves, log = false, countedBy = "epoch" } = options;
  const both =
    curves.some((c) => c.train !== undefined) && curves.some((c) => c.validation !== undefined);
  const lines = curves.flatMap((curve, index) =>
    (["validation", "train"] as const).flatMap((part) => {
      const values = curve[part];
      if (values === undefined || values.length === 0) return [];
      const points = values.map((y, epoch) => ({ x: epoch + 1, y }));
      const name = both ? `${curve.name} ${part === "train" ? "training" : part}` : curve.name;
      // Where colours come again, the line is broken.
      const again = dashes[Math.floor(index / SERIES_COLORS) % dashes.length];
      const dash = both && part === "train" ? dashes[1] : again;
      return [
        { name, color: seriesColor(index), dash, points: points.filter(finite), curve, part },
      ];
    }),
  );
  const epochs = Math.max(1, ...lines.map((line) => line.points.at(-1)?.x ?? 1));
  const found = lines.flatMap((line) => line.points.map((p) => p.y)).filter((y) => !log || y > 0);
  const all = found.length === 0 ? [1] : found;
  const kept = lines.flatMap(({ color, points, curve, part }) => {
    if (both && part === "train") return [];
    const point = points.find((p) => p.x === curve.best);
    return point === undefined ? [] : [{ ...point, color }];
  });
  const labels: Labelled[] = lines.flatMap(({ name, color, points }) =>
    points.length === 0 ? [] : [{ name, color, end: points.at(-1)!.y }],
  );
  const key: KeyEntry[] = lines.map(({ name, color, dash }) => ({ name, color, dash }));
  const alt = `Line chart of ${options.label} over ${epochs} ${countedBy}s${log ? ", logarithmic" : ""}. ${lines
    .filter((line) => line.points.length > 0)
    .map((l) => `${l.name}: from ${number(l.points[0]!.y)} to ${number(l.points.at(-1)!.y)}`)
    .join("; ")}.`;
  return figure(alt, key, (frame) => {
    const base: Plot.PlotOptions = {
      height: frame.narrow ? 260 : 320,
      marginLeft: 52,
      marginRight: frame.narrow ? 14 : labelMargin(labels),
      marginTop: 30,
      marginBottom: 40,
      x: {
        label: countedBy,
        labelAnchor: "center",
        domain: epochs === 1 ? [0.5, 1.5] : [1, epochs],
        ticks: Math.min(epochs, frame.narrow ? 6 : 10),
        tickFormat: (x: number) => (Number.isInteger(x) ? String(x) : ""),
      },
      y: {
        label: withUnit(options.label, options.unit),
        type: log ? "log" : "linear",
        ...(log ? logDomain(all) : { domain: [0, Math.max(...all)], nice: true }),
      },
      marks: [],
    };
    return {
      ...base,
      marks: [
        Plot.gridY({
          stroke: gridColor,
          strokeOpacity: 1,
          ...(log ? { ticks: logDomain(all).ticks } : {}),
        }),
        ...(log ? [] : [Plot.ruleY([0], { stroke: muted })]),
        ...lines.map((line) =>
          Plot.line(line.points, {
            x: "x",
            y: "y",
            stroke: line.color,
            strokeWidth: line.dash === undefined ? 2 : 1.5,
            ...(line.dash === undefined ? {} : { strokeDasharray: line.dash }),
            // A single epoch has no line to draw.
            ...(line.points.length === 1 ? { marker: "dot" as const } : {}),
          }),
        ),
        Plot.dot(kept, {
          x: "x",
          y: "y",
          r: 4.5,
          fill: paper,
          stroke: (d) => d.color,
          strokeWidth: 2,
        }),
        ...(frame.narrow ? [] : endLabels(frame, base, labels)),
      ],
    };
  });
}

export interface HorizonSeries {
  readonly name: string;
  /** One for every horizon; `null` where nothing was measured or published. */
  readonly values: readonly (number | null | undefined)[];
  readonly kind?: "model" | "baseline" | "published";
}

export interface HorizonOptions {
  /** 15, 30, 45, 60. */
  readonly horizons: readonly number[];
  /** Of the horizons: "min". */
  readonly horizonUnit: string;
  /** "RMSE". */
  readonly metric: string;
  readonly unit?: string;
  readonly series: readonly HorizonSeries[];
  /** Whether the axis starts at zero; where it does not, the figure says so. */
  readonly zero?: boolean;
}

/** Error over the horizon: models in colour, baselines in grey dashes, published figures as diamonds. */
export function errorByHorizon(options: HorizonOptions): Figure {
  const { horizons, series, zero = false } = options;
  let models = 0;
  let baselines = 0;
  const lines = series.map((one) => {
    const kind = one.kind ?? "model";
    const points = horizons
      .map((x, index) => ({ x, y: one.values[index] ?? Number.NaN }))
      .filter(finite);
    const color = kind === "model" ? seriesColor(models++) : kind === "baseline" ? muted : ink;
    const dash = kind === "baseline" ? dashes[1 + (baselines++ % (dashes.length - 1))] : undefined;
    return { name: one.name, kind, color, dash, points };
  });
  const shown = lines.filter((line) => line.points.length > 0);
  const [least, most] = extent(shown.flatMap((line) => line.points.map((p) => p.y)));
  const pad = (most - least || Math.abs(most) || 1) * 0.06;
  const labels: Labelled[] = shown.map((l) => ({ ...l, end: l.points.at(-1)!.y }));
  const alt = `Line chart of ${withUnit(options.metric, options.unit)} by horizon. ${shown
    .map(
      (l) =>
        `${l.name}${l.kind === "model" ? "" : ` (${l.kind})`}: ` +
        l.points.map((p) => `${number(p.y)} at ${p.x} ${options.horizonUnit}`).join(", "),
    )
    .join("; ")}.`;
  const key = shown.map(
    ({ name, color, dash, kind }): KeyEntry => ({
      name,
      color,
      dash,
      shape: kind === "published" ? "dot" : "line",
    }),
  );
  return figure(alt, key, (frame) => {
    const base: Plot.PlotOptions = {
      height: frame.narrow ? 280 : 340,
      marginLeft: 48,
      marginRight: frame.narrow ? 14 : labelMargin(labels),
      marginTop: 30,
      marginBottom: 42,
      x: {
        label: withUnit("horizon", options.horizonUnit),
        labelAnchor: "center",
        domain: [Math.min(...horizons), Math.max(...horizons)],
        ticks: [...horizons],
        tickFormat: String,
        insetLeft: 10,
        insetRight: 10,
      },
      y: {
        label: withUnit(options.metric, options.unit),
        domain: zero ? [0, most + pad] : [least - pad, most + pad],
        nice: true,
      },
      marks: [],
    };
    const drawLine = (line: (typeof shown)[number]): Plot.Markish[] => [
      ...(line.kind === "published"
        ? []
        : [
            Plot.line(line.points, {
              x: "x",
              y: "y",
              stroke: line.color,
              strokeWidth: line.kind === "model" ? 2.25 : 1.5,
              ...(line.dash === undefined ? {} : { strokeDasharray: line.dash }),
            }),
          ]),
      Plot.dot(line.points, {
        x: "x",
        y: "y",
        r: line.kind === "published" ? 5 : line.kind === "model" ? 3.5 : 2.5,
        symbol: line.kind === "published" ? "diamond" : "circle",
        fill: line.kind === "published" ? paper : line.color,
        stroke: line.color,
        strokeWidth: 1.5,
      }),
    ];
    const order = ["baseline", "published", "model"];
    const sorted = [...shown].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
    return {
      ...base,
      marks: [
        Plot.gridY({ stroke: gridColor, strokeOpacity: 1 }),
        zero ? Plot.ruleY([0], { stroke: muted }) : axisNote(),
        ...sorted.flatMap(drawLine),
        ...(frame.narrow ? [] : endLabels(frame, base, labels)),
      ],
    };
  });
}

const axisNote = (): Plot.Markish =>
  Plot.text(["axis does not start at 0"], {
    frameAnchor: "bottom-left",
    textAnchor: "start",
    dx: 4,
    dy: -5,
    fill: muted,
    fontStyle: "italic",
    fontSize: 11,
  });
