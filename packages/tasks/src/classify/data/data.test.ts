import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { encode } from "fast-png";
import { strToU8, zipSync } from "fflate";
import { afterAll, describe, expect, test } from "vitest";
import { quietUi } from "../../testing.ts";
import { ImageDataset } from "../images/dataset.ts";
import { ImagePool } from "../images/pool.ts";
import { readFiles } from "./folder.ts";
import { readSigns } from "./gtsrb.ts";
import { loadImages } from "./load.ts";
import { readMnist } from "./mnist.ts";
import { cifarLayout, readRecords } from "./records.ts";
import { chosenClasses, selectClasses, thinOut } from "./select.ts";
import type { ImageSet } from "./set.ts";
import { simulateDigits } from "./simulator.ts";
import { byTrack, stratified } from "./split.ts";
import { readTar } from "./tar.ts";

const mirror = fileURLToPath(new URL("../../../../../../shared/data/", import.meta.url));
const pool = new ImagePool(1);
afterAll(() => pool.close());
const options = { side: 40, seed: 1, pool, ui: quietUi().ui };

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");
/** All pixels of the pictures at these indices. */
const pixelsOf = ({ sources }: ImageSet, from: number, to: number): Uint8Array => {
  const parts = sources.slice(from, to).map((s) => ("picture" in s ? s.picture.data : undefined)!);
  return Buffer.concat(parts);
};
const countsOf = (set: ImageSet, part: ArrayLike<number>) => {
  const counts = new Array<number>(set.classes.length).fill(0);
  for (const index of Array.from(part)) counts[set.labels[index]!]!++;
  return counts;
};
const disjoint = (set: ImageSet) => {
  const all = [...set.train, ...set.validation, ...set.test];
  return new Set(all).size === all.length ? all.length : -1;
};

describe.skipIf(!existsSync(mirror))("with ../shared/data (skipped where it is absent)", () => {
  const load = (id: string) => loadImages(id, { ...options, mirror });

  test("MNIST: the pixels of the IDX files, byte by byte", async () => {
    const set = await load("mnist");
    const header = (...sizes: number[]) => {
      const view = new DataView(new ArrayBuffer(4 * sizes.length));
      for (const [i, size] of sizes.entries()) view.setUint32(4 * i, size);
      return Buffer.from(view.buffer);
    };
    const train = Buffer.concat([header(0x803, 60000, 28, 28), pixelsOf(set, 0, 60000)]);
    const test = Buffer.concat([header(0x803, 10000, 28, 28), pixelsOf(set, 60000, 70000)]);
    const labels = Buffer.concat([
      header(0x801, 60000),
      Uint8Array.from(set.labels.slice(0, 60000)),
    ]);
    expect([md5(train), md5(test), md5(labels)]).toEqual([
      "6bbc9ace898e44ae57da46a324031adb",
      "2646ac647ad5339dbf082846283269ea",
      "a25bea736e30d166cdddb491f175f624",
    ]);
    expect([set.train.length, set.validation.length, set.test.length]).toEqual([
      54000, 6000, 10000,
    ]);
    expect(disjoint(set)).toBe(70000);
    expect(set).toMatchObject({ simulated: false, channels: 1, side: 28 });
    // 10 % of every digit.
    const [whole, held] = [countsOf(set, set.train), countsOf(set, set.validation)];
    for (const [digit, count] of held.entries()) {
      expect(count / (count + whole[digit]!)).toBeCloseTo(0.1, 3);
    }
  });

  test("cifar10-part: balanced, with the README's mean", async () => {
    const set = await load("cifar10-part");
    expect(countsOf(set, set.train)).toEqual(new Array(10).fill(900));
    expect(countsOf(set, set.test)).toEqual(new Array(10).fill(200));
    expect([set.classes[0], set.classes[9]]).toEqual(["airplane", "truck"]);
    const red = Array.from({ length: 10000 }, (_, i) => {
      const { data } = (set.sources[i] as { picture: { data: Uint8Array } }).picture;
      return data.subarray(0, 1024).reduce((sum, v) => sum + v, 0) / 1024 / 255;
    });
    expect(red.reduce((sum, v) => sum + v, 0) / 10000).toBeCloseTo(0.4934, 4);
  });

  test("gtsrb-part: no track on both sides of the validation cut", async () => {
    const set = await load("gtsrb-part");
    expect(set.sources).toHaveLength(3440 + 1029);
    expect(disjoint(set)).toBe(4469);
    expect(countsOf(set, set.test)).toEqual(
      Array.from({ length: 43 }, (_, i) => (i === 27 ? 21 : 24)),
    );
    expect(Math.min(...countsOf(set, set.validation))).toBeGreaterThan(0);
    const raw = gunzipSync(readFileSync(`${mirror}signs/gtsrb35_train.bin.gz`));
    const track = (index: number) => `${raw[index * 3677]} ${raw[index * 3677 + 1]}`;
    const trained = new Set(Array.from(set.train, track));
    const held = new Set(Array.from(set.validation, track));
    expect(trained.size + held.size).toBe(1225);
    expect([...held].filter((one) => trained.has(one))).toEqual([]);
  });
});

describe("readers", () => {
  const idx = (magic: number, sizes: number[], body: number[]) => {
    const bytes = new Uint8Array(4 + 4 * sizes.length + body.length);
    const view = new DataView(bytes.buffer);
    for (const [i, value] of [magic, ...sizes].entries()) view.setUint32(4 * i, value);
    bytes.set(body, 4 + 4 * sizes.length);
    return bytes;
  };
  test("IDX, packed or not, and what is wrong with it", () => {
    const images = idx(0x803, [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    const labels = idx(0x801, [2], [7, 3]);
    const read = readMnist(gzipSync(images), labels);
    expect([...read.pixels]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...read.labels]).toEqual([7, 3]);
    expect(() => readMnist(labels, labels)).toThrow(/begins with 00000801, not 00000803/);
    expect(() => readMnist(images.subarray(0, 20), labels)).toThrow(/damaged/);
    expect(() => readMnist(images, idx(0x801, [1], [7]))).toThrow(/do not belong together/);
  });

  test("records, and what is wrong with them", () => {
    const bytes = new Uint8Array(2 * 3073);
    bytes.set([4, 200], 0);
    bytes.set([9, 100], 3073);
    const { labels, pixels } = readRecords("x", bytes, cifarLayout);
    expect([...labels]).toEqual([4, 9]);
    expect([pixels[0], pixels[3072]]).toEqual([200, 100]);
    expect(() => readRecords("x", bytes.subarray(1), cifarLayout)).toThrow(/records of 3073/);
    bytes[0] = 10;
    expect(() => readRecords("x", bytes, cifarLayout)).toThrow(/record 0 is of class 10/);
  });

  test("tar archives", () => {
    const block = (name: string, body: string) => {
      const bytes = Buffer.alloc(512 + Math.ceil(body.length / 512) * 512);
      bytes.write(name, 0);
      bytes.write(`${body.length.toString(8).padStart(11, "0")}\0`, 124);
      bytes.write("0", 156);
      bytes.write(body, 512);
      return bytes;
    };
    const archive = Buffer.concat([
      block("a/b.bin", "x".repeat(600)),
      block("c", "yz"),
      Buffer.alloc(1024),
    ]);
    const files = readTar(archive);
    expect([...files.keys()]).toEqual(["a/b.bin", "c"]);
    expect(Buffer.from(files.get("c")!).toString()).toBe("yz");
    expect(() => readTar(archive.subarray(0, 700))).toThrow(/damaged at byte 0/);
  });

  test("GTSRB's own archives: classes, tracks and true classes", async () => {
    const ppm = strToU8(`P6 16 16 255 ${"x".repeat(768)}`);
    const name = (label: number, track: number, frame: number) =>
      `GTSRB/Final_Training/Images/${String(label).padStart(5, "0")}/${String(track).padStart(5, "0")}_${String(frame).padStart(5, "0")}.ppm`;
    const train: Record<string, Uint8Array> = { "GTSRB/Readme.txt": strToU8("read me") };
    for (let label = 0; label < 2; label++)
      for (let track = 0; track < 4; track++)
        for (let frame = 0; frame < 3; frame++) train[name(label, track, frame)] = ppm;
    train[name(1, 3, 3)] = ppm.subarray(0, 90);
    const truth = "Filename;Width;Height;ClassId\n00000.ppm;16;16;1\n00001.ppm;16;16;0\n";
    const set = await readSigns(
      {
        train: zipSync(train),
        test: zipSync({ "x/Images/00000.ppm": ppm, "x/Images/00001.ppm": ppm }),
        truth: zipSync({ "GT-final_test.csv": strToU8(truth) }),
      },
      options,
    );
    expect(set.skipped).toEqual([
      { path: name(1, 3, 3), reason: expect.stringMatching(/cut off/) },
    ]);
    expect(set.test).toHaveLength(2);
    expect(Array.from(set.test, (index) => set.labels[index])).toEqual([1, 0]);
    // One track of four is held out in each class.
    expect(set.validation).toHaveLength(6);
    const tracks = new Set(
      Array.from(set.validation, (i) => set.nameOf(i).replace(/_\d+\.ppm/, "")),
    );
    expect(tracks.size).toBe(2);
    await expect(
      readSigns({ train: strToU8("no zip"), test: ppm, truth: ppm }, options),
    ).rejects.toThrow(/not a readable zip/);
  });
});

test("files beyond the memory limit are decoded when needed, to the same numbers", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tensorlane-images-"));
  try {
    const files = Array.from({ length: 4 }, (_, i) => {
      const data = Uint8Array.from({ length: 60 * 50 * 3 }, (_, k) => (k * (i + 3)) % 256);
      const path = join(folder, `${i}.png`);
      writeFileSync(path, encode({ width: 60, height: 50, channels: 3, data }));
      return { name: path, label: i % 2, content: { path } };
    });
    const [kept, read] = [
      await readFiles(files, options),
      await readFiles(files, { ...options, limit: 10_000 }),
    ];
    expect([kept.kept, read.kept]).toEqual([true, false]);
    // The first still fits.
    expect(read.sources.filter((source) => "picture" in source)).toHaveLength(1);
    const batch = ({ sources, labels }: typeof kept) =>
      new ImageDataset({
        ...{ set: { sources, labels, channels: 3 }, indices: Int32Array.of(3, 0, 2), pool },
        preprocessing: { size: 32, cover: 1, border: "edge", mean: [0, 0, 0], std: [1, 1, 1] },
        augmentation: { flip: true, cropArea: 0.4, saturation: 0.5 },
      }).get([0, 1, 2], 3);
    expect(await batch(read)).toEqual(await batch(kept));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe("divisions", () => {
  const labels = Int32Array.from({ length: 60 }, (_, i) => (i < 40 ? 0 : 1));
  const all = Int32Array.from(labels.keys());
  test("by class keep the shares, and depend on the seed alone", () => {
    const { kept, held } = stratified(all, labels, 0.25, 5);
    expect(held.filter((i) => labels[i] === 0)).toHaveLength(10);
    expect(held.filter((i) => labels[i] === 1)).toHaveLength(5);
    expect([...kept, ...held].sort((a, b) => a - b)).toEqual([...all]);
    expect(stratified(all, labels, 0.25, 5).held).toEqual(held);
    expect(stratified(all, labels, 0.25, 6).held).not.toEqual(held);
  });

  test("by track keep tracks whole", () => {
    const tracks = all.map((i) => Math.floor(i / 5));
    const { kept, held } = byTrack(all, labels, tracks, 0.25, 5);
    const side = (part: Int32Array) => new Set(Array.from(part, (i) => tracks[i]));
    expect([...side(kept)].filter((t) => side(held).has(t))).toEqual([]);
    expect(side(held).size).toBe(3);
    expect(() =>
      byTrack(
        all,
        labels,
        all.map(() => 0),
        0.25,
        5,
      ),
    ).toThrow(/one track only/);
  });
});

describe("drawn digits", () => {
  test("are reproducible, differ, and are named as simulated", async () => {
    const first = simulateDigits({ count: 40, seed: 3 });
    expect(simulateDigits({ count: 40, seed: 3 })).toEqual(first);
    const digit = (i: number) => first.pixels.subarray(i * 784, (i + 1) * 784);
    expect(digit(0)).not.toEqual(digit(10));
    for (let i = 0; i < 40; i++) {
      const ink = digit(i).reduce((sum, v) => sum + v, 0) / 784 / 255;
      expect(ink, `digit ${i}`).toBeGreaterThan(0.03);
      expect(ink, `digit ${i}`).toBeLessThan(0.35);
    }
  });

  test("stand in for MNIST only, and only where it is out of reach", async () => {
    const away = { ...options, mirror: null, cache: "/nowhere/at/all", offline: true };
    const set = await loadImages("mnist", away);
    expect(set.simulated).toBe(true);
    expect(set.title).toMatch(/SIMULATED/);
    expect(set.notes.join(" ")).toMatch(/SIMULATED data in place of mnist: .*network is ruled out/);
    expect(set.published).toEqual([]);
    await expect(loadImages("cifar10", away)).rejects.toThrow(/cifar10.*network is ruled out/);
    await expect(loadImages("gtsrb-part", away)).rejects.toThrow(/no source publishes/);
    await expect(loadImages("cifar", away)).rejects.toThrow(/no image set "cifar"/);
  });
});

describe("chosen classes", () => {
  const names = ["cat", "dog", "ship", "truck"];
  test("by count, name and range", () => {
    expect(chosenClasses("3", names)).toEqual([0, 1, 2]);
    expect(chosenClasses("truck,cat", names)).toEqual([3, 0]);
    expect(chosenClasses("1-2,cat", names)).toEqual([1, 2, 0]);
    for (const [text, message] of [
      ["1", /at least 2/],
      ["5", /at most the 4/],
      ["cat,cow", /unknown class "cow"/],
      ["2-4", /numbers 0 to 3/],
      ["cat,0-1", /each once/],
    ] as const)
      expect(() => chosenClasses(text, names)).toThrow(message);
  });

  test("are numbered anew; few pictures of each are chosen by the seed", async () => {
    const whole = await loadImages("simulated", options);
    const set = selectClasses(whole, [7, 2]);
    expect(set.classes).toEqual(["7", "2"]);
    expect(new Set(Array.from(set.train, (i) => set.labels[i]))).toEqual(new Set([0, 1]));
    expect(set.train.every((i) => [7, 2].includes(whole.labels[i]!))).toBe(true);
    const few = thinOut(set, 5, 1);
    expect(countsOf(few, few.train)).toEqual([5, 5]);
    expect(few.validation).toEqual(set.validation);
    expect(thinOut(set, 5, 2).train).not.toEqual(few.train);
  });
});
