import { describe, expect, test } from "vitest";
import { centreView, type Preprocessing, variedView } from "./augment.ts";
import { type Picture, pixelTools, type RenderTarget, VIEW } from "./pixelTools.ts";
import { resizingTools } from "./resizing.ts";
import { RESIZING_WASM } from "./resizing.wasm.ts";

const { seen, render } = pixelTools(VIEW, resizingTools(RESIZING_WASM).spread);

/** A picture of one channel with no pattern. */
const grey = (width: number, height: number): Picture => {
  const data = Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return (x * 37 + y * 91 + x * y * 13) % 256;
  });
  return { data, width, height, channels: 1 };
};

const plain: Preprocessing = { size: 4, cover: 1, border: "black", mean: [0], std: [1] };

function rendered(picture: Picture, view: Float64Array, change: Partial<RenderTarget> = {}) {
  const size = change.size ?? 4;
  const { channels } = picture;
  const out = new Float32Array(channels * size * size);
  const ones = (value: number) => new Array<number>(channels).fill(value);
  render(picture, view, 0, { out, size, mean: ones(0), std: ones(1), border: "black", ...change });
  return [...out];
}

function close(given: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(given).toHaveLength(expected.length);
  for (const [i, value] of given.entries()) {
    expect(Math.abs(value - expected[i]!), `element ${i}`).toBeLessThanOrEqual(tolerance);
  }
}

describe("render", () => {
  test("shows a picture of the right size as it is", () => {
    const picture = grey(4, 4);
    const view = centreView(picture, plain);
    close(
      rendered(picture, view),
      Array.from(picture.data, (v) => v / 255),
      1e-6,
    );
  });

  test("scales by mean and standard deviation", () => {
    const picture = grey(4, 4);
    const given = rendered(picture, centreView(picture, plain), { mean: [0.25], std: [0.5] });
    close(
      given,
      Array.from(picture.data, (v) => (v / 255 - 0.25) / 0.5),
      1e-6,
    );
  });

  test("puts MNIST's border around, and takes ImageNet's middle", () => {
    const digit = grey(2, 2);
    const given = rendered(digit, centreView(digit, { ...plain, cover: 2 }));
    const [a, b, c, d] = Array.from(digit.data, (v) => v / 255);
    close(given, [0, 0, 0, 0, 0, a!, b!, 0, 0, c!, d!, 0, 0, 0, 0, 0], 1e-6);
    const wide = grey(12, 8);
    const half = rendered(wide, centreView(wide, { ...plain, cover: 0.5 }));
    const middle = [2, 3, 4, 5].flatMap((y) =>
      [4, 5, 6, 7].map((x) => wide.data[y * 12 + x]! / 255),
    );
    close(half, middle, 1e-6);
  });

  // torch 1.13.1: grid_sample over affine_grid(theta, align_corners=False) of 5 x 5 pixels.
  test.each([
    [
      "black" as const,
      [
        0.09591, 0.16153, 0.21821, 0.20234, 0.68402, 0.62318, 0.82704, 0.4956, 0.38353, 0.52134,
        0.65718, 0.61068, 0.39043, 0.21255, 0.60657, 0.39211,
      ],
    ],
    [
      "edge" as const,
      [
        0.09591, 0.1723, 0.3174, 0.4625, 0.68402, 0.62318, 0.82704, 0.4956, 0.38353, 0.52134,
        0.65718, 0.61068, 0.56789, 0.22672, 0.60657, 0.57034,
      ],
    ],
  ])("samples along a matrix as PyTorch's grid_sample (%s)", (border, expected) => {
    const all = grey(7, 5);
    const data = Uint8Array.from(
      { length: 25 },
      (_, i) => all.data[Math.floor(i / 5) * 7 + (i % 5)]!,
    );
    const theta = [0.8, 0.3, 0.1, -0.2, 1.1, -0.05];
    // From its coordinates -1 .. 1 on both sides to pixels: x' = 2.5 (theta (x / 2 - 1) + 1).
    const row = (a: number, b: number, c: number) => [
      (2.5 * a) / 2,
      (2.5 * b) / 2,
      2.5 * (c - a - b + 1),
    ];
    const [a, b, c, d, e, f] = theta as [number, number, number, number, number, number];
    const view = new Float64Array(VIEW.length);
    view.set([...row(a, b, c), ...row(d, e, f), 1, 1, 1]);
    const picture = { data, width: 5, height: 5, channels: 1 };
    close(rendered(picture, view, { border }), expected, 2e-5);
  });

  // torchvision 0.14.1: adjust_brightness(1.3), adjust_contrast(0.6), adjust_saturation(1.4).
  test("changes colours as torchvision does", () => {
    const values = [0.1, 0.5, 0.9, 0.3, 0.2, 0.6, 0.8, 0.4, 0.7, 0.05, 0.35, 1];
    const expected = [
      0.28119, 0.63055, 0.85778, 0.44185, 0.39039, 0.73975, 0.85778, 0.55105, 0.93639, 0.13915,
      0.39998, 0.95425,
    ];
    const data = Uint8Array.from(values, (v) => Math.round(v * 255));
    const picture = { data, width: 2, height: 2, channels: 3 };
    const view = centreView(picture, { ...plain, size: 2 });
    view[VIEW.brightness] = 1.3;
    view[VIEW.contrast] = 0.6;
    view[VIEW.saturation] = 1.4;
    close(rendered(picture, view, { size: 2 }), expected, 0.006);
  });

  test("blanks a square to the mean", () => {
    const picture = grey(4, 4);
    const view = centreView(picture, plain);
    view.set([1.5, 3.5, 2], VIEW.cutX);
    const given = rendered(picture, view, { mean: [0.9] });
    const blank = [...given.keys()].filter((i) => given[i] === 0);
    expect(blank).toEqual([13, 14]);
  });
});

describe("varied views", () => {
  const picture = grey(6, 6);
  const at = { seed: 3, index: 5, pass: 2 };
  const how = { flip: true, shift: 2, rotate: 20, scale: 0.2, brightness: 0.4, cut: 0.5 };

  test("depend on seed, picture and pass alone", () => {
    const view = variedView(picture, plain, how, at);
    expect(variedView(picture, plain, how, { ...at })).toEqual(view);
    for (const other of [{ seed: 4 }, { index: 6 }, { pass: 3 }]) {
      expect(variedView(picture, plain, how, { ...at, ...other })).not.toEqual(view);
    }
  });

  test("without any variation show the middle", () => {
    close(
      rendered(picture, variedView(picture, plain, {}, at)),
      rendered(picture, centreView(picture, plain)),
      1e-6,
    );
  });

  test("mirror half of the pictures, and shift by whole pixels, all equally often", () => {
    const preprocessing = { ...plain, size: 6 };
    const shifts = new Map<string, number>();
    for (let index = 0; index < 900; index++) {
      const view = variedView(picture, preprocessing, { flip: true, shift: 1 }, { ...at, index });
      const given = rendered(picture, view, { size: 6 });
      const found = [-1, 1].flatMap((mirror) =>
        [-1, 0, 1].flatMap((dx) =>
          [-1, 0, 1].flatMap((dy) => {
            const expected = Array.from({ length: 36 }, (_, i) => {
              const [x, y] = [(i % 6) + mirror * dx, Math.floor(i / 6) + dy];
              const from = mirror < 0 ? 5 - (i % 6) - dx : x;
              return from < 0 || from > 5 || y < 0 || y > 5 ? 0 : picture.data[y * 6 + from]! / 255;
            });
            const same = expected.every((value, i) => Math.abs(value - given[i]!) < 1e-5);
            return same ? [`${mirror} ${dx} ${dy}`] : [];
          }),
        ),
      );
      expect(found.length, `view ${index}`).toBe(1);
      shifts.set(found[0]!, (shifts.get(found[0]!) ?? 0) + 1);
    }
    expect(shifts.size).toBe(18);
    expect(Math.min(...shifts.values())).toBeGreaterThan(25);
  });

  test("are the same of the part that they see", () => {
    const whole = grey(31, 24);
    const far = { flip: true, shift: 9, rotate: 40, scale: 0.5, shear: 0.3, cropArea: 0.05 };
    const sizes = new Set<number>();
    for (let index = 0; index < 200; index++) {
      const border = index % 2 ? "black" : "edge";
      const view = variedView(whole, plain, index % 3 ? far : { flip: true, shift: 40 }, {
        ...at,
        index,
      });
      const box = seen(view, 0, 4, whole);
      const data = Uint8Array.from({ length: box.width * box.height }, (_, i) => {
        const [x, y] = [i % box.width, Math.floor(i / box.width)];
        return whole.data[(box.top + y) * 31 + box.left + x]!;
      });
      const out = new Float32Array(16);
      const target = { out, size: 4, mean: [0], std: [1], border } as const;
      render({ ...box, data, channels: 1 }, view, 0, target, box);
      close([...out], rendered(whole, view, { border }), 1e-6);
      sizes.add(data.length);
    }
    expect(sizes.size).toBeGreaterThan(30);
  });

  test("random crops stay inside the picture", () => {
    const wide = grey(30, 20);
    for (let index = 0; index < 200; index++) {
      const view = variedView(wide, plain, { cropArea: 0.1 }, { ...at, index });
      const [a, , c, , e, f] = view;
      expect(Math.min(c!, f!)).toBeGreaterThan(-1e-9);
      expect(c! + 4 * a!).toBeLessThan(30 + 1e-9);
      expect(f! + 4 * e!).toBeLessThan(20 + 1e-9);
      const share = (16 * a! * e!) / 600;
      expect(share).toBeGreaterThan(0.1 - 1e-9);
    }
  });
});
