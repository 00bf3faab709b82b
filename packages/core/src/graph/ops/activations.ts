import { TensorlaneError } from "../../errors.ts";
import { onnxType } from "../../onnx/builder.ts";
import { normalizeAxis } from "../shape.ts";
import { apply, type Op, type Tensor, type TensorType } from "../tensor.ts";
import { add, erf, exp, greater, mul, sub, where } from "./elementwise.ts";
import { sum } from "./reduce.ts";
import { reshape } from "./shape.ts";

const floatOnly =
  (name: string) =>
  ([x]: readonly TensorType[]): readonly TensorType[] => {
    if (x.dtype !== "float32") {
      throw new TensorlaneError(
        `${name}: takes float32, received ${x.dtype}; convert with .cast("float32")`,
      );
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  };

export const reluOp: Op = {
  name: "relu",
  infer: floatOnly("relu"),
  gradient: ({ grad, outputs: [y] }) => [apply(reluGradientOp, [grad, y], {})[0]],
  lower: (onnx, inputs) => onnx.node("Relu", inputs),
};
/** The gradient where y is positive, 0 elsewhere; both of one shape. */
export const reluGradientOp: Op = {
  name: "reluGradient",
  infer: floatOnly("reluGradient"),
  gradient: ({ grad, inputs: [, y] }) => [apply(reluGradientOp, [grad, y], {})[0], null],
  lower: (onnx, [grad, y]) => {
    const positive = onnx.node("Greater", [y, onnx.builder.scalar(0)]);
    return onnx.node("Mul", [grad, onnx.node("Cast", positive, { to: onnxType.float32 })[0]]);
  },
};
/** max(x, 0). */
export const relu = (x: Tensor): Tensor => apply(reluOp, [x], {})[0];

export const sigmoidOp: Op = {
  name: "sigmoid",
  infer: floatOnly("sigmoid"),
  gradient: ({ grad, outputs: [y] }) => [mul(grad, mul(y, sub(1, y)))],
  lower: (onnx, inputs) => onnx.node("Sigmoid", inputs),
};
/** 1 / (1 + e^-x). */
export const sigmoid = (x: Tensor): Tensor => apply(sigmoidOp, [x], {})[0];

export const tanhOp: Op = {
  name: "tanh",
  infer: floatOnly("tanh"),
  gradient: ({ grad, outputs: [y] }) => [mul(grad, sub(1, mul(y, y)))],
  lower: (onnx, inputs) => onnx.node("Tanh", inputs),
};
/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => apply(tanhOp, [x], {})[0];

export const softplusOp: Op = {
  name: "softplus",
  infer: floatOnly("softplus"),
  gradient: ({ grad, inputs: [x] }) => [mul(grad, sigmoid(x))],
  lower: (onnx, inputs) => onnx.node("Softplus", inputs),
};
/** ln(1 + e^(beta x)) / beta; linear where beta x exceeds the threshold. */
export function softplus(x: Tensor, { beta = 1, threshold = 20 } = {}): Tensor {
  const scaled = mul(x, beta);
  const isLinear = greater(scaled, threshold);
  // The inner choice keeps the branch that is not taken finite.
  const smooth = apply(softplusOp, [where(isLinear, 0, scaled)], {})[0];
  return where(isLinear, x, mul(smooth, 1 / beta));
}

/** x where positive, slope · x elsewhere. */
export const leakyRelu = (x: Tensor, negativeSlope = 0.01): Tensor =>
  where(greater(x, 0), x, mul(x, negativeSlope));

/** x where positive, alpha (e^x - 1) elsewhere. */
export function elu(x: Tensor, alpha = 1): Tensor {
  const isLinear = greater(x, 0);
  return where(isLinear, x, mul(sub(exp(where(isLinear, 0, x)), 1), alpha));
}

/** x · Φ(x): exact, or the tanh approximation. */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  if (approximate === "none") return mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));
  const inner = mul(add(x, mul(mul(x, mul(x, x)), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}

interface AlongAxis {
  readonly axis: number;
}
export const softmaxOp: Op<AlongAxis> = {
  name: "softmax",
  infer: floatOnly("softmax"),
  gradient: ({ grad, outputs: [y], attrs: { axis } }) => {
    const weighted = mul(grad, y);
    return [sub(weighted, mul(y, sum(weighted, { dim: axis, keepdim: true })))];
  },
  lower: (onnx, inputs, { axis }) => onnx.node("Softmax", inputs, { axis }),
};
/** ONNX knows no softmax of a scalar. */
function alongAxis(op: Op<AlongAxis>, x: Tensor, dim: number): Tensor {
  const axis = normalizeAxis(op.name, dim, x.rank);
  const y = apply(op, [x.rank === 0 ? reshape(x, [1]) : x], { axis })[0];
  return reshape(y, x.shape);
}
/** e^x / Σ e^x along an axis. */
export const softmax = (x: Tensor, dim = -1): Tensor => alongAxis(softmaxOp, x, dim);

export const logSoftmaxOp: Op<AlongAxis> = {
  name: "logSoftmax",
  infer: floatOnly("logSoftmax"),
  gradient: ({ grad, outputs: [y], attrs: { axis } }) => [
    sub(grad, mul(exp(y), sum(grad, { dim: axis, keepdim: true }))),
  ],
  lower: (onnx, inputs, { axis }) => onnx.node("LogSoftmax", inputs, { axis }),
};
/** The logarithm of softmax, safe for large values. */
export const logSoftmax = (x: Tensor, dim = -1): Tensor => alongAxis(logSoftmaxOp, x, dim);
