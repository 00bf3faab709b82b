import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ImagePool } from "../classify/images/pool.ts";
import { planTrain, type TrainRequest } from "../plan.ts";
import { RunFolder } from "../runFolder.ts";
import type { TrainResult } from "../task.ts";
import { quietUi } from "../testing.ts";
import { readSquare } from "./captions.ts";
import { caption } from "./index.ts";
import { loadRunState } from "./runState.ts";
import { halves, writePictures } from "./testing.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-caption-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const folder = join(scratch, "walls");
writePictures(folder, 60);
const asked = ["red-blue.png", "green-green.png"].map((name) => join(scratch, name));
writeFileSync(asked[0], halves(1001, "red", "blue"));
writeFileSync(asked[1], halves(1002, "green", "green", 30, 50));

async function trainOn(name: string, request: TrainRequest = {}, signal?: AbortSignal) {
  const out = join(scratch, name);
  const { extra, ...rest } = request;
  const options = await planTrain(caption, {
    ...{ data: folder, seed: 1, epochs: 24, lr: 0.01, batch: 8, out },
    ...rest,
    extra: { size: 32, hidden: 48, embedding: 24, dropout: 0.1, minCount: 1, ...extra },
  });
  const { ui, said } = quietUi();
  const result = await caption.train(options, { ...ui, ...(signal && { signal }) });
  return { out, result, said };
}

async function ask(dir: string, inputs: readonly string[], beam?: number) {
  const { ui, written } = quietUi();
  const result = await caption.predict(dir, inputs, { extra: { beam } }, ui);
  return { text: written.join(""), result };
}

/** The likeliest word each time, by plain onnxruntime and the two exported files alone. */
async function greedyInOnnxruntime(dir: string, picture: Uint8Array, size: number) {
  const encoder = await InferenceSession.create(join(dir, "model.onnx"));
  const decoder = await InferenceSession.create(join(dir, "model.decoder.onnx"));
  const { words, maxLength } = await loadRunState(await RunFolder.open(dir));
  const image = Float32Array.from(picture, (value) => value / 255);
  let state = await encoder.run({ image: new OrtTensor("float32", image, [1, 3, size, size]) });
  const { grid } = state;
  const said: number[] = [];
  let token = words.start;
  while (said.length < maxLength) {
    const fed = {
      ...{ token: new OrtTensor("int32", Int32Array.of(token), [1]), h: state.h, c: state.c },
      ...(decoder.inputNames.includes("grid") && { grid }),
    };
    const { logits, ...next } = await decoder.run(fed);
    const values = logits.data as Float32Array;
    token = values.indexOf(Math.max(...values));
    if (token === words.end) break;
    said.push(token);
    state = { h: next["state.h"], c: next["state.c"] };
  }
  return words.decode(said).join(" ");
}

describe.each(caption.models)("%s", (model) => {
  let run: { out: string; result: TrainResult };
  beforeAll(async () => {
    run = await trainOn(model, { models: [model] });
  });

  test("learns to name the colours of new pictures, and shows how", async () => {
    const { result, out } = run;
    expect(result.status).toBe("finished");
    expect(result.train.validationMeasure).toMatch(/is kept/);
    const { bleu, baselines } = result.metrics as never as {
      bleu: number[];
      baselines: Record<string, { bleu: number[] }>;
    };
    expect(bleu[3]).toBeGreaterThan(80);
    expect(baselines["most frequent words"].bleu[3]).toBeLessThan(bleu[3]);
    expect(baselines["the model, shown the average picture"].bleu[3]).toBeLessThan(bleu[3]);
    const { text } = await ask(out, asked);
    expect(text.split("\n").map((line) => line.split(": ").at(-1))).toEqual([
      "a blue wall beside a red one",
      "a green wall beside a green one",
      "",
    ]);
    const report = readFileSync(join(out, "report.html"), "utf8");
    // A picture for every word where the model attends.
    const looks = report.match(/alt="[a-z]+: most at row/g) ?? [];
    expect(looks.length).toBe(model === "show-attend" ? 6 * 7 : 0);
  });

  test("is measured alike again", async () => {
    const { ui } = quietUi();
    const again = await caption.evaluate(run.out, { extra: {} }, ui);
    expect(again.metrics).toEqual(run.result.metrics);
  });

  test("says the same by its two files in plain onnxruntime", async () => {
    const pool = new ImagePool(1);
    try {
      for (const file of asked) {
        const { text } = await ask(run.out, [file], 1);
        const { data } = await readSquare(file, 32, pool);
        expect(`${await greedyInOnnxruntime(run.out, data, 32)}\n`).toBe(text);
      }
    } finally {
      pool.close();
    }
  });
});

test("goes on bit for bit after an interruption", async () => {
  const straight = await trainOn("straight", { epochs: 2 });
  const cut = { reads: 0 };
  // Fires within the second epoch of six steps.
  const signal = {
    get aborted() {
      return ++cut.reads > 8;
    },
  } as AbortSignal;
  const first = await trainOn("cut", { epochs: 2 }, signal);
  expect(first.result.status).toBe("interrupted");
  const resumed = await trainOn("cut", { epochs: 2, resume: true });
  expect(resumed.result.status).toBe("finished");
  expect(resumed.said.join()).toMatch(/continues after step \d+ of 12/);
  for (const file of ["best.safetensors", "last.safetensors", "model.onnx", "model.decoder.onnx"]) {
    const [a, b] = [straight, first].map(({ out }) => readFileSync(join(out, file)));
    expect(a.equals(b), file).toBe(true);
  }
});
