import type { Conv2dOptions, ConvTranspose2dOptions } from "../../ops/conv.ts";
import * as ops from "../../ops/index.ts";
import type { AvgPool2dOptions, MaxPool2dOptions } from "../../ops/pool.ts";
import type { Input, OpCase } from "../checkOp.ts";
import { at, build, indices, type Nd, sum } from "../ndarray.ts";

type Two = readonly [number, number];
const both = (value: number | Two | null | undefined, fallback: number | Two): Two => {
  const given = value ?? fallback;
  return typeof given === "number" ? [given, given] : given;
};

/** An element of an image, `outside` beyond its edges. */
const pixel = (x: Nd, n: number, c: number, h: number, w: number, outside = 0): number =>
  h < 0 || w < 0 || h >= x.shape[2] || w >= x.shape[3] ? outside : at4(x, n, c, h, w);
const at4 = ({ shape: [, c, h, w], data }: Nd, ...[i, j, k, l]: number[]): number =>
  data[((i * c + j) * h + k) * w + l];

function convolve(x: Nd, weight: Nd, bias: Nd | undefined, options: Conv2dOptions): Nd {
  const stride = both(options.stride, 1);
  const dilation = both(options.dilation, 1);
  const groups = options.groups ?? 1;
  const [k, perGroup, ...kernel] = weight.shape;
  const spans = kernel.map((n, i) => dilation[i] * (n - 1));
  const named = options.padding === "same" || options.padding === "valid";
  const total = spans.map((n, i) =>
    named ? (options.padding === "same" ? n : 0) : 2 * both(options.padding as number | Two, 0)[i],
  );
  const before = total.map((n) => Math.floor(n / 2));
  const out = [0, 1].map((i) =>
    Math.floor((x.shape[2 + i] + total[i] - spans[i] - 1) / stride[i] + 1),
  );
  return build([x.shape[0], k, ...out], ([n, o, y, z]) => {
    const group = Math.floor(o / (k / groups));
    const terms = [...indices([perGroup, ...kernel])].map(([c, i, j]) => {
      const h = y * stride[0] + i * dilation[0] - before[0];
      const w = z * stride[1] + j * dilation[1] - before[1];
      return pixel(x, n, group * perGroup + c, h, w) * at4(weight, o, c, i, j);
    });
    return sum(terms) + (bias ? bias.data[o] : 0);
  });
}

/** Every input element adds its multiple of the kernel: the definition, not a gradient. */
function transposed(x: Nd, weight: Nd, bias: Nd | undefined, options: ConvTranspose2dOptions): Nd {
  const [stride, dilation] = [both(options.stride, 1), both(options.dilation, 1)];
  const [padding, extra] = [both(options.padding, 0), both(options.outputPadding, 0)];
  const groups = options.groups ?? 1;
  const [k, perGroup, ...kernel] = weight.shape;
  const out = [0, 1].map(
    (i) =>
      (x.shape[2 + i] - 1) * stride[i] -
      2 * padding[i] +
      dilation[i] * (kernel[i] - 1) +
      extra[i] +
      1,
  );
  return build([x.shape[0], perGroup * groups, ...out], ([n, o, y, z]) => {
    const [group, c] = [Math.floor(o / perGroup), o % perGroup];
    const terms = [...indices([k / groups, ...kernel])].map(([m, i, j]) => {
      const h = (y + padding[0] - i * dilation[0]) / stride[0];
      const w = (z + padding[1] - j * dilation[1]) / stride[1];
      if (h % 1 !== 0 || w % 1 !== 0) return 0;
      const from = group * (k / groups) + m;
      return pixel(x, n, from, h, w) * at4(weight, from, c, i, j);
    });
    return sum(terms) + (bias ? bias.data[o] : 0);
  });
}

const conv = (
  x: Input,
  weight: readonly number[],
  options: Conv2dOptions,
  bias = true,
): OpCase => ({
  name: "conv2d",
  inputs: bias ? [x, weight, [weight[0]]] : [x, weight],
  run: (image, w, b) => ops.conv2d(image, w, b, options),
  reference: (image, w, b) => convolve(image, w, b, options),
});
const convT = (x: Input, weight: readonly number[], options: ConvTranspose2dOptions): OpCase => ({
  name: "convTranspose2d",
  inputs: [x, weight, [weight[1] * (options.groups ?? 1)]],
  run: (image, w, b) => ops.convTranspose2d(image, w, b, options),
  reference: (image, w, b) => transposed(image, w, b, options),
});

/** Windows of a pool: outputs a side, and where each begins (PyTorch's rule for ceil mode). */
function windows(x: Nd, options: MaxPool2dOptions & AvgPool2dOptions) {
  const kernel = both(options.kernelSize, 1);
  const stride = both(options.stride, kernel);
  const [padding, dilation] = [both(options.padding, 0), both(options.dilation, 1)];
  const out = [0, 1].map((i) => {
    const size = x.shape[2 + i];
    const steps = (size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i];
    if (!options.ceilMode) return Math.floor(steps) + 1;
    const up = Math.ceil(steps) + 1;
    return (up - 1) * stride[i] >= size + padding[i] ? up - 1 : up;
  });
  return { kernel, stride, padding, dilation, out };
}

function largest(x: Nd, options: MaxPool2dOptions): Nd {
  const { kernel, stride, padding, dilation, out } = windows(x, options);
  return build([...x.shape.slice(0, 2), ...out], ([n, c, y, z]) => {
    const values = [...indices(kernel)].map(([i, j]) => {
      const h = y * stride[0] + i * dilation[0] - padding[0];
      return pixel(x, n, c, h, z * stride[1] + j * dilation[1] - padding[1], -Infinity);
    });
    return Math.max(...values);
  });
}

function average(x: Nd, options: AvgPool2dOptions): Nd {
  const { kernel, stride, padding, out } = windows(x, options);
  const { countIncludePad = true } = options;
  return build([...x.shape.slice(0, 2), ...out], ([n, c, y, z]) => {
    const inside = [...indices(kernel)].flatMap(([i, j]) => {
      const [h, w] = [y * stride[0] + i - padding[0], z * stride[1] + j - padding[1]];
      const margin = countIncludePad ? padding : [0, 0];
      const counts =
        h >= -margin[0] &&
        w >= -margin[1] &&
        h < x.shape[2] + margin[0] &&
        w < x.shape[3] + margin[1];
      return counts ? [pixel(x, n, c, h, w)] : [];
    });
    return sum(inside) / (options.divisorOverride ?? inside.length);
  });
}

const maxPool = (x: Input, options: MaxPool2dOptions): OpCase => ({
  name: "maxPool2d",
  inputs: [x],
  run: (image) => ops.maxPool2d(image, options),
  reference: (image) => largest(image, options),
});
const avgPool = (x: Input, options: AvgPool2dOptions): OpCase => ({
  name: "avgPool2d",
  inputs: [x],
  run: (image) => ops.avgPool2d(image, options),
  reference: (image) => average(image, options),
});
const adaptive = (
  x: readonly number[],
  size: number | readonly [number | null, number | null],
) => ({
  name: "adaptiveAvgPool2d",
  inputs: [x],
  run: (image: Parameters<OpCase["run"]>[0]) => ops.adaptiveAvgPool2d(image, size),
  reference: (image: Nd): Nd => {
    const wanted = typeof size === "number" ? [size, size] : size;
    const out = wanted.map((n, i) => n ?? image.shape[2 + i]);
    return build([...image.shape.slice(0, 2), ...out], ([n, c, ...place]) => {
      const sides = place.map((i, axis) => {
        const length = image.shape[2 + axis];
        const from = Math.floor((i * length) / out[axis]);
        const to = Math.ceil(((i + 1) * length) / out[axis]);
        return Array.from({ length: to - from }, (_, k) => from + k);
      });
      const values = sides[0].flatMap((h) => sides[1].map((w) => at4(image, n, c, h, w)));
      return sum(values) / values.length;
    });
  },
});

const normalized = (
  x: Nd,
  mean: readonly number[],
  variance: readonly number[],
  [weight, bias]: readonly (Nd | undefined)[],
  eps: number,
): Nd =>
  build(x.shape, (index) => {
    const c = index[1];
    const unit = (at(x, index) - mean[c]) / Math.sqrt(variance[c] + eps);
    return unit * (weight?.data[c] ?? 1) + (bias?.data[c] ?? 0);
  });

function statistics(x: Nd) {
  const channels = Array.from({ length: x.shape[1] }, (_, c) =>
    [...indices(x.shape)].filter((index) => index[1] === c).map((index) => at(x, index)),
  );
  const mean = channels.map((values) => sum(values) / values.length);
  const variance = channels.map(
    (values, c) => sum(values.map((v) => (v - mean[c]) ** 2)) / values.length,
  );
  return { mean, variance };
}

const batchNormTrain = (x: readonly number[], affine: boolean, eps: number): OpCase => ({
  name: "batchNormTrain",
  inputs: affine ? [x, [x[1]], [x[1]]] : [x],
  run: (image, weight, bias) => {
    const { y, mean, variance } = ops.batchNormTrain(image, { weight, bias, eps });
    return [y, mean, variance];
  },
  reference: (image, ...rest) => {
    const { mean, variance } = statistics(image);
    const vector = (data: readonly number[]): Nd => ({ shape: [data.length], data });
    return [normalized(image, mean, variance, rest, eps), vector(mean), vector(variance)];
  },
});

const lrn = (x: readonly number[], options: Required<ops.LocalResponseNormOptions>): OpCase => ({
  name: "localResponseNorm",
  inputs: [x],
  run: (image) => ops.localResponseNorm(image, options),
  reference: (image) =>
    build(image.shape, (index) => {
      const { size, alpha, beta, k } = options;
      const from = index[1] - Math.floor(size / 2);
      const near = Array.from({ length: size }, (_, i) => from + i).filter(
        (c) => c >= 0 && c < image.shape[1],
      );
      const squares = near.map((c) => at(image, index.with(1, c)) ** 2);
      return at(image, index) / (k + (alpha / size) * sum(squares)) ** beta;
    }),
});

// Nine channels are too many for a weight gradient as a convolution: both forms are tested.
export const images: readonly OpCase[] = [
  conv([2, 2, 4, 5], [3, 2, 3, 2], {}, false),
  conv([1, 2, 5, 4], [2, 2, 3, 3], { stride: 2, padding: [1, 2] }),
  conv([1, 1, 6, 6], [2, 1, 2, 3], { stride: [3, 2], dilation: [2, 1], padding: 1 }),
  conv([1, 6, 4, 4], [4, 3, 2, 2], { groups: 2, padding: "same" }),
  conv([2, 9, 3, 3], [2, 9, 1, 1], { stride: 2 }),
  conv([1, 9, 3, 4], [2, 9, 2, 2], { padding: "valid", stride: [1, 2] }),
  conv([1, 9, 6, 5], [2, 9, 3, 2], { dilation: [2, 1], padding: "same" }),
  // More padding than the kernel reaches, and rows that lie under no window.
  conv([1, 9, 2, 2], [2, 9, 1, 2], { padding: 2 }),
  conv([1, 2, 6, 7], [2, 2, 2, 2], { stride: 4 }),
  conv([1, 3, 4, 4], [3, 1, 3, 3], { groups: 3, padding: 1 }),
  convT([1, 3, 2, 3], [3, 2, 2, 3], {}),
  convT([1, 2, 3, 2], [2, 2, 3, 2], { stride: [2, 3], padding: 1, outputPadding: [1, 2] }),
  convT([1, 4, 2, 2], [4, 2, 2, 2], { groups: 2, dilation: 2 }),
  convT([2, 6, 2, 2], [6, 1, 2, 2], { stride: 2 }),
  convT([1, 2, 2, 2], [2, 9, 2, 2], { stride: 2 }),
  {
    name: "conv2d",
    inputs: [
      [2, 3, 3],
      [2, 2, 2, 2],
    ],
    run: (x, w) => ops.conv2d(x, w),
    reference: (x, w) => {
      const { shape, data } = convolve({ ...x, shape: [1, ...x.shape] }, w, undefined, {});
      return { shape: shape.slice(1), data };
    },
  },
  maxPool([2, 2, 4, 6], { kernelSize: 2 }),
  maxPool([1, 2, 7, 6], { kernelSize: 3, stride: 2 }),
  maxPool([1, 1, 6, 7], { kernelSize: 3, stride: 2, padding: 1, ceilMode: true }),
  maxPool([1, 1, 5, 5], { kernelSize: [3, 2], stride: [1, 3], padding: [1, 0] }),
  maxPool([1, 1, 8, 9], { kernelSize: 2, stride: [3, 1], dilation: [2, 3], ceilMode: true }),
  maxPool([1, 1, 7, 7], { kernelSize: 2, stride: 4, dilation: 3, ceilMode: true, padding: 1 }),
  avgPool([2, 2, 4, 6], { kernelSize: 2 }),
  avgPool([1, 2, 7, 5], { kernelSize: 3, stride: 2, padding: 1 }),
  avgPool([1, 1, 6, 7], { kernelSize: 3, stride: 2, padding: 1, ceilMode: true }),
  avgPool([1, 1, 6, 7], { kernelSize: [3, 2], stride: 2, padding: 1, countIncludePad: false }),
  avgPool([1, 1, 5, 5], { kernelSize: 2, ceilMode: true, divisorOverride: 3 }),
  adaptive([1, 2, 4, 3], 1),
  adaptive([1, 2, 4, 6], [2, 3]),
  adaptive([2, 1, 5, 3], [3, 4]),
  adaptive([1, 1, 5, 3], [null, 2]),
  adaptive([1, 1, 2, 3], [null, null]),
  batchNormTrain([3, 2, 2, 2], true, 1e-5),
  batchNormTrain([4, 3], true, 0.1),
  batchNormTrain([2, 2, 3], false, 1e-3),
  {
    name: "batchNorm",
    inputs: [[2, 2, 3, 2], [2], { shape: [2], range: [0.5, 1.5] }, [2], [2]],
    run: (x, mean, variance, weight, bias) => ops.batchNorm(x, mean, variance, { weight, bias }),
    reference: (x, mean, variance, ...rest) => normalized(x, mean.data, variance.data, rest, 1e-5),
  },
  {
    name: "batchNorm",
    inputs: [[3, 2], [2], { shape: [2], range: [0.5, 1.5] }],
    run: (x, mean, variance) => ops.batchNorm(x, mean, variance, { eps: 0.5 }),
    reference: (x, mean, variance) => normalized(x, mean.data, variance.data, [], 0.5),
  },
  lrn([1, 7, 2, 2], { size: 5, alpha: 0.5, beta: 0.75, k: 1 }),
  lrn([1, 6, 1, 2], { size: 4, alpha: 0.8, beta: 0.5, k: 2 }),
  lrn([2, 3, 4], { size: 3, alpha: 1, beta: 1.5, k: 0.5 }),
];
