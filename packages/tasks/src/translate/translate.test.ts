import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { planTrain, type TrainRequest } from "../plan.ts";
import { RunFolder } from "../runFolder.ts";
import { killAndResume, quietUi, startCommand } from "../testing.ts";
import { madeDates, unseenInDate } from "./dates.ts";
import { translate } from "./index.ts";
import { loadPairs, type Pair, readPairs } from "./pairs.ts";
import { loadRunState } from "./runState.ts";
import { groupTable, scoresByGroup } from "./scores.ts";
import { wrongness } from "./training.ts";
import { type Candidate, search, writer } from "./writing.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-translate-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Words to be written backwards, of different lengths. */
const pairs = join(scratch, "pairs.tsv");
const words = Array.from({ length: 3 ** 5 }, (_, i) =>
  i.toString(3).replace(/./g, (d) => "abc"[+d]),
);
writeFileSync(pairs, words.map((word) => `${word}\t${[...word].reverse().join("")}\n`).join(""));

async function trainOn(name: string, request: TrainRequest = {}, signal?: AbortSignal) {
  const out = join(scratch, name);
  const options = await planTrain(translate, {
    ...{ data: pairs, epochs: 3, lr: 0.01, batch: 16, seed: 2, out },
    ...request,
    extra: { hidden: 24, ...request.extra },
  });
  const { ui, said } = quietUi();
  const result = await translate.train(options, { ...ui, ...(signal && { signal }) });
  return { out, said, result };
}

describe.each(translate.models)("%s", (model) => {
  test("learns, evaluates alike, and writes the same in plain onnxruntime", async () => {
    const { out, result } = await trainOn(model, { models: [model], epochs: 25 });
    expect(result.status).toBe("finished");
    expect(result.train.validationMeasure).toMatch(/is kept/);
    expect(Number(result.metrics.exact)).toBeGreaterThan(0.5);
    const again = await translate.evaluate(out, { extra: {} }, quietUi().ui);
    expect(again.metrics).toEqual(result.metrics);
    const report = readFileSync(join(out, "report.html"), "utf8");
    expect(report.includes("Where the decoder looked")).toBe(model === "attention");

    const network = await loadRunState(await RunFolder.open(out));
    const source = "abcab";
    const [own] = await (await writer(network, [{ source, target: "" }]))();
    const [greedy] = await search(network, source, 1);
    const { start, end } = network.tokens;
    const session = (part: string) => InferenceSession.create(join(out, `${part}.onnx`));
    const [encoder, decoder] = [await session("encoder"), await session("decoder")];
    const int = (values: ArrayLike<number>, ...dims: number[]) =>
      new OrtTensor("int32", Int32Array.from(values), dims);
    const ids = network.tokens.source.encode(source);
    const memory = await encoder.run({ source: int(ids, 1, 5), length: int([5], 1) });
    const written: number[] = [];
    let [token, h] = [start, memory.h];
    while (token !== end && written.length <= network.spec.targetLength) {
      const after = await decoder.run({ ...memory, h, token: int([token], 1) });
      const logits = after.logits.data as Float32Array;
      token = logits.indexOf(Math.max(...logits));
      h = after["state.h"];
      written.push(token);
    }
    expect(network.tokens.textOf(written)).toBe(own.text);
    expect(greedy.text).toBe(own.text);
    if (model !== "attention") return;
    expect(own.looked).toHaveLength(Math.min([...own.text].length, network.spec.targetLength) + 1);
    for (const row of own.looked!) expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });
});

test("goes on bit for bit after an interruption", async () => {
  const straight = await trainOn("unbroken");
  let reads = 0;
  const signal = {
    get aborted() {
      return ++reads > 14;
    },
  } as AbortSignal;
  const first = await trainOn("cut", {}, signal);
  expect(first.result.status).toBe("interrupted");
  // The epochs that are whole are told.
  expect(first.result.train.losses).toEqual(straight.result.train.losses.slice(0, 1));
  const resumed = await trainOn("cut", { resume: true });
  expect(resumed.said.join()).toMatch(/continues after step 1\d of/);
  for (const file of ["best.safetensors", "last.safetensors", "encoder.onnx", "decoder.onnx"]) {
    const [a, b] = [straight, first].map(({ out }) => readFileSync(join(out, file)));
    expect(a.equals(b), file).toBe(true);
  }
});

test("dates: no part shares a source or a target with another", async () => {
  const [full, quick] = [await loadPairs("dates", false), await loadPairs("dates", true)];
  const all = [...full.train, ...full.validation, ...full.test];
  expect(all).toHaveLength(23_000);
  expect(new Set(all.map(({ source }) => source)).size).toBe(23_000);
  expect(new Set(all.map(({ target }) => target)).size).toBe(23_000);
  expect(quick.test).toEqual(full.test);
});

test("numbers: every length alike in training, none in two parts, those with words of their own learnt", async () => {
  const [full, quick] = [await loadPairs("numbers", false), await loadPairs("numbers", true)];
  const { train, validation, test: tested } = full;
  expect([train.length, validation.length, tested.length]).toEqual([20_000, 1_000, 2_000]);
  expect(quick.test).toEqual(tested);
  const counts = (pairs: readonly Pair[]) =>
    Array.from({ length: 6 }, (_, i) => pairs.filter(({ group }) => group === `${i + 1}`).length);
  for (const count of counts(train)) expect(Math.abs(count - 20_000 / 6)).toBeLessThan(200);
  expect(counts(tested)).toEqual([0, 18, 180, 601, 601, 600]);
  expect(counts(validation)).toEqual([0, 9, 90, 301, 300, 300]);
  const [learnt, chosen, asked] = [train, validation, tested].map(
    (pairs) => new Set(pairs.map(({ source }) => source)),
  );
  expect([chosen.size, asked.size]).toEqual([1_000, 2_000]);
  for (const source of chosen) expect(learnt.has(source) || asked.has(source)).toBe(false);
  for (const source of asked) expect(learnt.has(source)).toBe(false);
  for (let n = 0; n < 20; n++) expect(learnt.has(String(n)), String(n)).toBe(true);
});

test("the epoch with most right texts is kept; of equal ones that with fewer wrong letters", async () => {
  const scores = (exact: number, errorRate: number) => ({ pairs: 1000, exact, errorRate });
  expect(wrongness(scores(0.893, 0.05))).toBeLessThan(wrongness(scores(0.888, 0.01)));
  expect(wrongness(scores(0, 0.5))).toBeLessThan(wrongness(scores(0, 0.9)));
  expect(wrongness(scores(0.001, 9))).toBeLessThan(wrongness(scores(0, 0)));
  const { result } = await trainOn("chosen", { epochs: 6 });
  const { validation, bestEpoch } = result.train as never as {
    validation: number[];
    bestEpoch: number;
  };
  expect(validation[bestEpoch - 1]).toBe(Math.max(...validation));
});

test("scores are told apart by group, in the order of their numbers", () => {
  const of = (source: string, target: string, group: string): Pair => ({ source, target, group });
  const asked = [of("10", "ten", "10"), of("9", "nine", "9"), of("8", "eight", "9")];
  const groups = scoresByGroup(asked, ["ten", "nine", "nine"]);
  expect(Array.from(groups, ([group, { pairs, exact }]) => [group, pairs, exact])).toEqual([
    ["9", 2, 0.5],
    ["10", 1, 1],
  ]);
  const table = groupTable({ title: "t", groupedBy: "digits" }, groups);
  expect(table?.rows.map(({ cells }) => cells.group)).toEqual(["9", "10"]);
  expect(groupTable({ title: "t" }, groups)).toBeUndefined();
});

test("dates mean the day that is written", () => {
  const spelled = madeDates(2000).pairs.filter(({ source }) => /^[a-z]+ \d+ \d{4}$/.test(source));
  expect(spelled.length).toBeGreaterThan(100);
  for (const { source, target } of spelled) {
    expect(new Date(`${source} UTC`).toISOString().slice(0, 10)).toBe(target);
  }
});

test("a year that no date of training has is told", () => {
  expect(unseenInDate("12 august 1969")).toMatch(/the year 1969: it learnt 1970 to 2069/);
  for (const known of ["3 may 1970", "31 december 2069", "5/3/69"])
    expect(unseenInDate(known)).toBeUndefined();
});

test("predict writes the likeliest texts; what cannot be read is told", async () => {
  const { out } = await trainOn("asked", { epochs: 1 });
  const { ui, written } = quietUi();
  const ask = (...inputs: string[]) => translate.predict(out, inputs, { extra: { beam: 3 } }, ui);
  const { results, ranking } = (await ask("abc")) as never as {
    results: { text: string; candidates: Candidate[] }[];
    ranking: string;
  };
  const [{ text, candidates }] = results;
  expect(candidates).toHaveLength(3);
  expect(candidates[0].text).toBe(text);
  expect(ranking).toMatch(/^score: mean log-probability/);
  const scores = candidates.map(({ score }) => score);
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  for (const { score, probability } of candidates)
    expect(score).toBeGreaterThan(Math.log(probability));
  expect(written.join("")).toMatch(/^source,text,probability\nabc,/);
  const some = await ask("abz", "abc");
  expect(some).toMatchObject({ results: [{ input: "abc" }], failed: [{ input: "abz" }] });
  await expect(ask()).rejects.toThrow(/takes sources/);
  await expect(ask("")).rejects.toThrow(/input 1 is empty/);
  await expect(ask("abz")).rejects.toThrow(/never saw: "z"/);
  await expect(ask("abcabcabcabc")).rejects.toThrow(/more than 5 characters/);
  expect(() => readPairs("a\tb\nc\n", "x.tsv")).toThrow(/x\.tsv:2: expected a source, one tab/);
  expect(() => readPairs("a\tb\n", "x.tsv")).toThrow(/holds 1 different source;/);
  await expect(loadPairs(scratch, false)).rejects.toThrow(/is a folder; give one text file/);
  const binary = join(scratch, "binary.tsv");
  writeFileSync(binary, new Uint8Array(64).fill(0xd3));
  await expect(loadPairs(binary, false)).rejects.toThrow(/is not text in UTF-8/);
});

test("the commands as a process; a killed training resumes bit for bit", async () => {
  const line = [
    "train",
    "translate",
    "--data",
    "pairs.tsv",
    "--model",
    "seq2seq",
    "--epochs",
    "30",
  ];
  const run = await killAndResume(scratch, [...line, "--hidden", "8"], "state.safetensors");
  expect([run.straight.code, run.resumed.code]).toEqual([0, 0]);
  expect(run.straight.err).not.toContain("rror:");
  expect(run.resumed.err).toMatch(/continues after step \d+ of/);
  for (const file of ["best.safetensors", "last.safetensors", "encoder.onnx", "decoder.onnx"]) {
    expect(run.same(file), file).toBe(true);
  }
  const { metrics } = JSON.parse(run.straight.out.trimEnd());
  expect(JSON.parse(run.resumed.out.trimEnd()).metrics).toEqual(metrics);
  const start = (...args: string[]) => startCommand(scratch, args).ended;
  const evaluated = await start("evaluate", "killed", "--json");
  expect(JSON.parse(evaluated.out.trimEnd()).metrics).toEqual(metrics);
  expect((await start("predict", "killed", "abc", "--beam", "2")).out).toContain("\nabc,");
  expect((await start("export", "killed", "--out", "net.onnx")).code).toBe(0);
  expect(readFileSync(join(scratch, "net.decoder.onnx")).length).toBeGreaterThan(1000);
});
