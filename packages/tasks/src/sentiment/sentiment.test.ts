import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { data } from "tensorlane";
import { afterAll, describe, expect, test, vi } from "vitest";
import { planTrain, type TrainRequest } from "../plan.ts";
import { RunFolder } from "../runFolder.ts";
import { quietUi } from "../testing.ts";
import { sentiment } from "./index.ts";
import { judge, ofRoot, softmax } from "./judging.ts";
import { loadRunState } from "./runState.ts";
import { baselineRows } from "./scores.ts";
import { loadTreebank, NEUTRAL, rootLabel } from "./treebank.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-sentiment-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Judgements that a tree tells: "not" turns what follows into its opposite. */
function makeTrees(count: number, offset: number): string[] {
  const words = { good: 3, fine: 3, bad: 1, dull: 1, film: 2, story: 2 };
  const names = Object.keys(words) as (keyof typeof words)[];
  return Array.from({ length: count }, (_, i) => {
    const [a, b] = [names[(i * 5 + offset) % 4], names[4 + ((i >> 2) % 2)]];
    const phrase = `(${words[a]} (${words[a]} ${a}) (2 ${b}))`;
    return i % 3 === 0 ? `(${4 - words[a]} (2 not) ${phrase})` : i % 7 === 0 ? "(3 good)" : phrase;
  });
}

const bank = join(scratch, "bank");
mkdirSync(bank);
writeFileSync(join(bank, "train.txt"), makeTrees(90, 0).join("\n"));
writeFileSync(join(bank, "dev.txt"), makeTrees(30, 1).join("\n"));
writeFileSync(join(bank, "test.txt"), makeTrees(30, 2).join("\n"));

async function trainOn(name: string, request: TrainRequest = {}, signal?: AbortSignal) {
  const out = join(scratch, name);
  const options = await planTrain(sentiment, {
    ...{ data: bank, epochs: 12, lr: 0.02, batch: 10, seed: 2, out },
    ...request,
    extra: { hidden: 8, embedding: request.models?.[0] === "mv-rnn" ? 64 : 8, ...request.extra },
  });
  const { ui, said } = quietUi();
  return {
    out,
    said,
    result: await sentiment.train(options, { ...ui, ...(signal && { signal }) }),
  };
}

describe.each(sentiment.models)("%s", (model) => {
  test("learns what tells the trees apart, evaluates alike, and exports for plain onnxruntime", async () => {
    const { out, result } = await trainOn(model, { models: [model], epochs: 14 });
    const { losses } = result.train;
    expect(result.status).toBe("finished");
    expect(result.train.validationMeasure).toMatch(/is kept/);
    expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]);
    const { ui } = quietUi();
    const again = await sentiment.evaluate(out, { extra: {} }, ui);
    expect(again.metrics).toEqual(result.metrics);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("naive Bayes");

    const { network, vocabulary } = await loadRunState(await RunFolder.open(out));
    const trees = data.readTrees("(2 (2 not) (2 (2 good) (2 film)))");
    const [own] = await (await judge(network, trees, vocabulary.token))();
    const session = await InferenceSession.create(join(out, "model.onnx"));
    const int = (values: number[], ...dims: number[]) =>
      new OrtTensor("int32", Int32Array.from(values), dims);
    const tokens = trees[0].words.map(vocabulary.token);
    // Step 0 joins words 2 and 3 into place 1, step 1 word 1 and place 1.
    const order = {
      leaf: int([2, 3, 1, 0], 2, 2, 1),
      slot: int([0, 0, 0, 1], 2, 2, 1),
      keep: int([0, 2, 0, 1], 2, 2),
    };
    const fed: Record<string, OrtTensor> = session.inputNames.includes("leaf")
      ? { tokens: int(tokens, 3), ...order }
      : { tokens: int(tokens, 1, 3), length: int([3], 1) };
    const { probabilities } = await session.run(fed);
    const last = Array.from(probabilities.data as Float32Array).slice(-5);
    for (const [i, value] of softmax(ofRoot(own)).entries()) expect(last[i]).toBeCloseTo(value, 5);
  });
});

test("a tree network learns that a word turns the rest around", async () => {
  const { result } = await trainOn("turn", { epochs: 25 });
  expect(result.metrics.accuracy).toBeGreaterThan(0.95);
});

test.each(["treelstm", "bilstm"])("%s goes on bit for bit after an interruption", async (model) => {
  const straight = await trainOn(`${model}-straight`, { models: [model], epochs: 3 });
  const cut = { aborted: false, reads: 0 };
  // Fires within the second epoch.
  const signal = {
    get aborted() {
      return ++cut.reads > 14;
    },
  } as AbortSignal;
  const first = await trainOn(`${model}-cut`, { models: [model], epochs: 3 }, signal);
  expect(first.result.status).toBe("interrupted");
  const resumed = await trainOn(`${model}-cut`, { models: [model], epochs: 3, resume: true });
  expect(resumed.result.status).toBe("finished");
  expect(resumed.said.join()).toMatch(/continues after step 1\d of/);
  for (const file of ["best.safetensors", "last.safetensors", "model.onnx"]) {
    const [a, b] = [straight, first].map(({ out }) => readFileSync(join(out, file)));
    expect(a.equals(b), file).toBe(true);
  }
});

test("options: sentences only, vectors from a file, sizes that do not fit", async () => {
  const phrases = await trainOn("roots", { epochs: 1, extra: { phrases: false } });
  expect(phrases.result.status).toBe("finished");
  const vectors = join(scratch, "vectors.txt");
  writeFileSync(vectors, "good 1 2 3\nbad -1 -2 -3\n");
  const read = await trainOn("vectors", { epochs: 1, extra: { vectors, embedding: undefined } });
  expect(read.said.join("\n")).toMatch(/2 of 7 words start with a vector/);
  const { network, vocabulary } = await loadRunState(await RunFolder.open(read.out));
  expect(network.spec.embedding).toBe(3);
  const at = 3 * vocabulary.token("good");
  const row = (network.embedding.weight.data as Float32Array).subarray(at, at + 3);
  expect([...row].map(Math.round)).toEqual([1, 2, 3]);
  await expect(trainOn("clash", { extra: { vectors } })).rejects.toThrow(
    /--embedding 8, but .*3 numbers/,
  );
  await expect(trainOn("sizes", { models: ["rntn"], extra: { hidden: 4 } })).rejects.toThrow(
    /rntn has words and phrases in one space: --hidden 4/,
  );
  await expect(trainOn("matrices", { models: ["mv-rnn"], extra: { hidden: 4 } })).rejects.toThrow(
    /--hidden 4 they take 32 numbers, received 64. Give --embedding 32/,
  );
});

test("predict takes sentences and trees, and says what it does with plain text", async () => {
  const { out } = await trainOn("said", { epochs: 25 });
  const { ui, said, written } = quietUi();
  const ask = (...inputs: string[]) => sentiment.predict(out, inputs, { extra: {} }, ui);
  const { sentences } = (await ask(
    "a good film",
    "(2 (2 not) (3 (3 good) (2 film)))",
    "good",
  )) as never as {
    sentences: { label: number; probabilities: number[] }[];
  };
  expect(sentences.slice(1).map(({ label }) => label)).toEqual([1, 3]);
  expect(sentences[1].probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  expect(written.join("")).toMatch(/^sentence,label,class,probability\na good film,\d,/);
  expect(said.join("\n")).toMatch(/right-branching/);
  expect(said.join("\n")).toMatch(/Not seen in training: a\./);
  expect(await ask("good .", "(2 (2 good)")).toMatchObject({
    sentences: [{ text: "good ." }],
    failed: [{ input: "(2 (2 good)", reason: expect.stringMatching(/the line ends/) }],
  });
  await expect(ask()).rejects.toThrow(/takes sentences/);
  await expect(ask("  ")).rejects.toThrow(/input 1 has no words/);
  await expect(ask("(2 (2 good)")).rejects.toThrow(/input 1:1:12: the line ends/);
});

test("data that cannot be read leave nothing behind", async () => {
  const broken = join(scratch, "broken");
  mkdirSync(broken);
  for (const part of ["train", "dev"]) writeFileSync(join(broken, `${part}.txt`), "(3 good)\n");
  await expect(trainOn("none", { data: broken })).rejects.toThrow(/test\.txt is missing/);
  writeFileSync(join(broken, "test.txt"), "(3 good)\n(7 bad)\n");
  await expect(trainOn("none", { data: broken })).rejects.toThrow(
    /test\.txt:2:2: .*0 to 4; found "7"/,
  );
  writeFileSync(join(broken, "test.txt"), "\n");
  await expect(trainOn("none", { data: broken })).rejects.toThrow(/test\.txt holds no trees/);
  expect(() => readFileSync(join(scratch, "none", "run.json"))).toThrow(/ENOENT/);
});

const mirror = fileURLToPath(new URL("../../../../../shared/data/", import.meta.url));

test.skipIf(!existsSync(mirror))(
  "the treebank is read from its packed files (skipped without ../shared/data)",
  async () => {
    vi.stubEnv("TENSORLANE_DATA_MIRROR", mirror);
    const { train, dev, test: scored } = await loadTreebank("sst");
    vi.unstubAllEnvs();
    expect([train.length, dev.length, scored.length]).toEqual([8544, 1101, 2210]);
    const polar = scored.filter((tree) => rootLabel(tree) !== NEUTRAL);
    expect(polar.length).toBe(1821);
    const rows = baselineRows(
      { id: "sst", title: "", notes: [], train, dev, test: scored },
      scored,
    );
    // Socher et al. report 41.0 and 81.8 for naive Bayes.
    expect(rows[0].fine).toBeGreaterThan(38);
    expect(rows[0].binary).toBeGreaterThan(79);
  },
);
