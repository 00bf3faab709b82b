import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { weights } from "tensorlane";
import { afterAll, describe, expect, test } from "vitest";
import { planTrain, type TrainRequest } from "../plan.ts";
import { RunFolder } from "../runFolder.ts";
import { quietUi } from "../testing.ts";
import { scorePredictions } from "./evaluation.ts";
import { adopt, readOrigin } from "./fineTuning.ts";
import { classify } from "./index.ts";
import { augmentationFor, preprocessingFor, scheduleFor } from "./recipes.ts";
import { loadRunState } from "./runState.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-classify-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A disc of a colour on noise, somewhere. */
function drawn(colour: readonly [number, number, number], seed: number): Uint8Array {
  const [cx, cy] = [12 + ((seed * 7) % 9), 12 + ((seed * 5) % 9)];
  const data = Uint8Array.from({ length: 36 * 32 * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % 36, Math.floor(i / 108)];
    const inside = (x - cx) ** 2 + (y - cy) ** 2 < 64;
    return inside ? colour[i % 3]! : (i * 7919 + seed * 104729) % 90;
  });
  return encode({ width: 36, height: 32, channels: 3, data });
}

const colours = { blue: [40, 60, 230], green: [40, 220, 50], red: [230, 50, 40] } as const;

/** A folder of classes, with files that are no images among them. */
function makeFolder(name: string, count: number, names = Object.keys(colours)): string {
  const folder = join(scratch, name);
  for (const colour of names as (keyof typeof colours)[]) {
    mkdirSync(join(folder, colour), { recursive: true });
    for (let i = 0; i < count; i++) {
      writeFileSync(join(folder, colour, `${i}.png`), drawn(colours[colour], i));
    }
  }
  return folder;
}

const photos = makeFolder("photos", 20);
writeFileSync(join(photos, "red", "notes.txt"), "not an image");
writeFileSync(join(photos, "blue", "half.png"), drawn(colours.blue, 1).subarray(0, 300));
writeFileSync(join(photos, "blue", ".hidden"), "left alone");

async function trainOn(name: string, request: TrainRequest = {}) {
  const out = join(scratch, name);
  const options = await planTrain(classify, {
    ...{ data: photos, models: ["lenet5"], epochs: 6, seed: 2, out },
    ...request,
  });
  const { ui, said } = quietUi();
  return { out, said: said, result: await classify.train(options, ui) };
}

describe("training on a folder", async () => {
  const { out, said, result } = await trainOn("run");

  test("learns, lists what it could not read, and writes the run", () => {
    expect(result).toMatchObject({ status: "finished", simulated: false });
    expect(result.train.losses).toHaveLength(6);
    expect(result.metrics.accuracy).toBeGreaterThan(85);
    expect(result.skipped).toEqual([
      { path: join("blue", "half.png"), reason: expect.any(String) },
      { path: join("red", "notes.txt"), reason: expect.stringMatching(/not an image/) },
    ]);
    expect(said.join("\n")).toMatch(/2 files could not be read/);
    const report = readFileSync(join(out, "report.html"), "utf8");
    expect(report).toContain("red/notes.txt");
    expect(report).toContain("<h2");
  });

  test("evaluates to the same numbers, on other folders too", async () => {
    const { ui } = quietUi();
    const again = await classify.evaluate(out, { extra: {} }, ui);
    expect(again.metrics.error).toBe(result.metrics.error);
    expect(again.metrics.confusion).toEqual(result.metrics.confusion);
    const other = await classify.evaluate(out, { data: makeFolder("other", 8), extra: {} }, ui);
    expect(other.metrics.images).toBe(3);
    const two = makeFolder("two", 8, ["red", "green"]);
    await expect(classify.evaluate(out, { data: two, extra: {} }, ui)).rejects.toThrow(
      /tells 3 classes \(blue, green, red\).*has 2/s,
    );
  });

  test("predicts files, and says which is no image", async () => {
    const { ui, written } = quietUi();
    const files = ["red", "green"].map((name) => join(photos, name, "3.png"));
    const { predictions } = (await classify.predict(out, files, { extra: {} }, ui)) as never as {
      predictions: { file: string; classes: { class: string; probability: number }[] }[];
    };
    expect(predictions.map(({ classes }) => classes[0]!.class)).toEqual(["red", "green"]);
    const sum = predictions[0]!.classes.reduce((total, { probability }) => total + probability, 0);
    expect(sum).toBeCloseTo(1, 5);
    expect(written.join("")).toMatch(/3\.png\n +\d+\.\d % {2}red\n/);
    const ask = (...paths: string[]) => classify.predict(out, paths, { extra: {} }, ui);
    await expect(ask(join(photos, "red", "notes.txt"))).rejects.toThrow(
      /notes\.txt is not an image that can be read/,
    );
    await expect(ask(join(photos, "gone.png"))).rejects.toThrow(/gone\.png: no such file/);
    await expect(ask()).rejects.toThrow(/needs an image/);
    const gone = join(photos, "gone.png");
    expect(await ask(gone, files[0]!)).toMatchObject({
      predictions: [{ file: files[0] }],
      failed: [{ input: gone, reason: expect.stringMatching(/no such file/) }],
    });
  });

  test("exports what plain onnxruntime runs to the same probabilities", async () => {
    const state = await loadRunState(await RunFolder.open(out));
    const session = await InferenceSession.create(join(out, "model.onnx"));
    const { ui } = quietUi();
    const files = [4, 5, 6].map((i) => join(photos, "blue", `${i}.png`));
    const { predictions } = (await classify.predict(out, files, { extra: {} }, ui)) as never as {
      predictions: { classes: { class: string; probability: number }[] }[];
    };
    // The middle of 36 x 32 pixels, as red, green and blue planes of 0 .. 1.
    const { decode } = await import("fast-png");
    const image = new Float32Array(3 * 3 * 32 * 32);
    for (const [n, file] of files.entries()) {
      const { data } = decode(readFileSync(file));
      for (let c = 0; c < 3; c++)
        for (let y = 0; y < 32; y++)
          for (let x = 0; x < 32; x++)
            image[((n * 3 + c) * 32 + y) * 32 + x] = data[(y * 36 + x + 2) * 3 + c]! / 255;
    }
    for (const n of [1, 3]) {
      const part = image.subarray(0, n * 3072);
      const feeds = { image: new OrtTensor("float32", part, [n, 3, 32, 32]) };
      const { probabilities } = await session.run(feeds);
      for (let i = 0; i < n; i++) {
        const best = predictions[i]!.classes[0]!;
        const label = state.classes.indexOf(best.class);
        expect((probabilities!.data as Float32Array)[i * 3 + label]).toBeCloseTo(
          best.probability,
          4,
        );
      }
    }
    const { readModel } = await import("../../../core/src/export/model.ts");
    const metadata = readModel(readFileSync(join(out, "model.onnx"))).metadataProps;
    const classes = metadata.find(({ key }) => key === "tensorlane.classes")!.value!;
    expect(JSON.parse(classes)).toEqual(["blue", "green", "red"]);
    const path = join(scratch, "again.onnx");
    await classify.export!(out, { out: path, extra: {} }, ui);
    expect(readFileSync(path)).toEqual(readFileSync(join(out, "model.onnx")));
  });

  test("resumes bit for bit after an interruption", async () => {
    const stopped = join(scratch, "stopped");
    const stop = new AbortController();
    const { ui } = quietUi();
    const interrupting = {
      ...ui,
      signal: stop.signal,
      progress: (label: string) => ({
        update: (done: number) => {
          // In the middle of the third epoch, of 10 steps each.
          if (label === "lenet5" && done === 25) stop.abort();
        },
        stop: () => {},
      }),
    };
    const request = { data: photos, models: ["lenet5"], epochs: 6, seed: 2, out: stopped };
    const first = await classify.train(await planTrain(classify, request), interrupting);
    expect(first.status).toBe("interrupted");
    const resumed = await planTrain(classify, { ...request, resume: true });
    expect((await classify.train(resumed, ui)).status).toBe("finished");
    for (const file of ["last.safetensors", "best.safetensors", "model.onnx"]) {
      expect(readFileSync(join(stopped, file)), file).toEqual(readFileSync(join(out, file)));
    }
    expect((await classify.train(resumed, ui)).status).toBe("already finished");
  });

  test("starts from another run's weights: head replaced, the rest frozen", async () => {
    const { result: tuned, out: tunedDir } = await trainOn("tuned", {
      ...{ data: makeFolder("pair", 16, ["red", "green"]), epochs: 2 },
      extra: { from: out, freeze: ["features"] },
    });
    expect(tuned.train).toMatchObject({ newLayers: ["out"], frozen: 8 });
    const read = (dir: string) =>
      weights.readSafetensors(readFileSync(join(dir, "best.safetensors"))).arrays;
    const [before, after] = [read(out), read(tunedDir)];
    for (const [name, { data }] of after) {
      if (name.startsWith("out.")) expect(data).not.toEqual(before.get(name)!.data);
      else expect(data, name).toEqual(before.get(name)!.data);
    }
    expect(after.get("out.weight")!.shape).toEqual([2, 84]);
    // The exported network holds the same weights.
    const exported = await readOrigin(join(out, "model.onnx"));
    for (const [name, { data }] of before) {
      expect(exported.arrays.get(name)?.data, name).toEqual(data);
    }
    const again = trainOn("tuned-badly", { extra: { from: out, freeze: ["layer9"] } });
    await expect(again).rejects.toThrow(/no such part; it has c1, c3, c5, f6, out/);
    const other = trainOn("tuned-badly", { models: ["resnet20"], extra: { from: out } });
    await expect(other).rejects.toThrow(/does not fit resnet20/);
    await expect(trainOn("tuned-badly", { extra: { freeze: ["c1"] } })).rejects.toThrow(/--from/);
    const gone = trainOn("tuned-badly", { extra: { from: join(scratch, "gone") } });
    await expect(gone).rejects.toThrow(/no such file or run folder/);
    expect(existsSync(join(scratch, "tuned-badly"))).toBe(false);
  });
});

test("batch norm in a frozen part keeps its statistics", async () => {
  const { out } = await trainOn("bn", { models: ["resnet20"], epochs: 1, extra: { size: 16 } });
  const origin = await readOrigin(out);
  const spec = { model: "resnet20", numClasses: 2, inChannels: 3 };
  const { ui } = quietUi();
  const { network, fineTuning } = adopt(spec, origin, ["conv1", "bn1", "layer1"], ui);
  network.train();
  fineTuning.holdStill(network);
  const modes = new Map(
    [...network.namedModules()].map(([name, { training }]) => [name, training]),
  );
  expect([modes.get("bn1"), modes.get("layer1.0.bn2")]).toEqual([false, false]);
  expect([modes.get(""), modes.get("layer2.0.bn1"), modes.get("fc")]).toEqual([true, true, true]);
});

test("data that cannot be read leave no folder behind", async () => {
  const empty = join(scratch, "empty");
  mkdirSync(empty);
  const out = "from-empty";
  await expect(trainOn(out, { data: empty })).rejects.toThrow(/no sub-folder/);
  mkdirSync(join(empty, "one"));
  mkdirSync(join(empty, "two"));
  await expect(trainOn(out, { data: empty })).rejects.toThrow(/no image to train on/);
  const file = join(photos, "red", "1.png");
  await expect(trainOn(out, { data: file })).rejects.toThrow(/is a file; give a folder/);
  await expect(trainOn(out, { extra: { variant: "big" } })).rejects.toThrow(/variant of lenet5/);
  expect(existsSync(join(scratch, out))).toBe(false);
});

test("the user's own division is kept", async () => {
  const divided = join(scratch, "divided");
  for (const part of ["train", "val", "test"]) makeFolder(join("divided", part), 12);
  const { result, said } = await trainOn("from-divided", { data: divided, epochs: 1 });
  expect(said.join("\n")).toMatch(
    /36 images for training, 36 for validation \(the folder's own parts\), 36 for the test/,
  );
  expect(result.metrics.images).toBe(36);
});

test("recipes: what the user gives has precedence, signs are not mirrored", () => {
  const nothing = { quick: false };
  expect(scheduleFor("mnist", "lenet5", 54000, nothing).optimizer).toBe("AdamW");
  expect(scheduleFor("x", "vgg16", 5000, nothing)).toMatchObject({ optimizer: "SGD", clipNorm: 5 });
  const given = { epochs: 3, batch: 7, lr: 0.5, quick: true };
  expect(scheduleFor("mnist", "lenet5", 54000, given)).toMatchObject({
    ...{ epochs: 3, batch: 7, lr: 0.5 },
  });
  expect(scheduleFor("x", "resnet20", 40, nothing).batch).toBe(4);
  expect(scheduleFor("x", "resnet20", 40, { ...nothing, batch: 100_000 }).batch).toBe(40);
  expect([augmentationFor("gtsrb-part").flip, augmentationFor("cifar10").flip]).toEqual([
    undefined,
    true,
  ]);
  expect(preprocessingFor({ id: "mnist", side: 28 }, 32)).toMatchObject({ cover: 32 / 28 });
  expect(preprocessingFor({ id: "x", side: 300 }, 224)).toMatchObject({ cover: 0.875 });
});

test("scores: errors, confusion, mistakes by how sure they were", () => {
  const rows = [
    [0.7, 0.1, 0.1, 0.05, 0.03, 0.02],
    [0.1, 0.5, 0.2, 0.1, 0.06, 0.04],
    [0.9, 0.05, 0.02, 0.01, 0.01, 0.01],
    [0.3, 0.25, 0.2, 0.1, 0.1, 0.05],
  ];
  const predictions = {
    ...{ indices: Int32Array.of(0, 1, 2, 3), classes: 6 },
    probabilities: Float32Array.from(rows.flat()),
  };
  const names = ["a", "b", "c", "d", "e", "f"];
  const scores = scorePredictions(predictions, [0, 1, 5, 1], names);
  expect(scores).toMatchObject({ count: 4, top1Error: 0.5, top5Error: 0.25, mistakes: [2, 3] });
  expect(scores.confusion[1]).toEqual([1, 1, 0, 0, 0, 0]);
  expect(scores.classes.map(({ accuracy }) => accuracy)).toEqual([1, 0.5, null, null, null, 0]);
  const expected = -(Math.log(0.7) + Math.log(0.5) + Math.log(0.01) + Math.log(0.25)) / 4;
  expect(scores.loss).toBeCloseTo(expected, 6);
});

test("the task offers every architecture of the library", async () => {
  const { models } = await import("tensorlane");
  const known = models.architectures.map(({ id }) => id).sort();
  expect([...classify.models].sort()).toEqual(known);
});
