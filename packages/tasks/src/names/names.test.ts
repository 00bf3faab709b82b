import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { planTrain, type TrainRequest } from "../plan.ts";
import { RunFolder } from "../runFolder.ts";
import { killAndResume, quietUi, startCommand } from "../testing.ts";
import { names } from "./index.ts";
import { loadRunState } from "./runState.ts";
import { baselineRows, naiveBayes, scoresOf } from "./scores.ts";
import { loadSurnames, splitNames } from "./surnames.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-names-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("repeated names count once; those of several languages stand in one part", () => {
  const alone = Array.from({ length: 40 }, (_, i) => `a${i}`);
  const lists = new Map([
    ["B", ["Same", "b", "b", " b ", ""]],
    ["A", ["Same", ...alone, ...alone]],
  ]);
  const { languages, notes, ...set } = splitNames("x", "x", lists);
  expect(languages).toEqual(["A", "B"]);
  const parts = [set.train, set.validation, set.test];
  expect(parts.flat()).toHaveLength(43);
  expect(parts.map((part) => part.filter(({ label }) => label === 0).length)).toEqual([33, 4, 4]);
  expect(parts.filter((part) => part.some(({ name }) => name === "Same"))).toHaveLength(1);
  expect(notes.join()).toMatch(/^85 lines hold 42 different names/);
});

test("scores and naive Bayes, by hand", () => {
  const given = [0, 0, 0, 1].map((label, i) => ({ name: `n${i}`, label }));
  const { accuracy, balanced, confusion } = scoresOf(
    given,
    [
      [2, 1],
      [2, 1],
      [1, 2],
      [1, 2],
    ],
    3,
  );
  expect([accuracy, balanced]).toEqual([0.75, (2 / 3 + 1) / 2]);
  expect(confusion).toEqual([
    [2, 1, 0],
    [0, 1, 0],
    [0, 0, 0],
  ]);
  // Of "^", "a", "$", "^a", "a$", "^a$" and the same with b: 12 different, each language has 6.
  const bayes = naiveBayes(
    [
      { name: "a", label: 0 },
      { name: "b", label: 1 },
    ],
    2,
  );
  const [a, b] = bayes("A");
  expect(a - b).toBeCloseTo(Math.log(2) * 4, 10);
});

const mirror = fileURLToPath(new URL("../../../../../shared/data/", import.meta.url));

describe.skipIf(!existsSync(mirror))("surnames (skipped without ../shared/data)", () => {
  beforeAll(() => {
    vi.stubEnv("TENSORLANE_DATA_MIRROR", mirror);
    return () => void vi.unstubAllEnvs();
  });

  async function trainOn(name: string, request: TrainRequest = {}, signal?: AbortSignal) {
    const out = join(scratch, name);
    const options = await planTrain(names, { epochs: 1, batch: 512, seed: 3, out, ...request });
    const { ui, said } = quietUi();
    const result = await names.train(options, { ...ui, ...(signal && { signal }) });
    return { out, said, result };
  }

  test("are read without duplicates; naive Bayes beats the largest language", async () => {
    const set = await loadSurnames();
    expect(set.languages).toHaveLength(18);
    const [train, others] = [set.train, [...set.validation, ...set.test]].map(
      (part) => new Set(part.map(({ name }) => name)),
    );
    expect([...others].filter((name) => train.has(name))).toEqual([]);
    const [bayes, largest] = baselineRows(set);
    expect(bayes.accuracy).toBeGreaterThan(largest.accuracy + 0.2);
    expect(largest.balanced).toBeCloseTo(1 / 18, 10);
  });

  test.each(["bilstm", "gru"])("%s learns, evaluates alike, and exports", async (model) => {
    const { out, result } = await trainOn(model, { models: [model], epochs: 2 });
    const { losses } = result.train;
    expect(losses[1]).toBeLessThan(losses[0]);
    const again = await names.evaluate(out, { extra: {} }, quietUi().ui);
    expect(again.metrics).toEqual(result.metrics);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("Which language (row)");

    const { ui, written } = quietUi();
    const told = await names.predict(out, ["Satoshi"], { extra: {} }, ui);
    const [{ top }] = told.results as never as {
      top: { language: string; probability: number }[];
    }[];
    expect(top).toHaveLength(5);
    expect(written.join("")).toContain(`Satoshi,${top[0].language},`);
    const { vocabulary, languages } = await loadRunState(await RunFolder.open(out));
    const session = await InferenceSession.create(join(out, "model.onnx"));
    const int = (values: ArrayLike<number>, ...dims: number[]) =>
      new OrtTensor("int32", Int32Array.from(values), dims);
    const ids = vocabulary.encode("Satoshi");
    const { probabilities } = await session.run({ tokens: int(ids, 1, 7), length: int([7], 1) });
    const own = Number(probabilities.data[languages.indexOf(top[0].language)]);
    expect(own).toBeCloseTo(top[0].probability, 5);
    const some = await names.predict(out, ["東", "Satoshi", ""], { extra: {} }, ui);
    expect(some).toMatchObject({ results: [{ name: "Satoshi", top }] });
    expect(some.failed).toMatchObject([{ input: "東" }, { input: "" }]);
    await expect(names.predict(out, [" "], { extra: {} }, ui)).rejects.toThrow(/input 1 is empty/);
    await expect(names.predict(out, ["東"], { extra: {} }, ui)).rejects.toThrow(/never saw: "東"/);
  });

  test("a batch larger than all names is all names", async () => {
    const { result } = await trainOn("large", { models: ["lstm"], epochs: 1, batch: 100_000 });
    expect(result.train.steps).toBe(1);
  });

  test("goes on bit for bit after an interruption", async () => {
    const straight = await trainOn("unbroken", { models: ["lstm"], batch: 64 });
    let reads = 0;
    const signal = {
      get aborted() {
        return ++reads > 14;
      },
    } as AbortSignal;
    const first = await trainOn("cut", { models: ["lstm"], batch: 64 }, signal);
    expect(first.result.status).toBe("interrupted");
    const resumed = await trainOn("cut", { models: ["lstm"], batch: 64, resume: true });
    expect(resumed.said.join()).toMatch(/continues after step 1\d of/);
    for (const file of ["best.safetensors", "last.safetensors", "model.onnx"]) {
      const [a, b] = [straight, first].map(({ out }) => readFileSync(join(out, file)));
      expect(a.equals(b), file).toBe(true);
    }
  });

  test("the commands as a process; a killed training resumes bit for bit", async () => {
    const line = ["train", "names", "--model", "gru", "--epochs", "3", "--batch", "512"];
    const run = await killAndResume(scratch, line, "state.safetensors");
    expect([run.straight.code, run.resumed.code]).toEqual([0, 0]);
    expect(run.resumed.err).toMatch(/continues after step \d+ of/);
    for (const file of ["best.safetensors", "last.safetensors", "model.onnx"]) {
      expect(run.same(file), file).toBe(true);
    }
    const { metrics } = JSON.parse(run.straight.out.trimEnd());
    expect(JSON.parse(run.resumed.out.trimEnd()).metrics).toEqual(metrics);
    const start = (...args: string[]) => startCommand(scratch, args).ended;
    const evaluated = await start("evaluate", "killed", "--json");
    expect(JSON.parse(evaluated.out.trimEnd()).metrics).toEqual(metrics);
    expect((await start("predict", "killed", "Satoshi")).out.split("\n")).toHaveLength(7);
    expect((await start("export", "killed", "--out", "net.onnx")).code).toBe(0);
  });
});
