import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, describe, expect, test } from "vitest";
import type { TaskUi } from "../task.ts";
import { quietUi } from "../testing.ts";
import { experimentById, experiments, type Plan, runExperiment } from "./index.ts";
import type { LabRecord } from "./run.ts";

const dir = mkdtempSync(join(tmpdir(), "tensorlane-lab-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const text = join(dir, "text.txt");
writeFileSync(text, "the cat sat on the mat, and the dog lay by the log. ".repeat(80));

const photos = join(dir, "photos");
for (const [label, level] of [40, 120, 200].entries()) {
  mkdirSync(join(photos, `class ${label}`), { recursive: true });
  for (let i = 0; i < 12; i++) {
    const data = Uint8Array.from({ length: 768 }, (_, k) => level + ((k * 31 + i * 77) % 50));
    const png = encode({ width: 16, height: 16, channels: 3, data });
    writeFileSync(join(photos, `class ${label}`, `${i}.png`), png);
  }
}

const pictures = { data: photos, perClass: 4, testPerClass: 1, batch: 6, epochs: 2 };
const memory = {
  ...{ hidden: 4, batch: 4, lr: 1e-2, samples: 16, heldSamples: 8 },
  ...{ stepsPerEpoch: 2, epochs: 2, symbols: 2, alphabet: 3, clipNorm: 1 },
};

/** Sizes at which each experiment takes a moment, on made data. */
const tiny: Readonly<Record<string, Plan>> = {
  degradation: { ...pictures, epochs: 1, lr: 0.01 },
  "gradient-norms": { layers: 6, channels: 2, images: 2, size: 8, depth: 8 },
  inception: { batch: 1, size: 4, repeats: 1 },
  auxiliary: { ...pictures, epochs: 1, size: 32, lr: 0.01, weight: 0.3 },
  dropout: { ...pictures, hidden: 8, lr: 1e-3, p: 0.5, inputP: 0.2, repeats: 2 },
  activations: { ...pictures, maxEpochs: 2, rates: [0.01], target: 0.25 },
  vanishing: { ...memory, adding: [4, 6], copy: [2] },
  clipping: { ...memory, length: 6, rates: [0.01], momentum: 0.9, repeats: 1 },
  truncation: { ...memory, delay: 3, windows: [0, 2] },
  "two-directions": {
    ...{ ...memory, data: text, context: 2, oneHidden: 6, twoHidden: 3 },
  },
};

const recordIn = (out: string): LabRecord =>
  JSON.parse(readFileSync(join(out, "results.json"), "utf8"));

const run = (id: string, out: string, ui: TaskUi, resume = false) =>
  runExperiment(experimentById(id), { out, seed: 3, quick: true, resume }, ui, tiny[id]);

describe.each(experiments.map(({ id }) => id))("%s", (id) => {
  test("measures, judges and draws, and the verdict follows from what it wrote", async () => {
    const out = join(dir, id);
    const { status } = await run(id, out, quietUi().ui);
    expect(status).toBe("finished");
    const record = recordIn(out);
    expect(record.plan).toEqual(tiny[id]);
    const { checks } = record.verdict;
    expect(checks.length).toBeGreaterThan(0);
    // Everything survives JSON: NaN and undefined would be lost.
    expect(experimentById(id).judge(record.result)).toEqual(checks);
    const html = readFileSync(join(out, "report.html"), "utf8");
    expect(html).toContain("<svg");
    expect(html).toContain(`Verdict: ${record.verdict.outcome}`);
    const again = await run(id, out, quietUi().ui, true);
    expect(again).toMatchObject({ status: "already finished", verdict: record.verdict });
  });
});

test("an interrupted experiment goes on bit for bit, without what was done", async () => {
  const straight = join(dir, "straight");
  await run("vanishing", straight, quietUi().ui);
  const out = join(dir, "interrupted");
  const stop = new AbortController();
  const { ui } = quietUi();
  let updates = 0;
  const stopping: TaskUi = {
    ...ui,
    signal: stop.signal,
    progress: () => ({ update: () => void (++updates === 7 && stop.abort()), stop: () => {} }),
  };
  expect(await run("vanishing", out, stopping)).toMatchObject({ status: "interrupted" });
  await expect(run("vanishing", out, ui)).rejects.toThrow(/--resume/);
  expect(await run("vanishing", out, ui, true)).toMatchObject({ status: "finished" });
  const withoutTimes = (path: string) =>
    JSON.stringify(recordIn(path).result, (key, value) => (key === "seconds" ? 0 : value));
  expect(withoutTimes(out)).toBe(withoutTimes(straight));
});

test("an unknown experiment is told with those that there are", () => {
  expect(() => experimentById("degradatoin")).toThrow(/Did you mean "degradation"/);
});
