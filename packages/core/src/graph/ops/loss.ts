import { TensorlaneError } from "../../errors.ts";
import { format, sameShape } from "../dim.ts";
import { apply, type Op, type Tensor } from "../tensor.ts";
import { add, clamp, div, exp, log, mul, neg, sub } from "./elementwise.ts";
import { scatterAdd } from "./indexing.ts";
import { sum } from "./reduce.ts";

interface AlongAxis {
  readonly axis: number;
}

/**
 * -logSoftmax(x) at one index along an axis, and logSoftmax itself. An operator of its own because its
 * gradient, softmax - one-hot, then takes one copy and a few scattered elements; put together from gather
 * and logSoftmax it would pass over a tensor of zeros four more times.
 */
export const softmaxNllOp: Op<AlongAxis> = {
  name: "softmaxNll",
  infer: ([x, index], { axis }) => {
    const wanted = x.shape.with(axis, 1);
    if (!sameShape(index.shape, wanted)) {
      throw new TensorlaneError(
        `softmaxNll: x ${format(x.shape)} needs indices ${format(wanted)}, received ${format(index.shape)}`,
      );
    }
    return [
      { dtype: x.dtype, shape: wanted },
      { dtype: x.dtype, shape: x.shape },
    ];
  },
  gradient: ({
    grads: [atIndex, everywhere],
    inputs: [, index],
    outputs: [, y],
    attrs: { axis },
  }) => {
    const probability = exp(y);
    let scale = atIndex;
    if (everywhere) {
      const total = sum(everywhere, { dim: axis, keepdim: true });
      scale = scale ? sub(scale, total) : neg(total);
    }
    if (!scale) return [];
    const spread = mul(probability, scale);
    const both = everywhere ? add(spread, everywhere) : spread;
    return [atIndex ? scatterAdd(both, axis, index, neg(atIndex)) : both];
  },
  lower: (onnx, [x, index], { axis }) => {
    const [y] = onnx.node("LogSoftmax", [x], { axis });
    const [picked] = onnx.node("GatherElements", [y, index], { axis });
    return [onnx.node("Neg", [picked])[0], y];
  },
};
/** -log softmax(x)[index] with the axis kept as size 1, and log softmax(x). */
export function softmaxNll(
  x: Tensor,
  axis: number,
  index: Tensor,
): { readonly nll: Tensor; readonly logProbabilities: Tensor } {
  const [nll, logProbabilities] = apply(softmaxNllOp, [x, index], { axis });
  return { nll, logProbabilities };
}

/** PyTorch holds logarithms in binary cross entropy above this. */
const LOWEST_LOG = -100;

/**
 * -(t · ln p + (1 - t) · ln(1 - p)) with logarithms held above -100. An operator of its own because its
 * gradient (p - t) / max(p (1 - p), 1e-12) is finite where that of the logarithms is not.
 */
export const binaryCrossEntropyOp: Op = {
  name: "binaryCrossEntropy",
  infer: ([p]) => [p],
  gradient: ({ grad, inputs: [p, t], needs }) => {
    const spread = clamp(mul(p, sub(1, p)), { min: 1e-12 });
    const held = (x: Tensor) => clamp(log(x), { min: LOWEST_LOG });
    return [
      needs[0] ? mul(grad, div(sub(p, t), spread)) : null,
      needs[1] ? mul(grad, sub(held(sub(1, p)), held(p))) : null,
    ];
  },
  lower: (onnx, [p, t]) => {
    const { builder } = onnx;
    const [one, lowest] = [builder.scalar(1), builder.scalar(LOWEST_LOG)];
    const held = (x: string) => onnx.node("Clip", [onnx.node("Log", [x])[0], lowest])[0];
    const [yes] = onnx.node("Mul", [t, held(p)]);
    const [no] = onnx.node("Mul", [
      onnx.node("Sub", [one, t])[0],
      held(onnx.node("Sub", [one, p])[0]),
    ]);
    return onnx.node("Neg", onnx.node("Add", [yes, no]));
  },
};
export const binaryCrossEntropy = (p: Tensor, target: Tensor): Tensor =>
  apply(binaryCrossEntropyOp, [p, target], {})[0];
