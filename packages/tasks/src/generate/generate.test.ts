import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nn } from "tensorlane";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LanguageModel, Vocabulary } from "../language/index.ts";
import { planTrain } from "../plan.ts";
import type { ProgressValues, TrainResult } from "../task.ts";
import { quietUi } from "../testing.ts";
import { cellStates } from "./cells.ts";
import { splitOf } from "./corpus.ts";
import { generate } from "./index.ts";
import { recipeFor } from "./recipe.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-generate-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A few kilobytes with words and lines, but no period. */
function story(lines: number): string {
  const who = ["the cat", "a dog", "the old king", "my sister"];
  const does = ["sees", "hears", "follows", "never finds"];
  let seed = 7;
  const pick = (list: readonly string[]) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return list[Math.floor(seed / 65536) % list.length]!;
  };
  const line = () => `${pick(who)} ${pick(does)} ${pick(who)}.`;
  return Array.from({ length: lines }, () => `${line()}\n`).join("");
}

const write = (name: string, content: string): string => {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
};

interface Wish {
  readonly data: string;
  readonly out: string;
  readonly model?: string;
  readonly epochs?: number;
  readonly extra?: Record<string, unknown>;
}

async function train({ data, out, model = "lstm", epochs = 4, extra = {} }: Wish) {
  const models = [model];
  const options = await planTrain(generate, { data, models, epochs, seed: 3, out, extra });
  const { ui, said } = quietUi();
  return { result: await generate.train(options, ui), said };
}

test("an interrupted training tells the losses of the epochs that are whole", async () => {
  const data = write("cut.txt", story(60));
  const out = join(scratch, "cut");
  const asked = { data, epochs: 4, seed: 3, out, extra: { hidden: 8 } };
  const stop = new AbortController();
  const stopping = {
    ...quietUi().ui,
    signal: stop.signal,
    progress: () => ({
      update: (_: number, values: ProgressValues = {}) =>
        void (values.epoch === "3/4" && stop.abort()),
      stop: () => {},
    }),
  };
  const { status, train } = await generate.train(await planTrain(generate, asked), stopping);
  expect(status).toBe("interrupted");
  expect(train.losses).toHaveLength(2);
});

async function predict(dir: string, prompt: string, extra: Record<string, unknown> = {}) {
  const { ui, written } = quietUi();
  const all = { length: 40, temperature: 0.8, seed: 1, ...extra };
  const result = await generate.predict(dir, [prompt], { extra: all }, ui);
  return { text: written.join(""), pieces: written, result };
}

describe("a text of a few kilobytes", () => {
  const out = join(scratch, "story");
  let result: TrainResult;
  beforeAll(async () => {
    const data = write("story.txt", story(200));
    ({ result } = await train({ data, out, epochs: 12, extra: { hidden: 64 } }));
  });

  test("is learnt: far better than counting characters, and than at first", () => {
    const { nats, baselines } = result.metrics as never as {
      nats: number;
      baselines: Record<string, { nats: number }>;
    };
    expect(nats).toBeLessThan(0.6 * baselines["character frequencies"]!.nats);
    const losses = result.train.losses;
    expect(losses).toHaveLength(12);
    expect(result.train.validationMeasure).toBe(
      "cross entropy of a character, in nats; the least is kept",
    );
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    for (const file of ["best.safetensors", "model.onnx", "report.html", "results.json"]) {
      expect(readFileSync(join(out, file)).length).toBeGreaterThan(100);
    }
  });

  test("is gone on with, piece by piece, the same for the same seed", async () => {
    const one = await predict(out, "the ");
    expect(one.text.startsWith("the ")).toBe(true);
    expect(one.text).toHaveLength(4 + 40 + 1);
    expect(one.pieces.length).toBeGreaterThan(40);
    expect((await predict(out, "the ")).text).toBe(one.text);
    expect((await predict(out, "the ", { seed: 2 })).text).not.toBe(one.text);
    expect(one.result.text).toBe(one.text.slice(0, -1));
  });

  test("the likeliest text has the words of the story", async () => {
    const { text } = await predict(out, "\n", { temperature: 0, length: 60 });
    const known = new Set(story(200).match(/\w+/g));
    const words = text.match(/\w+/g)!.slice(0, -1);
    expect(words.filter((word) => known.has(word)).length).toBeGreaterThan(0.7 * words.length);
  });

  test("is measured alike again, and another text too", async () => {
    const { ui } = quietUi();
    const again = await generate.evaluate(out, { extra: {} }, ui);
    expect(again.metrics.nats).toBeCloseTo(result.metrics.nats as number, 6);
    const other = write("other.txt", story(50).split("\n").reverse().join("\n"));
    const { metrics } = await generate.evaluate(out, { data: other, extra: {} }, ui);
    expect(metrics.nats).toBeLessThan(3);
    const strange = write("strange.txt", `${story(20)} § §`);
    await expect(generate.evaluate(out, { data: strange, extra: {} }, ui)).rejects.toThrow(
      /strange\.txt has a character that the model never saw: "§" \(U\+00A7, 2 times\)/,
    );
  });

  test("wrong prompts are refused with reasons", async () => {
    await expect(predict(out, "naïve")).rejects.toThrow(/the prompt .* never saw: "ï"/);
    const { ui } = quietUi();
    await expect(generate.predict(out, ["a", "b"], { extra: {} }, ui)).rejects.toThrow(
      /takes one prompt, received 2: put it in quotes, "a b"/,
    );
  });
});

test("the report shows results, samples, surprises and what units keep track of", () => {
  const html = readFileSync(join(scratch, "story", "report.html"), "utf8");
  for (const text of [
    "Witten-Bell",
    "temperature 0.5",
    'bits"',
    "follows the position in the line",
  ]) {
    expect(html).toContain(text);
  }
});

test("a unit that counts is found", async () => {
  const vocabulary = Vocabulary.of("character", "ab\n");
  nn.manualSeed(1);
  const model = new LanguageModel({
    ...{ kind: "rnn", tokens: 3, hidden: 5, layers: 1, embedding: 0, tied: false },
    ...{ dropout: 0, variational: true, weightDropout: 0 },
  });
  // Unit 3 adds a little for each letter, and a line break sets it back far below 0.
  const [layer] = model.layers;
  const set = (name: string, change: (data: Float32Array) => void) =>
    change(layer!.parameter(name)!.data as Float32Array);
  for (const name of ["weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
    set(name, (data) => data.fill(0));
  set("weight_hh_l0", (data) => data.set([1], 3 * 5 + 3));
  set("weight_ih_l0", (data) => data.set([-9, 0.1, 0.1], 3 * 3));
  const ids = vocabulary.encode("abbabaab\nababbaaaba\nbbab\n".repeat(8));
  const { followers, map } = await cellStates(model, vocabulary, ids);
  expect(followers).toHaveLength(1);
  expect(followers[0]!.what).toBe("the position in the line");
  expect(followers[0]!.unit).toBe("layers.0, unit 3");
  expect(followers[0]!.correlation).toBeGreaterThan(0.9);
  expect(map.values).toHaveLength(5 * ids.length);
});

test("words of a folder of texts", async () => {
  mkdirSync(join(scratch, "tree"), { recursive: true });
  write("tree/a.txt", story(80));
  write("tree/b.txt", story(90));
  const out = join(scratch, "words");
  const extra = { unit: "word", hidden: 32, embedding: 16, vocabulary: 15 };
  const { result, said } = await train({
    ...{ data: join(scratch, "tree"), out, model: "gru", epochs: 6, extra },
  });
  expect(said.join()).toMatch(/words, 15 different; [\d.]+ % are unknown words/);
  const { nats, perplexity } = result.metrics as Record<string, number>;
  expect(perplexity).toBeCloseTo(Math.exp(nats!), 6);
  const { text } = await predict(out, "the cat", { length: 30 });
  expect(text).not.toContain("<unk>");
  expect(result.metrics).not.toHaveProperty("natsPerCharacter");
});

test("a prompt of words: known ones are found, others are told", async () => {
  const out = join(scratch, "words");
  const ask = async (prompt: string) => {
    const { ui, said, written } = quietUi();
    const extra = { length: 5, temperature: 0.8, seed: 1 };
    const { unknown } = await generate.predict(out, [prompt], { extra }, ui);
    return { said, unknown, text: written.join("") };
  };
  // " sees" was never seen without its space, nor a space without a word.
  for (const prompt of ["sees", "sees "]) {
    const { said, unknown, text } = await ask(prompt);
    expect([said, unknown]).toEqual([[], undefined]);
    expect(text).toMatch(/^sees( |\n|\.)/);
    expect(text).not.toMatch(/ {2}| \./);
  }
  const strange = await ask("the zebra sees naïveté");
  expect(strange.unknown).toEqual(["zebra", "naïveté"]);
  expect(strange.said).toEqual([
    'The model does not know "zebra", "naïveté", and reads an unknown word there.',
  ]);
});

test.each(["sampled", "adaptive"])(
  "softmax: %s, learns words, measured over all of them",
  async (softmax) => {
    const numbers = Array.from(
      { length: 1500 },
      (_, i) => `${(i * i) % 113} and ${(i * i) % 97}.\n`,
    );
    const data = write("numbers.txt", numbers.join(""));
    const out = join(scratch, softmax);
    const extra = { unit: "word", hidden: 32, embedding: 32, softmax, dropout: 0 };
    const { result } = await train({ data, out, epochs: 8, extra });
    const { nats, natsPerCharacter, baselines } = result.metrics as never as {
      nats: number;
      natsPerCharacter: number;
      baselines: Record<string, { nats: number }>;
    };
    expect(nats).toBeLessThan(0.85 * baselines["word frequencies"]!.nats);
    // Each line has five tokens; the last tenth of all is the test.
    const tail = numbers.slice(-150).join("");
    expect(natsPerCharacter).toBeCloseTo((nats * 750) / tail.length, 6);
    const { ui } = quietUi();
    const again = await generate.evaluate(out, { extra: {} }, ui);
    expect(again.metrics.nats).toBeCloseTo(nats, 5);
    expect((await predict(out, "12 and", { length: 8 })).text).toMatch(/^12 and[\d .and\n]+$/);
  },
);

test("a text that is too short, and data that are none, leave no folder behind", async () => {
  const out = join(scratch, "none");
  await expect(train({ data: write("short.txt", "too short"), out })).rejects.toThrow(
    /short\.txt has 9 characters; at least 100 are needed/,
  );
  await expect(train({ data: write("empty.txt", ""), out })).rejects.toThrow(/is empty/);
  expect(() => readFileSync(join(out, "run.json"))).toThrow();
});

test("the parts follow each other: validation, training, test", () => {
  expect(splitOf(1_115_394)).toEqual({
    validation: { start: 0, end: 50_192 },
    train: { start: 50_192, end: 1_003_854 },
    test: { start: 1_003_854, end: 1_115_394 },
  });
  const { validation, train, test: part } = splitOf(200_000_000);
  expect([validation.end, part.end - part.start]).toEqual([100_000, 500_000]);
  expect([train.start, train.end]).toEqual([validation.end, part.start]);
});

test("options that contradict each other are refused", () => {
  const recipe = (extra: Record<string, unknown>) =>
    recipeFor("lstm", 65, 5000, { data: "", models: [], seed: 1, quick: false, extra });
  expect(() => recipe({ tied: true, embedding: 0 })).toThrow(/leave one out/);
  expect(() => recipe({ unit: "character", vocabulary: 50 })).toThrow(/add --unit word/);
  expect(() => recipe({ softmax: "sampled" })).toThrow(/add --unit word/);
  const words = { unit: "word", softmax: "adaptive" };
  expect(() => recipe({ ...words, hidden: 8 })).toThrow(/at least 16 units, received 8/);
  expect(() => recipe({ ...words, tied: true })).toThrow(/leave one out/);
  expect(() => recipe(words)).toThrow(/at least 100; the vocabulary has 65/);
  expect(recipe({ tied: true }).model).toMatchObject({ tied: true, embedding: 256 });
});

test("recipes fit the length of the text", () => {
  const settings = { data: "", models: ["lstm"], seed: 1, quick: false, extra: {} };
  for (const length of [90, 3000, 200_000, 1_000_000, 180_000_000]) {
    const { rows, steps, epochs, model } = recipeFor("lstm", 65, length, settings);
    expect(rows * steps).toBeLessThan(length);
    expect(epochs).toBeGreaterThanOrEqual(1);
    expect(model.hidden).toBe(length < 50_000 ? 128 : length < 300_000 ? 256 : 512);
  }
});
