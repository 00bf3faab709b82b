import { convOp } from "../../graph/ops/conv.ts";
import type { Node, Op, Tensor } from "../../graph/tensor.ts";
import type { Blocks, Images } from "./layout.ts";

/**
 * Elements that are summed one after the other (or one row, where that is longer); such sums are then added.
 * Long runs lose digits: with 1024, ResNet-18's golden training left its tolerance.
 */
const RUN = 64;

/** Images as many small ones, of whole rows. */
function cut([n, c, height, width]: Images): { readonly lines: number; readonly count: number } {
  let lines = height;
  for (let parts = 1; parts <= height; parts++) {
    if (height % parts !== 0) continue;
    lines = height / parts;
    if (lines * width <= RUN) break;
  }
  return { lines, count: n * c * (height / lines) };
}

/** (N, C / B, parts, B), however spread -> (C): the sum or the mean of each channel's. */
function gather(
  blocks: Blocks,
  by: "ReduceSum" | "ReduceMean",
  parts: string,
  [n, c]: Images,
  count: number,
): string {
  const spread = blocks.reshape(parts, [n, c / blocks.size, count / (n * c), blocks.size]);
  const axes = [0, 2];
  // In opset 17 the axes of a mean are an attribute, those of a sum an input.
  const gathered =
    by === "ReduceMean"
      ? blocks.standard(by, [spread], { axes, keepdims: 0 })
      : blocks.standard(by, [spread, blocks.onnx.builder.ints(axes)], { keepdims: 0 });
  return blocks.reshape(gathered, [c]);
}

/** The mean of a over all but the channels, (C): that of the means of equal parts. */
function meanOf(blocks: Blocks, a: string, images: Images): string {
  const { lines, count } = cut(images);
  const parts = blocks.reshape(a, [1, count, lines, images[3]]);
  return gather(blocks, "ReduceMean", blocks.node("GlobalAveragePool", [parts]), images, count);
}

/**
 * Σ a · b over all but the channels, (C), in one pass: a convolution of every channel with a kernel of its
 * own, as large as the image; such kernels lie in memory as blocked images do.
 */
function dot(blocks: Blocks, a: string, b: string, images: Images): string {
  const { lines, count } = cut(images);
  const size = [lines, images[3]];
  const kernel = blocks.reshape(b, [count, 1, ...size]);
  const parts = blocks.reshape(a, [1, count, ...size]);
  const dots = blocks.convolve(parts, kernel, {}, { kernel_shape: size, group: count });
  return gather(blocks, "ReduceSum", dots, images, count);
}

const times = (blocks: Blocks, x: string, factor: number): string =>
  blocks.standard("Mul", [x, blocks.onnx.builder.scalar(factor)]);
const product = (blocks: Blocks, ...factors: readonly string[]): string =>
  factors.reduce((a, b) => blocks.standard("Mul", [a, b]));

/** x - mean, for every channel: the same node in both directions, so it runs once. */
const centred = (blocks: Blocks, x: string, mean: string, c: number): string =>
  blocks.affine(x, 1, { bias: blocks.standard("Neg", [mean]) }, c);

const inverseOf = (blocks: Blocks, variance: string, eps: number): string => {
  const shifted = blocks.standard("Add", [variance, blocks.onnx.builder.scalar(eps)]);
  return blocks.standard("Reciprocal", [blocks.standard("Sqrt", [shifted])]);
};

const valuesOf = ([n, , height, width]: Images): number => n * height * width;

/**
 * Batch norm with given statistics, a scale and a shift: in the kernel and bias of the convolution before it where those are
 * constants, else in one pass that also takes a sum and a ReLU along.
 */
export function batchNormRule(blocks: Blocks, node: Node): boolean {
  const [x, weight, bias, mean, variance] = blocks.inputsOf(node);
  if (!blocks.isImage(x)) return false;
  const { eps } = node.attrs as { readonly eps: number };
  const [gain, offset, centre, spread] = [weight, bias, mean, variance].map((tensor) =>
    blocks.onnx.nameOf(tensor),
  );
  const scale = product(blocks, gain, inverseOf(blocks, spread, eps));
  const shift = blocks.standard("Sub", [offset, product(blocks, centre, scale)]);
  const emit = isConvOfConstants(blocks, x) ? blocks.sole(x) : undefined;
  const channels = x.shape[1] as number;
  blocks.defer(node.outputs[0], (fused) =>
    emit
      ? emit({ ...fused, scaling: { scale, shift } })
      : blocks.affine(blocks.blocked(x), scale, { bias: shift, ...fused }, channels),
  );
  return true;
}

/** A convolution whose kernel is a constant. */
const isConvOfConstants = (blocks: Blocks, { node }: Tensor): boolean =>
  node.op === (convOp as unknown as Op) && blocks.onnx.isFixed(blocks.inputsOf(node)[1]);

/** Batch norm in training: four passes, of which the last also takes a ReLU along. */
export function batchNormTrainRule(blocks: Blocks, node: Node): boolean {
  const [x, weight, bias] = blocks.inputsOf(node);
  const images = blocks.imagesOf(x);
  if (!images || !blocks.has(x)) return false;
  const [, c] = images;
  const [y, meanOut, varianceOut] = node.outputs;
  const mean = meanOf(blocks, blocks.blocked(x), images);
  const around = centred(blocks, blocks.blocked(x), mean, c);
  const sum = dot(blocks, around, around, images);
  const variance = times(blocks, sum, 1 / valuesOf(images));
  const inverse = inverseOf(blocks, variance, (node.attrs as { eps: number }).eps);
  const scale = product(blocks, blocks.onnx.nameOf(weight), inverse);
  const shift = blocks.onnx.nameOf(bias);
  blocks.onnx.define(meanOut, mean);
  blocks.onnx.define(varianceOut, variance);
  blocks.defer(y, (fused) => blocks.affine(around, scale, { bias: shift, ...fused }, c));
  return true;
}

/**
 * dx = scale · grad + slope · centred + shift, see batchNormGradientOp: two sums in two passes, and two
 * passes for the result.
 */
export function batchNormGradientRule(blocks: Blocks, node: Node): boolean {
  const [grad, x, weight, mean, variance] = blocks.inputsOf(node);
  const images = blocks.imagesOf(x);
  if (!images || !blocks.has(x)) return false;
  const [, c] = images;
  const { onnx } = blocks;
  const count = valuesOf(images);
  const around = centred(blocks, blocks.blocked(x), onnx.nameOf(mean), c);
  const upstream = blocks.blocked(grad);
  const meanSlope = meanOf(blocks, upstream, images);
  const along = dot(blocks, upstream, around, images);
  const inverse = inverseOf(blocks, onnx.nameOf(variance), (node.attrs as { eps: number }).eps);
  const scale = product(blocks, onnx.nameOf(weight), inverse);
  const ofWeight = product(blocks, along, inverse);
  const slope = times(blocks, product(blocks, scale, inverse, ofWeight), -1 / count);
  const shift = blocks.standard("Neg", [product(blocks, scale, meanSlope)]);
  const rest = blocks.affine(around, slope, { bias: shift }, c);
  blocks.hold(node.outputs[0], blocks.affine(upstream, scale, { sum: rest }, c));
  onnx.define(node.outputs[1], ofWeight);
  onnx.define(node.outputs[2], times(blocks, meanSlope, count));
  return true;
}

/** relu's gradient in two passes; the mask is 1 for every normal positive number, in one. */
export function reluGradientRule(blocks: Blocks, node: Node): boolean {
  const [grad, y] = blocks.inputsOf(node);
  const isHeld = blocks.imagesOf(y) && (blocks.has(grad) || blocks.has(y));
  const [upstream, value] = [grad, y].map((t) =>
    isHeld ? blocks.blocked(t) : blocks.onnx.nameOf(t),
  );
  const result = blocks.standard("Mul", [upstream, blocks.positive(value)]);
  if (isHeld) blocks.hold(node.outputs[0], result);
  else blocks.onnx.define(node.outputs[0], result);
  return true;
}
