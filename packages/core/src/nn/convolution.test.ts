import { describe, expect, test } from "vitest";
import { gradients } from "../autodiff/gradients.ts";
import "../graph/methods.ts";
import { evaluate } from "../evaluate.ts";
import * as ops from "../graph/ops/index.ts";
import { tensor } from "../graph/tensor.ts";
import * as nn from "./index.ts";

const shapes = (module: nn.Module) =>
  Object.fromEntries([...module.stateDict()].map(([name, { shape }]) => [name, shape]));
const image = (shape: readonly number[]) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => ((i * 7) % 11) - 5),
    shape,
  );
};
const close = (actual: ArrayLike<number | bigint>, expected: readonly number[]) => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Number(actual[i])).toBeCloseTo(value, 5);
};

describe("convolutions", () => {
  test("have PyTorch's names, shapes and first values", () => {
    const conv = new nn.Conv2d({ inChannels: 6, outChannels: 4, kernelSize: [3, 2], groups: 2 });
    expect(shapes(conv)).toEqual({ weight: [4, 3, 3, 2], bias: [4] });
    const bound = 1 / Math.sqrt(3 * 3 * 2);
    const largest = Math.max(...(conv.weight.data as Float32Array).map(Math.abs));
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.8 * bound);
    const up = new nn.ConvTranspose2d({
      inChannels: 6,
      outChannels: 4,
      kernelSize: 2,
      bias: false,
    });
    expect(shapes(up)).toEqual({ weight: [6, 4, 2, 2] });
  });

  test("pad with the image itself", async () => {
    const options = { inChannels: 1, outChannels: 1, kernelSize: 3, padding: "same" } as const;
    const x = image([1, 1, 4, 5]);
    for (const paddingMode of ["reflect", "replicate", "circular"] as const) {
      const conv = new nn.Conv2d({ ...options, paddingMode });
      const padded = ops.pad(x, [1, 1, 1, 1], { mode: paddingMode });
      const [y, wanted] = await evaluate([
        conv.forward(x),
        ops.conv2d(padded, conv.weight, conv.bias),
      ]);
      expect(y.shape).toEqual([1, 1, 4, 5]);
      expect(y.data).toEqual(wanted.data);
    }
  });

  test("transposed ones reach a size that is asked for", () => {
    const up = new nn.ConvTranspose2d({ inChannels: 1, outChannels: 1, kernelSize: 3, stride: 2 });
    const x = image([1, 1, 4, 4]);
    expect(up.forward(x).shape).toEqual([1, 1, 9, 9]);
    expect(up.forward(x, { outputSize: [10, 9] }).shape).toEqual([1, 1, 10, 9]);
    expect(() => up.forward(x, { outputSize: [12, 9] })).toThrow("outputSize [12,9]");
  });

  test("say what does not fit", () => {
    const conv = new nn.Conv2d({ inChannels: 3, outChannels: 2, kernelSize: 5 });
    expect(() => conv.forward(image([1, 4, 8, 8]))).toThrow("has 4 channels");
    expect(() => conv.forward(image([1, 3, 4, 8]))).toThrow("larger than the padded input");
    expect(() => conv.forward(image([3, 8]))).toThrow("(N, C, H, W)");
    expect(
      () => new nn.Conv2d({ inChannels: 3, outChannels: 4, kernelSize: 1, groups: 2 }),
    ).toThrow("divide into 2 groups");
    const x = image([1, 1, 4, 4]);
    expect(() => ops.maxPool2d(x, { kernelSize: 2, padding: 2 })).toThrow("half the kernel");
    expect(() => ops.adaptiveAvgPool2d(x, 0)).toThrow("positive whole numbers");
    const kernel = image([1, 1, 3, 3]);
    const same = { padding: "same", stride: 2 } as const;
    expect(() => ops.conv2d(x, kernel, undefined, same)).toThrow("needs stride 1");
  });
});

describe("max pooling", () => {
  test("gives the gradient of equal elements to the first, row by row", async () => {
    const x = tensor(new Float32Array(25), [1, 1, 5, 5]);
    const y = ops.maxPool2d(x, { kernelSize: 3, stride: 2 });
    const { data } = await evaluate(gradients(y.sum(), [x])[0]);
    const first = [0, 2, 10, 12];
    close(
      data,
      Array.from({ length: 25 }, (_, i) => Number(first.includes(i))),
    );
  });
});

describe("batch norm", () => {
  const x = tensor([1, 2, 3, 6, 10, 20, 30, 40], [4, 2]);
  const columns = [
    [1, 3, 10, 30],
    [2, 6, 20, 40],
  ];
  const means = [11, 17];

  test("keeps PyTorch's buffers and updates them by the unbiased variance", async () => {
    const norm = new nn.BatchNorm1d({ numFeatures: 2 });
    expect(shapes(norm)).toEqual({
      weight: [2],
      bias: [2],
      running_mean: [2],
      running_var: [2],
      num_batches_tracked: [],
    });
    const { updates } = nn.trace(norm, () => norm.forward(x));
    const [mean, variance, seen] = await evaluate([
      updates.get("running_mean")!,
      updates.get("running_var")!,
      updates.get("num_batches_tracked")!,
    ]);
    close(
      mean.data,
      means.map((m) => 0.1 * m),
    );
    const unbiased = columns.map((values, c) => {
      return values.reduce((sum, v) => sum + (v - means[c]) ** 2, 0) / 3;
    });
    close(
      variance.data,
      unbiased.map((v) => 0.9 + 0.1 * v),
    );
    expect(Number(seen.data[0])).toBe(1);
  });

  test("without momentum averages all batches", async () => {
    const norm = new nn.BatchNorm1d({ numFeatures: 2, momentum: null });
    (norm.num_batches_tracked!.data as BigInt64Array)[0] = 3n;
    const { updates } = nn.trace(norm, () => norm.forward(x));
    const { data } = await evaluate(updates.get("running_mean")!);
    close(
      data,
      means.map((m) => m / 4),
    );
  });

  test("uses running statistics in evaluation, the batch's own where there are none", async () => {
    const norm = new nn.BatchNorm1d({ numFeatures: 2, eps: 0, affine: false }).eval();
    (norm.running_mean!.data as Float32Array).set([1, 2]);
    (norm.running_var!.data as Float32Array).set([4, 16]);
    close((await evaluate(norm.forward(x))).data.slice(0, 4), [0, 0, 1, 1]);
    const own = new nn.BatchNorm1d({ numFeatures: 2, trackRunningStats: false }).eval();
    expect([...own.stateDict().keys()]).toEqual(["weight", "bias"]);
    const { data } = await evaluate(own.forward(x).mean({ dim: 0 }));
    close(data, [0, 0]);
  });

  test("refuses a batch of one value a channel, and other ranks", () => {
    const norm = new nn.BatchNorm2d({ numFeatures: 2 });
    expect(() => norm.forward(image([1, 2, 1, 1]))).toThrow("no variance");
    expect(() => norm.forward(x)).toThrow("takes rank 4");
    expect(() => norm.forward(image([1, 3, 2, 2]))).toThrow("3 channels");
  });
});

test("dropout of channels sets all of a channel to zero, or none", async () => {
  const drop = new nn.Dropout2d({ p: 0.5 });
  const y = drop.forward(tensor(new Float32Array(64).fill(1), [2, 8, 2, 2]));
  const { data } = await evaluate(y, { seed: 1 });
  const channels = Array.from({ length: 16 }, (_, c) =>
    [...data.slice(4 * c, 4 * c + 4)].map(Number),
  );
  for (const values of channels) expect(new Set(values).size).toBe(1);
  expect(new Set(channels.map(([value]) => value))).toEqual(new Set([0, 2]));
  expect(drop.eval().forward(y)).toBe(y);
});
