import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { bestRows, type Table } from "../table.ts";
import { markdown, span } from "./markup.ts";
import { spread } from "./plot/base.ts";
import {
  bars,
  errorByHorizon,
  type Figure,
  forecastPlot,
  heatMap,
  histogram,
  lossCurves,
  predictedOverTrue,
} from "./plots.ts";
import { Report } from "./report.ts";

const table: Table = {
  caption: "Errors",
  columns: [
    { key: "model", label: "Model" },
    { key: "rmse", label: "RMSE", unit: "km/h", digits: 2, best: "min" },
  ],
  rows: [
    { cells: { model: "LSTM", rmse: 5.001 } },
    { cells: { model: "GRU", rmse: 5.004 } },
    { kind: "baseline", cells: { model: "last value", rmse: 5.9 } },
    { kind: "published", cells: { model: "paper", rmse: 4.5 } },
    { cells: { model: "not run", rmse: null } },
  ],
};

const times = Array.from({ length: 30 }, (_, i) => new Date(Date.UTC(2012, 2, 5) + i * 300_000));
const truth = times.map((_, i) => (i === 7 ? Number.NaN : 50 + 10 * Math.sin(i / 4)));
const figures: Record<string, Figure> = {
  loss: lossCurves({
    label: "loss",
    log: true,
    curves: [{ name: "LSTM", train: [1, 0.4, 0.2], validation: [1.1, 0.5, 0.4], best: 3 }],
  }),
  "one epoch": lossCurves({ label: "loss", curves: [{ name: "LSTM", train: [1] }] }),
  "a diverged run": lossCurves({
    label: "loss",
    curves: [{ name: "LSTM", train: [1, Number.NaN] }],
  }),
  horizon: errorByHorizon({
    horizons: [15, 30],
    horizonUnit: "min",
    metric: "RMSE",
    series: [
      { name: "LSTM", values: [5, 6] },
      { name: "paper", kind: "published", values: [5.13, null] },
    ],
  }),
  forecast: forecastPlot({
    label: "speed",
    unit: "km/h",
    times,
    truth,
    forecasts: [
      { name: "LSTM", values: truth, lower: truth.map((v) => v - 5), upper: truth, level: 0.9 },
    ],
    windows: [{ from: times[3]!, to: times[6]!, label: "incident <1>" }],
  }),
  scatter: predictedOverTrue({ truth, predicted: truth, label: "speed", unit: "km/h" }),
  heat: heatMap({
    values: [0, 1, Number.NaN, 3, 4, 5],
    rows: 2,
    columns: 3,
    label: "error",
    rowLabel: "sensor",
    columnLabel: "time",
    columnRange: [times[0]!, times[29]!],
  }),
  "constant heat": heatMap({
    values: [2, 2],
    rows: 1,
    columns: 2,
    label: "error",
    rowLabel: "class",
    columnLabel: "class",
    rowNames: ["a"],
    columnNames: ["a", "b"],
    center: 2,
  }),
  "no losses": lossCurves({ label: "loss", log: true, curves: [{ name: "LSTM", train: [] }] }),
  "nothing measured": forecastPlot({
    label: "speed",
    times,
    truth: times.map(() => Number.NaN),
    forecasts: [],
  }),
  "no pairs": predictedOverTrue({ truth: [], predicted: [], label: "speed" }),
  "no errors": errorByHorizon({
    horizons: [15, 30],
    horizonUnit: "min",
    metric: "RMSE",
    series: [{ name: "LSTM", values: [null, null] }],
  }),
  "histogram of nothing": histogram({ values: [], label: "speed" }),
  histogram: histogram({ values: truth, label: "speed", marks: [{ at: 50, name: "half" }] }),
  "histogram of one value": histogram({ values: [3, 3, 3], label: "speed" }),
  bars: bars({ label: "RMSE", items: [{ name: "A", value: 3 }] }),
};

describe("plots", () => {
  for (const [name, drawn] of Object.entries(figures)) {
    it(`${name}: both forms are whole, described and without invalid numbers`, () => {
      for (const svg of [drawn.wide, drawn.narrow]) {
        expect(svg).toMatch(/^<svg [\s\S]*<\/svg>$/);
        expect(svg).not.toMatch(/NaN|Infinity|undefined/);
      }
      expect(drawn.alt.length).toBeGreaterThan(20);
      expect(drawn.alt).not.toMatch(/NaN|Infinity|undefined/);
    });
  }

  it("breaks the line where nothing was measured", () => {
    const line = /stroke="var\(--ink,[^"]*"[^>]*><path d="([^"]*)"/.exec(
      figures.forecast!.wide,
    )![1]!;
    expect(line.match(/M/g)).toHaveLength(2);
  });

  it("keeps labels apart, in order and inside", () => {
    const placed = spread([100, 101, 99, 300, 5], 15, 0, 305);
    const sorted = [...placed].sort((a, b) => a - b);
    for (let i = 1; i < sorted.length; i++) {
      expect(sorted[i]! - sorted[i - 1]!).toBeGreaterThanOrEqual(15 - 1e-9);
    }
    expect(placed[2]).toBeLessThan(placed[0]!);
    expect(placed[0]).toBeLessThan(placed[1]!);
    expect(placed[4]).toBe(5);
  });
});

describe("Report", () => {
  const html = new Report({
    title: "A <b>title</b>",
    subtitle: "x & y",
    notices: [{ kind: "warning", text: "**simulated**" }],
  })
    .section("One")
    .text("See [paper](https://example.org/a?b=1&c=2).\n\n- `a_b`\n- <script>")
    .facts({ Seed: 7 })
    .table(table)
    .plot(figures.forecast!, "A caption")
    .plot(figures.heat!)
    .html();
  const { document } = parseHTML(html);

  it("requests nothing", () => {
    expect(html).toContain("default-src 'none'");
    for (const element of document.querySelectorAll("[src], [href]")) {
      const target = element.getAttribute("src") ?? element.getAttribute("href")!;
      expect(target).toMatch(element.localName === "a" ? /^(https:|#)/ : /^data:/);
    }
    expect(document.querySelectorAll("script, link").length).toBe(0);
    expect(html).not.toMatch(/url\((?!#)|@import/);
  });

  it("escapes what it is given", () => {
    expect(document.querySelector("h1")!.textContent).toBe("A <b>title</b>");
    expect(document.querySelector("a")!.getAttribute("href")).toBe("https://example.org/a?b=1&c=2");
    expect(html).not.toContain("<script>");
    expect(span("`<x>` **a*b** 2*3*4 *e*")).toBe(
      "<code>&#60;x&#62;</code> **a*b** 2*3*4 <em>e</em>",
    );
    expect(markdown("a\nb\n\nc")).toBe("<p>a b</p>\n<p>c</p>");
  });

  it("is read by screen readers", () => {
    expect(document.documentElement.getAttribute("lang")).toBe("en");
    for (const picture of document.querySelectorAll('[role="img"]')) {
      expect(picture.getAttribute("aria-label")!.length).toBeGreaterThan(30);
    }
    expect(document.querySelectorAll('th[scope="col"]').length).toBe(2);
    expect(document.querySelectorAll('th[scope="row"]').length).toBe(5);
    expect(document.querySelector("tr.published th")!.textContent).toContain("published");
  });

  it("highlights values that are best as printed, never published ones", () => {
    expect([...bestRows(table, table.columns[1]!)]).toEqual([0, 1]);
    expect(document.querySelectorAll("td.best").length).toBe(2);
  });
});
