import type { Table } from "@tensorlane/tasks";
import { expect, it } from "vitest";
import { duration, remaining, shortNumber } from "./progress.ts";
import { tableText } from "./tableText.ts";

const table: Table = {
  caption: "Scores",
  columns: [
    { key: "model", label: "Model" },
    { key: "rmse", label: "RMSE", unit: "km/h", digits: 2, best: "min" },
  ],
  rows: [
    { cells: { model: "LSTM", rmse: 4.951 } },
    { kind: "baseline", cells: { model: "last value", rmse: 12.5 } },
    { kind: "published", cells: { model: "a paper", rmse: null } },
  ],
  notes: ["pooled over all steps"],
};

it("aligns numbers and stars the best without colour", () => {
  expect(tableText(table, false)).toBe(
    [
      "Scores",
      "Model                  RMSE (km/h)",
      "----------------------------------",
      "LSTM                         4.95*",
      "last value (baseline)       12.50",
      "a paper (published)             -",
      "* best of the column",
      "pooled over all steps",
    ].join("\n"),
  );
});

it("sets the best in bold on a terminal", () => {
  expect(tableText(table, true)).toContain("\u001b[1m4.95\u001b[22m");
});

it("cuts the widest text column where the terminal is narrow", () => {
  const long: Table = {
    columns: [
      { key: "id", label: "Id" },
      { key: "title", label: "Title" },
      { key: "size", label: "Size" },
    ],
    rows: [{ cells: { id: "los-loop", title: "a very long title ".repeat(5), size: 3 } }],
  };
  const lines = tableText(long, false, 50).split("\n");
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(50);
  expect(lines.at(-1)).toMatch(/^los-loop {2}a very long title .*… {2,}3$/);
});

it("goes on below where numbers do not fit, and cuts no name", () => {
  const minutes = [15, 30, 45, 60];
  const wide: Table = {
    caption: "Errors",
    columns: [
      { key: "method", label: "method" },
      ...minutes.map((m) => ({ key: `${m}`, label: `RMSE ${m} min`, best: "min" as const })),
    ],
    rows: [
      { kind: "model", cells: { method: "gru", 15: 1, 30: 2, 45: 3, 60: 4 } },
      { kind: "baseline", cells: { method: "AR(12) + daily profile", 15: 2, 30: 3, 45: 4, 60: 5 } },
    ],
    notes: ["a note"],
  };
  const text = tableText(wide, false, 80);
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(text.match(/AR\(12\) \+ daily profile \(baseline\)/g)).toHaveLength(2);
  for (const m of minutes) expect(text.split(`RMSE ${m} min`)).toHaveLength(2);
  expect([text.split("Errors").length, text.split("a note").length]).toEqual([2, 2]);
});

it("writes times and numbers shortly", () => {
  expect([3, 61, 7322, Number.NaN].map(duration)).toEqual(["3 s", "1 min 1 s", "2 h 2 min", "?"]);
  expect([7, 0.25, 1234.5, 0.00001234].map(shortNumber)).toEqual([
    "7",
    "0.2500",
    "1235",
    "1.23e-5",
  ]);
  expect(remaining(0, 2000, 1, 4)).toBe(6);
  expect(remaining(0, 2000, 0, 4)).toBeNaN();
});
