import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import wabt from "wabt";
import type { Picture } from "./pixelTools.ts";
import { type Pixels, resizingTools } from "./resizing.ts";
import { RESIZING_WASM } from "./resizing.wasm.ts";

const { part, shrunk, scaled, resize } = resizingTools(RESIZING_WASM);

/** A picture of one channel with no pattern. */
const grey = (width: number, height: number): Picture => {
  const data = Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return (x * 37 + y * 91 + x * y * 13) % 256;
  });
  return { data, width, height, channels: 1 };
};

const pixelsOf = (width: number, height: number, step: number): Pixels => {
  const data = Uint8Array.from({ length: width * height * step }, (_, i) => (i * 89 + i * i) % 256);
  return { data, width, height, step };
};

function close(given: Uint8Array, expected: readonly number[]): void {
  expect(given).toHaveLength(expected.length);
  for (const [i, value] of given.entries()) {
    expect(Math.abs(value - expected[i]!), `element ${i}`).toBeLessThanOrEqual(0.51);
  }
}

/** The weights of a triangle filter, all of them, as it is written in a textbook. */
function triangle(from: number, to: number, i: number): number[] {
  const scale = from / to;
  const reach = Math.max(1, scale);
  const weights = Array.from({ length: from }, (_, k) =>
    Math.max(0, 1 - Math.abs(k + 0.5 - (i + 0.5) * scale) / reach),
  );
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / sum);
}

/** Channel c of point (x, y) of the resized picture, not rounded. */
function valueAt(
  pixels: Pixels,
  [width, height]: [number, number],
  c: number,
  x: number,
  y: number,
) {
  const across = triangle(pixels.width, width, x);
  const down = triangle(pixels.height, height, y);
  let sum = 0;
  for (const [v, wy] of down.entries()) {
    for (const [u, wx] of across.entries()) {
      sum += wy * wx * pixels.data[(v * pixels.width + u) * pixels.step + c]!;
    }
  }
  return sum;
}

test("the module is the one that resizing.wat assembles to", async () => {
  const text = await readFile(new URL("resizing.wat", import.meta.url), "utf8");
  const module = (await wabt()).parseWat("resizing.wat", text, { simd: true });
  const base64 = Buffer.from(module.toBinary({}).buffer).toString("base64");
  expect(RESIZING_WASM, "node packages/tasks/scripts/assemble.js").toBe(base64);
});

describe("resize", () => {
  // torch 1.13.1: interpolate(mode="bilinear", antialias=True) of `grey(7, 5)`.
  test.each([
    [
      4,
      3,
      [
        61.299, 127.549, 126.886, 162.415, 151.339, 142.373, 147.929, 139.614, 105.735, 125.503,
        141.503, 130.551,
      ],
    ],
    [2, 2, [121.901, 140.632, 130.691, 139.841]],
  ])("to %i x %i agrees with PyTorch's antialiased one", (width, height, expected) => {
    close(resize(grey(7, 5), width, height).data, expected);
  });

  test("enlarges as PyTorch does", () => {
    const { data } = resize(grey(7, 5), 10, 9);
    const firstRow = [0, 20.35, 46.25, 72.15, 98.05, 123.95, 149.85, 175.75, 201.65, 222];
    close(data.subarray(0, 10), firstRow);
    close(data.subarray(80, 83), [108, 156.95, 155.25]);
  });

  test("leaves a picture of the right size alone, and keeps planes apart", () => {
    const picture = grey(12, 2);
    expect(resize(picture, 12, 2)).toBe(picture);
    const colours = { data: picture.data, width: 4, height: 2, channels: 3 };
    const smaller = resize(colours, 2, 1).data;
    for (const c of [0, 1, 2]) {
      const plane = { ...colours, data: picture.data.subarray(8 * c, 8 * c + 8), channels: 1 };
      expect(smaller.subarray(2 * c, 2 * c + 2)).toEqual(resize(plane, 2, 1).data);
    }
  });

  test("shrinks the shorter side only where it is too long", () => {
    expect(shrunk({ width: 40, height: 20 }, 20)).toEqual({ width: 40, height: 20 });
    expect(shrunk({ width: 40, height: 20 }, 30)).toEqual({ width: 40, height: 20 });
    expect(shrunk({ width: 40, height: 21 }, 10)).toEqual({ width: 19, height: 10 });
  });

  test("is the triangle filter, for any sizes, kinds of pixels and part", () => {
    const side = fc.integer({ min: 1, max: 40 });
    const sizes = fc.tuple(side, side, side, side, fc.constantFrom(1, 3, 4));
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(39), { minLength: 4, maxLength: 4 }), (all, corners) => {
        const [fromWidth, fromHeight, width, height, step] = all;
        const pixels = pixelsOf(fromWidth, fromHeight, step);
        const [x0, x1] = [corners[0]! % width, corners[1]! % width].sort((a, b) => a - b);
        const [y0, y1] = [corners[2]! % height, corners[3]! % height].sort((a, b) => a - b);
        const box = { left: x0!, top: y0!, width: x1! - x0! + 1, height: y1! - y0! + 1 };
        const found = part(pixels, width, height, box);
        const channels = step === 1 ? 1 : 3;
        const expected: number[] = [];
        for (let c = 0; c < channels; c++) {
          for (let y = y0!; y <= y1!; y++) {
            for (let x = x0!; x <= x1!; x++) {
              expected.push(valueAt(pixels, [width, height], c, x, y));
            }
          }
        }
        expect(found).toMatchObject({ width: box.width, height: box.height, channels });
        close(found.data, expected);
      }),
      { numRuns: 60 },
    );
  });

  test("takes a tall picture in several parts", () => {
    const tall = pixelsOf(700, 2000, 3);
    const { data } = scaled(tall, 7, 41);
    for (const y of [0, 8, 9, 10, 11, 20, 30, 40]) {
      const value = valueAt(tall, [7, 41], 2, 6, y);
      expect(Math.abs(data[(2 * 41 + y) * 7 + 6]! - value), `row ${y}`).toBeLessThan(0.51);
    }
  });

  test("goes on after a picture for which its memory had to grow", () => {
    const small = pixelsOf(9, 7, 3);
    const before = scaled(small, 4, 3);
    const large = pixelsOf(3000, 6, 4);
    const { data } = scaled(large, 1500, 3);
    expect(Math.abs(data[1499]! - valueAt(large, [1500, 3], 0, 1499, 0))).toBeLessThan(0.51);
    expect(scaled(small, 4, 3)).toEqual(before);
  });
});
