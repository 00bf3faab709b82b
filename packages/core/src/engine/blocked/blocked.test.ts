import { describe, expect, test } from "vitest";
import "../../graph/methods.ts";
import { gradients } from "../../autodiff/gradients.ts";
import { evaluate } from "../../evaluate.ts";
import * as ops from "../../graph/ops/index.ts";
import { Parameter, placeholder, type Tensor, tensor } from "../../graph/tensor.ts";
import { lowerGraph } from "../../onnx/lowering.ts";
import { engine, expectSame, filled, rewrite, slopes } from "./testing.ts";

const wave = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.3));
const withSlopes = (y: Tensor, inputs: readonly Tensor[]): Tensor[] => [y, ...slopes(y, inputs)];
/** The types of the engine's own nodes that a graph is lowered to. */
const ownNodes = (tensors: readonly Tensor[]): string[] => {
  const { model } = lowerGraph(tensors, { rewrite });
  return model.graph!.node.filter(({ domain }) => domain !== "").map(({ opType }) => opType);
};

describe("convolution: values and both gradients", () => {
  test.for<[string, number[], number[], ops.Conv2dOptions]>([
    ["3x3", [2, 32, 6, 7], [48, 32, 3, 3], { padding: 1 }],
    ["1x1", [2, 32, 5, 5], [16, 32, 1, 1], {}],
    ["3x3 with stride 2", [2, 16, 8, 6], [32, 16, 3, 3], { stride: 2, padding: 1 }],
    ["1x1 with stride 2", [2, 16, 8, 6], [32, 16, 1, 1], { stride: 2 }],
    ["5x5 with stride 3", [1, 16, 9, 12], [16, 16, 5, 5], { stride: 3, padding: 2 }],
    ["odd size, stride 2", [2, 16, 7, 9], [16, 16, 3, 3], { stride: 2, padding: 1 }],
    ["uneven kernel", [2, 16, 8, 8], [16, 16, 1, 3], { padding: [0, 1] }],
    ["dilation", [2, 16, 9, 9], [16, 16, 3, 3], { dilation: 2, padding: 2 }],
    ["more padding than kernel", [1, 16, 4, 4], [16, 16, 1, 1], { padding: 1 }],
    ["a first layer", [2, 3, 12, 12], [32, 3, 7, 7], { stride: 2, padding: 3 }],
    ["few input channels", [3, 6, 9, 8], [16, 6, 5, 3], {}],
    ["few input channels, padded", [2, 5, 6, 9], [32, 5, 3, 3], { padding: [2, 1] }],
    ["few input channels, all of the padding", [2, 1, 4, 4], [16, 1, 3, 3], { padding: 3 }],
    ["groups", [2, 32, 6, 6], [32, 16, 3, 3], { groups: 2, padding: 1 }],
    ["one window", [4, 16, 5, 5], [24, 16, 5, 5], {}],
    ["broken blocks", [2, 24, 6, 6], [40, 24, 3, 3], { padding: 1 }],
  ])("%s", async ([, image, kernel, options]) => {
    const [x, w, b] = [filled(image, 1), filled(kernel, 2), filled([kernel[0]], 3)];
    // Between two that are blocked, so that the gradient comes in blocked form where it can.
    const tensors = withSlopes(ops.relu(ops.conv2d(x, w, b, options)), [x, w, b]);
    await expectSame(tensors);
  });

  test("is in the blocked layout", () => {
    const [x, w] = [filled([2, 16, 6, 6], 1), filled([16, 16, 3, 3], 2)];
    expect(ownNodes(withSlopes(ops.conv2d(x, w), [x, w]))).toEqual(
      expect.arrayContaining(["Conv", "ReorderInput", "ReorderOutput"]),
    );
  });

  test.for<[string, number[], number[], ops.Conv2dOptions]>([
    ["some images at a time", [4, 16, 300, 360], [16, 16, 3, 3], { padding: 1 }],
    ["two sums side by side", [8, 16, 28, 28], [64, 16, 3, 3], { padding: 1 }],
    ["tiles that the images do not fill", [8, 16, 13, 11], [32, 16, 5, 5], { padding: 2 }],
    ["one image", [1, 32, 7, 9], [48, 32, 3, 3], {}],
    ["whole images as channels", [32, 16, 5, 6], [16, 16, 3, 3], { padding: 1 }],
    ["whole images in two sums", [32, 32, 6, 5], [48, 32, 3, 3], { padding: 1, stride: 2 }],
    ["every position a channel", [8, 32, 6, 6], [64, 32, 1, 1], {}],
    ["plain images in whole lines", [2, 3, 29, 31], [32, 3, 7, 7], { stride: 2, padding: 3 }],
    ["lines that no window reaches", [2, 3, 30, 30], [16, 3, 3, 3], { stride: 3 }],
    ["channels that fill no block", [2, 24, 9, 9], [32, 24, 5, 5], { padding: 2 }],
    ["few output channels", [16, 1, 20, 20], [6, 1, 5, 5], {}],
    ["fewer output channels", [4, 16, 9, 8], [4, 16, 3, 3], { padding: 1 }],
    ["unequal strides", [4, 16, 20, 21], [32, 16, 3, 2], { padding: [2, 1], stride: [1, 2] }],
    ["dilation", [4, 16, 20, 21], [32, 16, 3, 2], { padding: [2, 1], dilation: [2, 3] }],
  ])("weight gradients: %s", async ([, image, kernel, options]) => {
    const [x, w] = [filled(image, 1), filled(kernel, 2)];
    const tensors = withSlopes(ops.conv2d(x, w, undefined, options), [w]).slice(1);
    expect(ownNodes(tensors)).toContain("Conv");
    await expectSame(tensors, 2e-4);
  });
});

describe("minimal filtering: values and gradients", () => {
  test.for<[string, number[], number[], ops.Conv2dOptions]>([
    ["3x3", [4, 64, 16, 12], [64, 64, 3, 3], { padding: 1 }],
    ["rows that are no whole tiles", [4, 128, 13, 9], [64, 128, 3, 3], { padding: 1 }],
    ["two outputs", [8, 128, 6, 16], [128, 128, 3, 3], { padding: 1 }],
    ["5x5", [2, 64, 15, 14], [96, 64, 5, 5], { padding: 2 }],
    ["no padding", [4, 64, 18, 12], [64, 64, 3, 3], {}],
    ["all of the padding", [2, 256, 14, 14], [128, 256, 3, 1], { padding: [2, 0] }],
    ["5x3", [4, 64, 17, 12], [64, 64, 5, 3], { padding: [1, 0] }],
  ])("%s", async ([, image, kernel, options]) => {
    const [x, w, b] = [filled(image, 1), filled(kernel, 2), filled([kernel[0]], 3)];
    const y = ops.conv2d(x, w, b, options);
    expect(ownNodes([y]).filter((type) => type === "Conv").length).toBeGreaterThan(4);
    await expectSame(withSlopes(ops.relu(y), [x, w, b]), 1e-4);
    // A residual that is added.
    const residual = ops.conv2d(x.mul(2), w, undefined, options);
    await expectSame([ops.relu(y.add(residual))], 1e-4);
  });

  test.for<[string, number[], number[], ops.Conv2dOptions]>([
    [
      "7x7 with stride 2, whose phases have 3 rows",
      [2, 64, 24, 24],
      [64, 64, 7, 7],
      { stride: 2, padding: 3 },
    ],
    [
      "3x3 with stride 3, whose phases are rows of one tap",
      [2, 64, 12, 12],
      [64, 64, 3, 3],
      { stride: 3 },
    ],
    [
      "1x1 with stride 2, whose second phase is zeros",
      [2, 64, 12, 12],
      [64, 64, 1, 1],
      { stride: 2 },
    ],
  ])("data gradients, %s", async ([, image, kernel, options]) => {
    const [x, w] = [filled(image, 1), filled(kernel, 2)];
    await expectSame(withSlopes(ops.conv2d(x, w, undefined, options), [x]), 1e-4);
  });

  test("few output channels", async () => {
    const [x, w] = [filled([8, 128, 28, 28], 1), filled([10, 128, 3, 3], 2)];
    await expectSame(withSlopes(ops.conv2d(x, w, undefined, { padding: 1 }), [w]), 2e-4);
  });

  test("what comes in is added to what comes out, and is a result as well", async () => {
    const [x, w] = [filled([4, 64, 16, 12], 1), filled([64, 64, 3, 3], 2)];
    const start = ops.relu(ops.conv2d(x, w, undefined, { padding: 1 }));
    const inner = ops.conv2d(start, w, undefined, { padding: 1 });
    for (const sum of [inner.add(start), start.add(inner)]) {
      await expectSame([ops.relu(sum)], 1e-4);
      await expectSame([ops.relu(sum), start], 1e-4);
    }
  });

  test.for<[string, number[], number[], ops.Conv2dOptions]>([
    ["3x3", [8, 128, 14, 14], [128, 128, 3, 3], { padding: 1 }],
    ["sums side by side", [16, 64, 28, 27], [64, 64, 3, 3], { padding: [1, 0] }],
    ["5x5", [8, 64, 27, 27], [192, 64, 5, 5], { padding: 2 }],
  ])("weight gradients, %s", async ([, image, kernel, options]) => {
    const [x, w] = [filled(image, 1), filled(kernel, 2)];
    const tensors = withSlopes(ops.conv2d(x, w, undefined, options), [w]).slice(1);
    // Six products, and what goes into them.
    expect(ownNodes(tensors).filter((type) => type === "Conv").length).toBeGreaterThan(18);
    await expectSame(tensors, 2e-4);
  });
});

test("constant kernels are laid out by standard nodes, and take batch norms", () => {
  const [x, w] = [placeholder("x", [4, 64, 16, 12]), new Parameter(wave(64 * 576), [64, 64, 3, 3])];
  const vector = new Parameter(wave(64), [64]);
  const y = ops.batchNorm(ops.conv2d(x, w, undefined, { padding: 1 }), vector, vector.abs());
  const typesOf = (fixed: ReadonlySet<Tensor>) => {
    const { node } = lowerGraph([ops.relu(y)], { rewrite, fixed }).model.graph!;
    return node.filter(({ domain }) => domain !== "").map(({ opType }) => opType);
  };
  const count = (types: readonly string[], type: string) => types.filter((t) => t === type).length;
  const [live, fixed] = [typesOf(new Set()), typesOf(new Set([w, vector]))];
  // The image's own is left; six kernels' transforms and the batch norm's pass are gone.
  expect(count(fixed, "ReorderInput")).toBe(1);
  expect(count(live, "Conv") - count(fixed, "Conv")).toBe(7);
});

test("a few rows times a large matrix, values and gradients", async () => {
  const [x, w] = [filled([8, 1024], 1), filled([1024, 1056], 2)];
  const tensors = withSlopes(ops.matmul(x, w), [x, w]);
  await expectSame(tensors, 1e-4);
  const { model } = lowerGraph([ops.matmul(x, w)], { rewrite });
  expect(model.graph!.node.map(({ opType }) => opType)).toContain("Transpose");
  const few = lowerGraph([ops.matmul(filled([8, 32], 1), filled([32, 8], 2))], { rewrite });
  expect(few.model.graph!.node.map(({ opType }) => opType)).not.toContain("Transpose");
});

/** What goes in is blocked already. */
const held = (x: Tensor): Tensor => ops.conv2d(x, filled([16, 16, 1, 1], 5));
const image = [4, 16, 6, 6];

test.for<[string, (x: Tensor, w: Tensor) => Tensor]>([
  ["relu", (x) => ops.relu(held(x))],
  ["relu of what others read too", (x) => ((y) => y.add(ops.relu(y)))(held(x))],
  ["batch norm", (x, w) => ops.batchNormTrain(held(x), { weight: w, bias: w }).y],
  [
    "batch norm of given statistics",
    (x, w) => ops.relu(ops.batchNorm(held(x), w, w.abs(), { weight: w, bias: w })),
  ],
  ["batch norm, relu", (x, w) => ops.relu(ops.batchNormTrain(held(x), { weight: w, bias: w }).y)],
  [
    "a residual",
    (x, w) => {
      const start = ops.relu(held(x));
      return ops.relu(ops.batchNormTrain(held(start), { weight: w }).y.add(start));
    },
  ],
  [
    "a projected residual",
    (x, w) => {
      const [a, b] = [held(x), held(x.mul(2))].map((t) => ops.batchNormTrain(t, { weight: w }).y);
      return ops.relu(a.add(b));
    },
  ],
  ["a sum with itself", (x) => ((y) => y.add(y))(held(x))],
  ["channels side by side", (x) => ops.concat([held(x), ops.relu(held(x)), x], 1)],
  ["the mean of images", (x) => held(x).mean({ dim: [2, 3], keepdim: true })],
  ["the mean of images, flat", (x) => held(x).mean({ dim: [2, 3] })],
])("%s: values and gradients", async ([, run]) => {
  const [x, w] = [filled(image, 1), filled([16], 2)];
  const y = run(x, w);
  await expectSame(withSlopes(y, [x, w]));
  expect(ownNodes([y])).toContain("Conv");
});

test("batch statistics of large images, off centre", async () => {
  const y = ops.batchNormTrain(held(filled([2, 16, 40, 40], 1)).add(3));
  await expectSame([y.y, y.mean, y.variance]);
});

describe("max pool: values and gradients", () => {
  test.for<[string, ops.MaxPool2dOptions, number?]>([
    ["2x2", { kernelSize: 2 }],
    ["3x3, stride 2, padding", { kernelSize: 3, stride: 2, padding: 1 }],
    ["3x3, stride 2", { kernelSize: 3, stride: 2 }],
    ["3x3, stride 1, padding", { kernelSize: 3, stride: 1, padding: 1 }],
    ["3x3, stride 2, of an odd size", { kernelSize: 3, stride: 2, padding: 1 }, 9],
    ["ceil mode", { kernelSize: 3, stride: 2, ceilMode: true }],
    ["dilation", { kernelSize: 2, stride: 1, dilation: 2 }],
    ["3x3, stride 1", { kernelSize: 3, stride: 1 }],
    ["2x2, stride 1, padding", { kernelSize: 2, stride: 1, padding: 1 }],
    ["2x2, padding", { kernelSize: 2, stride: 2, padding: 1 }, 9],
    ["5x5, stride 3, padding", { kernelSize: 5, stride: 3, padding: 1 }, 12],
    ["5x5, padding of 2", { kernelSize: 5, stride: 2, padding: 2 }, 9],
    ["4x2", { kernelSize: [4, 2], stride: [1, 2], padding: [1, 0] }, 10],
  ])("%s", async ([, options, size = 8]) => {
    const x = filled([2, 16, size, size], 1);
    await expectSame(withSlopes(ops.maxPool2d(ops.relu(held(x)), options), [x]));
    // Equal negative values, beside which the padding's zeros would win, and few different ones.
    const bias = filled([16], 3).abs().neg();
    const equal = ops.conv2d(x.mul(0), filled([16, 16, 1, 1], 5), bias);
    const few = ops.conv2d(ops.floor(x.mul(2)), ops.ones([16, 16, 1, 1]), bias);
    for (const y of [equal, few]) await expectSame(withSlopes(ops.maxPool2d(y, options), [y]));
  });

  test("of equal elements the first, row by row, gets the gradient", async () => {
    const x = ops.zeros([1, 16, 4, 4]);
    const ones = tensor(new Float32Array(256), [1, 16, 4, 4]);
    const y = ops.relu(held(x.add(ones)));
    const pooled = ops.maxPool2d(y, { kernelSize: 2 });
    const [slope] = await evaluate(gradients(pooled.sum(), [y]), { engine });
    expect([...(slope.data as Float32Array).slice(0, 8)]).toEqual([1, 0, 1, 0, 0, 0, 0, 0]);
  });
});

test("zeros of the padding are not maxima", async () => {
  const y = ops.relu(held(ops.zeros([1, 16, 7, 7])));
  const pooled = ops.maxPool2d(y, { kernelSize: 3, stride: 2, padding: 1 });
  await expectSame(gradients(pooled.sum(), [y]));
});

test("relu's gradient is exact down to the smallest normal number", async () => {
  const x = tensor(Float32Array.of(-1, -0, 0, 2 ** -126, 1e-30, 1, 3e38));
  const [{ data }] = await evaluate(gradients(ops.relu(x).sum(), [x]), { engine });
  expect([...(data as Float32Array)]).toEqual([0, 0, 0, 1, 1, 1, 1]);
});

test("gradients of gradients", async () => {
  const [x, w] = [filled([2, 16, 5, 5], 1), filled([16, 16, 3, 3], 2)];
  const y = ops.batchNormTrain(ops.conv2d(x, w, undefined, { padding: 1 })).y;
  const [first] = gradients(y.mul(y).mul(y).sum(), [w]);
  await expectSame(gradients(first.square().sum(), [x, w]), 1e-4);
});
