import { TensorlaneError } from "../../errors.ts";
import { f32 } from "../../onnx/builder.ts";
import { format, sameShape } from "../dim.ts";
import { apply, type Op, type Tensor } from "../tensor.ts";
import { abs, add, equal, mul, pow, reciprocal, sqrt, square, sub, where } from "./elementwise.ts";
import { amax, mean, type ReduceOptions, sum } from "./reduce.ts";

interface LayerNorm {
  /** First of the normalised axes. */
  readonly axis: number;
  readonly eps: number;
}

export const layerNormOp: Op<LayerNorm> = {
  name: "layerNorm",
  infer: ([x, weight, bias], { axis }) => {
    for (const tensor of [weight, bias]) {
      if (!sameShape(tensor.shape, x.shape.slice(axis))) {
        throw new TensorlaneError(
          `layerNorm: weight and bias must have the shape of the normalised axes ` +
            `${format(x.shape.slice(axis))}, received ${format(tensor.shape)}`,
        );
      }
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  gradient: ({ grad, inputs: [x, weight], attrs: { axis, eps } }) => {
    const dim = x.shape.map((_, i) => i).slice(axis);
    const over = { dim, keepdim: true };
    const centred = sub(x, mean(x, over));
    const inverse = reciprocal(sqrt(add(mean(square(centred), over), eps)));
    const normal = mul(centred, inverse);
    const g = mul(grad, weight);
    // Ba et al. 2016: the gradient without its parts along the mean and along the normalised input.
    const projected = sub(sub(g, mean(g, over)), mul(normal, mean(mul(g, normal), over)));
    return [mul(inverse, projected), mul(grad, normal), grad];
  },
  lower: (onnx, inputs, { axis, eps }) =>
    onnx.node("LayerNormalization", inputs, { axis, epsilon: f32(eps) }),
};
/** (x - mean) / sqrt(variance + eps) · weight + bias over the last axes, those of weight. */
export const layerNorm = (x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor =>
  apply(layerNormOp, [x, weight, bias], { axis: x.rank - weight.rank, eps })[0];

export interface NormOptions extends ReduceOptions {
  /** 2 by default; 1, Infinity and any other positive number too. */
  readonly p?: number;
}
/** The p-norm over axes (all, where none are given). Its gradient where it is 0 is 0, as in PyTorch. */
export function norm(x: Tensor, { p = 2, dim, keepdim }: NormOptions = {}): Tensor {
  const over = { dim, keepdim };
  if (p === Infinity) return amax(abs(x), over);
  if (p === 1) return sum(abs(x), over);
  if (!(p > 0)) throw new TensorlaneError(`norm: p must be positive, received ${p}`);
  const total = sum(p === 2 ? square(x) : pow(abs(x), p), over);
  const isZero = equal(total, 0);
  // The root's slope at 0 is infinite: it is never taken there.
  const safe = where(isZero, 1, total);
  return where(isZero, 0, p === 2 ? sqrt(safe) : pow(safe, 1 / p));
}
