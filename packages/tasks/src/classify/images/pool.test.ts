import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode as encodeBmp } from "fast-bmp";
import { encode as encodePng } from "fast-png";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import type { Augmentation } from "./augment.ts";
import { ImageDataset } from "./dataset.ts";
import { ImagePool, type PictureSource } from "./pool.ts";

const one = new ImagePool(1);
const three = new ImagePool(3);
afterAll(() => {
  one.close();
  three.close();
});

/** 16 x 8, red on the left and blue on the right; the second with the camera turned (EXIF 6). */
const jpeg =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/wAARCAAIABADAREAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAABf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/xAAWAQEBAQAAAAAAAAAAAAAAAAAHBQb/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwAVLbwOUBy//9k=";
const turnedJpeg = jpeg.replace(
  "/9j/4AAQSkZJRgABAQAAAQABAAD",
  "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD",
);
/** The same picture as Pillow writes it: progressive, grey, and of four inks. */
const progressive =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/wgARCAAIABADAREAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAABgf/xAAVAQEBAAAAAAAAAAAAAAAAAAAIBv/aAAwDAQACEAMQAAABnMKqQLjHX//EABQQAQAAAAAAAAAAAAAAAAAAABD/2gAIAQEAAQUCP//EABQRAQAAAAAAAAAAAAAAAAAAABD/2gAIAQMBAT8BP//EABQRAQAAAAAAAAAAAAAAAAAAABD/2gAIAQIBAT8BP//EABQQAQAAAAAAAAAAAAAAAAAAABD/2gAIAQEABj8CP//EABQQAQAAAAAAAAAAAAAAAAAAABD/2gAIAQEAAT8hP//aAAwDAQACAAMAAAAQ6//EABQRAQAAAAAAAAAAAAAAAAAAABD/2gAIAQMBAT8QP//EABQRAQAAAAAAAAAAAAAAAAAAABD/2gAIAQIBAT8QP//EABQQAQAAAAAAAAAAAAAAAAAAABD/2gAIAQEAAT8QP//Z";
const greyJpeg =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/wAALCAAIABABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APnSvAq//9k=";
const inks =
  "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFBgSFBUU/8AAFAgACAAQBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwD9U6/Kqvyqr9U6/lXor+qiiv/Z";
const webp = "UklGRiYAAABXRUJQVlA4TBkAAAAvD8ABAA8Q87//8x8OxILJ/KU7U4jof+QAAA==";
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

const rgb = Uint8Array.from({ length: 16 * 8 * 3 }, (_, i) =>
  i % 3 === (Math.floor(i / 3) % 16 < 8 ? 0 : 2) ? 255 : 0,
);
const image = { width: 16, height: 8, channels: 3, data: rgb };
const png = encodePng(image);

/** A BMP of 8 bits: indices 0 and 1 of a palette of red and blue, rows from below. */
function palettedBmp(): Uint8Array {
  const bytes = new Uint8Array(62 + 128);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(10, 62, true);
  for (const [at, value] of [
    [14, 40],
    [18, 16],
    [22, 8],
    [46, 2],
  ] as const)
    view.setUint32(at, value, true);
  view.setUint16(28, 8, true);
  bytes.set([0, 0, 255, 0, 255, 0, 0, 0], 54);
  for (let i = 0; i < 128; i++) bytes[62 + i] = i % 16 < 8 ? 0 : 1;
  return bytes;
}

/** A PNG of one bit: black on the left, white on the right. */
const onePng = encodePng({
  width: 16,
  height: 8,
  channels: 1,
  depth: 1,
  data: Uint8Array.from({ length: 16 }, (_, i) => (i % 2 ? 255 : 0)),
});

describe("decoding", () => {
  const ppm = new Uint8Array([...new TextEncoder().encode("P6\n# drawn\n16 8\n255\n"), ...rgb]);
  const bmp = encodeBmp({ ...image, components: 3, bitsPerPixel: 24 });
  test.each([
    ["JPEG", bytesOf(jpeg), 4],
    ["progressive JPEG", bytesOf(progressive), 4],
    ["PNG", png, 0],
    ["WebP", bytesOf(webp), 0],
    ["BMP", bmp, 0],
    ["BMP with a palette", palettedBmp(), 0],
    ["PPM", ppm, 0],
  ])("reads %s", async (_, bytes, tolerance) => {
    const { picture, error } = await one.decode({ bytes, side: 8 });
    expect(error).toBeUndefined();
    expect(picture).toMatchObject({ width: 16, height: 8, channels: 3 });
    const at = (c: number, x: number, y: number) => picture!.data[(c * 8 + y) * 16 + x]!;
    for (const [x, y] of [
      [0, 0],
      [7, 7],
      [8, 0],
      [15, 7],
    ] as const) {
      const expected = x < 8 ? [255, 0, 0] : [0, 0, 255];
      for (const [c, value] of expected.entries()) {
        expect(Math.abs(at(c, x, y) - value)).toBeLessThanOrEqual(tolerance);
      }
    }
  });

  test("reads grey JPEG as red, green and blue alike", async () => {
    const { picture } = await one.decode({ bytes: bytesOf(greyJpeg), side: 8 });
    const at = (c: number, x: number) => picture!.data[c * 128 + x]!;
    expect([at(0, 0), at(1, 0), at(2, 0)]).toEqual([76, 76, 76]);
    expect([at(0, 15), at(1, 15), at(2, 15)]).toEqual([29, 29, 29]);
  });

  test("turns a photo as the camera was held, and shrinks", async () => {
    const turned = await one.decode({ bytes: bytesOf(turnedJpeg), side: 8 });
    expect(turned.picture).toMatchObject({ width: 8, height: 16 });
    // Red was on the left: turned clockwise by a quarter it is above.
    expect(turned.picture!.data[0]).toBeGreaterThan(250);
    expect((await one.decode({ bytes: png, side: 4 })).picture).toMatchObject({
      width: 8,
      height: 4,
    });
  });

  test("reads pixels of one bit, and lays transparent ones on white", async () => {
    const { picture } = await one.decode({ bytes: onePng, side: 8 });
    expect([picture!.data[0], picture!.data[15]]).toEqual([0, 255]);
    const data = Uint8Array.of(200, 100, 0, 0, 200, 100, 0, 255);
    const clear = encodePng({ width: 2, height: 1, channels: 4, data });
    const onWhite = await one.decode({ bytes: clear, side: 8 });
    expect([...onWhite.picture!.data]).toEqual([255, 200, 255, 100, 255, 0]);
  });

  test.each([
    ["nothing", new Uint8Array(0), /empty/],
    ["text", new TextEncoder().encode("hello"), /not an image of JPEG, PNG, WebP, BMP, PPM/],
    ["half a JPEG", bytesOf(jpeg).subarray(0, 250), /cut off/],
    ["a JPEG of noise", bytesOf(jpeg).map((b, i) => (i > 2 && i < 280 ? 7 : b)), /damaged/],
    ["a JPEG of four inks", bytesOf(inks), /a kind that the decoder does not read/],
    ["half a PNG", png.subarray(0, 50), /./],
    ["half a WebP", bytesOf(webp).subarray(0, 30), /damaged/],
    ["half a BMP", encodeBmp({ ...image, components: 3, bitsPerPixel: 24 }).subarray(0, 90), /./],
    ["a PPM without pixels", new TextEncoder().encode("P6 16 8 255 "), /cut off/],
  ])("%s is an answer, not an exception, and harms no later file", async (_, bytes, message) => {
    expect((await one.decode({ bytes, side: 8 })).error).toMatch(message);
    for (const good of [bytesOf(jpeg), bytesOf(webp)]) {
      expect((await one.decode({ bytes: good, side: 8 })).picture).toBeDefined();
    }
  });
});

describe("the data set", () => {
  const picture = (seed: number) => ({
    picture: {
      data: Uint8Array.from({ length: 300 }, (_, i) => (i * 31 + seed * 77) % 256),
      width: 10,
      height: 10,
      channels: 3,
    },
  });
  const set = {
    sources: Array.from({ length: 9 }, (_, i) => picture(i)),
    labels: Int32Array.from({ length: 9 }, (_, i) => i % 3),
    channels: 3,
  };
  const options = {
    set,
    indices: Int32Array.of(8, 1, 4, 6, 3),
    preprocessing: {
      size: 8,
      cover: 1,
      border: "edge" as const,
      mean: [0.5, 0.4, 0.3],
      std: [0.2, 0.2, 0.2],
    },
    augmentation: { flip: true, rotate: 15, shift: 2, contrast: 0.3, cut: 0.2 },
    seed: 4,
  };

  test("gives the same numbers whatever the number of threads, the batch and the order", async () => {
    const single = new ImageDataset({ ...options, pool: one });
    const many = new ImageDataset({ ...options, pool: three });
    const all = await single.get([0, 1, 2, 3, 4], 7);
    expect(await many.get([0, 1, 2, 3, 4], 7)).toEqual(all);
    const [last] = [await many.get([4], 7)];
    const size = 3 * 8 * 8;
    expect(last!.image!.data).toEqual((all.image!.data as Float32Array).slice(4 * size));
    expect([...(all.label!.data as Int32Array)]).toEqual([2, 1, 1, 0, 0]);
    expect(await many.get([0], 8)).not.toEqual(await many.get([0], 7));
  });

  test("shows of a file what it shows of the whole picture, however many threads there are", async () => {
    const folder = mkdtempSync(join(tmpdir(), "pictures-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const count = 12;
    const files: PictureSource[] = [];
    const pictures: PictureSource[] = [];
    for (let i = 0; i < count; i++) {
      const [width, height] = [90 + 7 * i, 80 + i];
      const data = Uint8Array.from({ length: 3 * width * height }, (_, k) => (k * k + i) % 251);
      const path = join(folder, `${i}.png`);
      writeFileSync(path, encodePng({ width, height, channels: 3, data }));
      const { picture } = await one.decode({ path, side: 70 });
      files.push({ path, side: 70, width: picture!.width, height: picture!.height });
      pictures.push({ picture: picture! });
    }
    const [size, labels] = [224, new Int32Array(count)];
    const of = async (sources: PictureSource[], pool: ImagePool, augmentation?: Augmentation) => {
      const indices = Int32Array.from({ length: count }, (_, i) => i);
      const preprocessing = { ...options.preprocessing, size: augmentation ? size : 64 };
      // 64 of 70 pixels: moved by whole ones.
      const cover = augmentation ? 0.8 : 64 / 70;
      const set = { sources, labels, channels: 3 };
      const dataset = new ImageDataset({
        ...{ set, indices, pool, seed: 2, augmentation },
        preprocessing: { ...preprocessing, cover },
      });
      return (await dataset.get(indices, 3)).image!.data as Float32Array;
    };
    for (const how of [undefined, { flip: true, rotate: 20, cropArea: 0.3, brightness: 0.2 }]) {
      const given = await of(files, one, how);
      expect(await of(files, three, how)).toEqual(given);
      const expected = await of(pictures, three, how);
      expect(expected.findIndex((v, i) => Math.abs(v - given[i]!) > 1e-5)).toBe(-1);
    }
  });

  test("names the file that cannot be decoded", async () => {
    const path = fileURLToPath(import.meta.url);
    const sources = [{ path, side: 8, width: 10, height: 10 }];
    const broken = new ImageDataset({
      ...options,
      set: { ...set, sources },
      indices: Int32Array.of(0),
      pool: one,
    });
    await expect(broken.get([0])).rejects.toThrow(/pool\.test\.ts: it is not an image of JPEG/);
  });

  test("passes on why a picture cannot be rendered", async () => {
    const gone = { path: "/nowhere/at-all.png", side: 8, width: 10, height: 10 };
    const broken = new ImageDataset({
      ...options,
      set: { ...set, sources: set.sources.map((s, i) => (i === 4 ? gone : s)) },
      pool: three,
    });
    await expect(broken.get([0, 1, 2])).rejects.toThrow(/nowhere/);
  });
});
