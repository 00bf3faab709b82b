import { TensorlaneError } from "../../errors.ts";
import type { Lowering } from "../../onnx/lowering.ts";
import type { DType } from "../dtype.ts";
import { broadcast } from "../shape.ts";
import {
  apply,
  type GradientArgs,
  noGradient,
  type Op,
  type Tensor,
  type TensorType,
} from "../tensor.ts";
import { cast, constant } from "./create.ts";

/** A tensor, or a number that becomes a constant of the other operand's type. */
export type Operand = Tensor | number;

type Rule = (args: GradientArgs<object>) => readonly (Tensor | null)[];

const lowerTo =
  (type: string): Op["lower"] =>
  (onnx: Lowering, inputs) =>
    onnx.node(type, inputs);

function sameDtype(name: string, inputs: readonly TensorType[], allowed?: readonly DType[]): DType {
  const [first, ...others] = inputs;
  const odd = others.find((input) => input.dtype !== first.dtype);
  if (odd) {
    throw new TensorlaneError(
      `${name}: operands have types ${first.dtype} and ${odd.dtype}; convert one with .cast("${first.dtype}")`,
    );
  }
  if (allowed && !allowed.includes(first.dtype)) {
    throw new TensorlaneError(
      `${name}: takes ${allowed.join(" or ")}, received ${first.dtype}; convert with .cast("${allowed[0]}")`,
    );
  }
  return first.dtype;
}

const numeric: readonly DType[] = ["float32", "int32", "int64"];
const float: readonly DType[] = ["float32"];

/** A broadcasting operator of any number of inputs whose result has their type, or `result`. */
function elementwise(
  name: string,
  type: string,
  gradient: Rule,
  options: { readonly allowed?: readonly DType[]; readonly result?: DType } = {},
): Op {
  return {
    name,
    infer: (inputs) => {
      const dtype = sameDtype(name, inputs, options.allowed ?? numeric);
      const shape = broadcast(name, ...inputs.map((input) => input.shape));
      return [{ dtype: options.result ?? dtype, shape }];
    },
    gradient,
    lower: lowerTo(type),
  };
}

const unary = (name: string, type: string, rule: Rule): Op =>
  elementwise(name, type, rule, { allowed: float });

/** Makes both operands tensors of one type. */
function pair(a: Operand, b: Operand): [Tensor, Tensor] {
  if (typeof a === "number" && typeof b === "number") return [constant(a), constant(b)];
  if (typeof a === "number") return [constant(a, (b as Tensor).dtype), b as Tensor];
  if (typeof b === "number") return [a, constant(b, a.dtype)];
  return [a, b];
}
const binary =
  (op: Op) =>
  (a: Operand, b: Operand): Tensor =>
    apply(op, pair(a, b), {})[0];
const call =
  (op: Op) =>
  (x: Tensor): Tensor =>
    apply(op, [x], {})[0];

// Arithmetic ---------------------------------------------------------------------------------------

export const addOp = elementwise("add", "Add", ({ grad }) => [grad, grad]);
/** a + b, broadcast. */
export const add = binary(addOp);

export const subOp = elementwise("sub", "Sub", ({ grad, needs }) => [
  grad,
  needs[1] ? neg(grad) : null,
]);
/** a - b, broadcast. */
export const sub = binary(subOp);

export const mulOp = elementwise("mul", "Mul", ({ grad, inputs: [a, b], needs }) => [
  needs[0] ? mul(grad, b) : null,
  needs[1] ? mul(grad, a) : null,
]);
/** a · b, element by element, broadcast. */
export const mul = binary(mulOp);

export const divOp = elementwise("div", "Div", ({ grad, inputs: [, b], outputs: [y], needs }) => {
  const da = div(grad, b);
  return [da, needs[1] ? neg(mul(da, y)) : null];
});
/** a / b, broadcast. Integers are divided towards zero. */
export const div = binary(divOp);

export const powOp = elementwise(
  "pow",
  "Pow",
  ({ grad, inputs: [a, b], outputs: [y], needs }) => [
    mul(grad, mul(b, pow(a, sub(b, 1)))),
    // d/db a^b = a^b ln a; where a is 0 the slope is taken as 0, as PyTorch does.
    needs[1] ? mul(grad, where(equal(a, 0), 0, mul(y, log(where(equal(a, 0), 1, a))))) : null,
  ],
  { allowed: float },
);
/** a to the power b, broadcast. */
export const pow = binary(powOp);

// Where both operands are equal, each gets half, as in PyTorch.
const share = (wins: Tensor, ties: Tensor, grad: Tensor): Tensor =>
  mul(grad, add(cast(wins, "float32"), mul(cast(ties, "float32"), 0.5)));

export const maximumOp = elementwise("maximum", "Max", ({ grad, inputs: [a, b] }) => [
  share(greater(a, b), equal(a, b), grad),
  share(greater(b, a), equal(a, b), grad),
]);
/** The larger of two, element by element. */
export const maximum = binary(maximumOp);

export const minimumOp = elementwise("minimum", "Min", ({ grad, inputs: [a, b] }) => [
  share(less(a, b), equal(a, b), grad),
  share(less(b, a), equal(a, b), grad),
]);
/** The smaller of two, element by element. */
export const minimum = binary(minimumOp);

// Comparisons and logic: no gradient -----------------------------------------------------------------

const comparison = (name: string, type: string, allowed: readonly DType[] = numeric): Op =>
  elementwise(name, type, noGradient, { allowed, result: "bool" });
const any: readonly DType[] = [...numeric, "bool"];

export const equalOp = comparison("equal", "Equal", any);
export const greaterOp = comparison("greater", "Greater");
export const greaterEqualOp = comparison("greaterEqual", "GreaterOrEqual");
export const lessOp = comparison("less", "Less");
export const lessEqualOp = comparison("lessEqual", "LessOrEqual");
export const andOp = comparison("logicalAnd", "And", ["bool"]);
export const orOp = comparison("logicalOr", "Or", ["bool"]);
export const notOp = comparison("logicalNot", "Not", ["bool"]);
export const isNanOp = comparison("isNan", "IsNaN", float);
/** a = b, as bool. */
export const equal = binary(equalOp);
/** a > b, as bool. */
export const greater = binary(greaterOp);
/** a ≥ b, as bool. */
export const greaterEqual = binary(greaterEqualOp);
/** a < b, as bool. */
export const less = binary(lessOp);
/** a ≤ b, as bool. */
export const lessEqual = binary(lessEqualOp);
export const logicalAnd = binary(andOp);
export const logicalOr = binary(orOp);
export const logicalNot = call(notOp);
export const isNan = call(isNanOp);

// One operand --------------------------------------------------------------------------------------

export const negOp = elementwise("neg", "Neg", ({ grad }) => [neg(grad)]);
/** -x. */
export const neg = call(negOp);

export const expOp = unary("exp", "Exp", ({ grad, outputs: [y] }) => [mul(grad, y)]);
/** e to the power x. */
export const exp = call(expOp);

export const logOp = unary("log", "Log", ({ grad, inputs: [x] }) => [div(grad, x)]);
/** Natural logarithm. */
export const log = call(logOp);

export const sqrtOp = unary("sqrt", "Sqrt", ({ grad, outputs: [y] }) => [div(grad, mul(y, 2))]);
/** Square root. */
export const sqrt = call(sqrtOp);

export const reciprocalOp = unary("reciprocal", "Reciprocal", ({ grad, outputs: [y] }) => [
  neg(mul(grad, mul(y, y))),
]);
/** 1 / x. */
export const reciprocal = call(reciprocalOp);

export const absOp = elementwise("abs", "Abs", ({ grad, inputs: [x] }) => [mul(grad, sign(x))]);
/** |x|; the gradient at 0 is 0. */
export const abs = call(absOp);

export const signOp = elementwise("sign", "Sign", noGradient);
/** -1, 0 or 1. */
export const sign = call(signOp);

export const floorOp = unary("floor", "Floor", noGradient);
export const ceilOp = unary("ceil", "Ceil", noGradient);
export const roundOp = unary("round", "Round", noGradient);
export const floor = call(floorOp);
export const ceil = call(ceilOp);
/** To the nearest integer, halves to even. */
export const round = call(roundOp);

export const sinOp = unary("sin", "Sin", ({ grad, inputs: [x] }) => [mul(grad, cos(x))]);
export const cosOp = unary("cos", "Cos", ({ grad, inputs: [x] }) => [neg(mul(grad, sin(x)))]);
export const sin = call(sinOp);
export const cos = call(cosOp);

export const erfOp = unary("erf", "Erf", ({ grad, inputs: [x] }) => [
  mul(grad, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
]);
/** The error function. */
export const erf = call(erfOp);

/** x · x. */
export const square = (x: Tensor): Tensor => mul(x, x);
/** 1 / sqrt(x). */
export const rsqrt = (x: Tensor): Tensor => reciprocal(sqrt(x));

// Choice -------------------------------------------------------------------------------------------

export const whereOp: Op = {
  name: "where",
  infer: ([mask, a, b]) => {
    if (mask.dtype !== "bool") {
      throw new TensorlaneError(`where: the condition must be bool, received ${mask.dtype}`);
    }
    const dtype = sameDtype("where", [a, b]);
    return [{ dtype, shape: broadcast("where", mask.shape, a.shape, b.shape) }];
  },
  gradient: ({ grad, inputs: [mask], needs }) => [
    null,
    needs[1] ? where(mask, grad, 0) : null,
    needs[2] ? where(mask, 0, grad) : null,
  ],
  lower: lowerTo("Where"),
};
/** a where the mask is true, b elsewhere; all three broadcast. */
export const where = (mask: Tensor, a: Operand, b: Operand): Tensor =>
  apply(whereOp, [mask, ...pair(a, b)], {})[0];

/** x limited to [min, max]; the gradient is 1 inside and at the bounds, 0 outside, as in PyTorch. */
export const clampOp: Op<{ readonly min?: number; readonly max?: number }> = {
  name: "clamp",
  infer: ([x]) => [{ dtype: sameDtype("clamp", [x], float), shape: x.shape }],
  gradient: ({ grad, inputs: [x], attrs: { min, max } }) => {
    const above = min === undefined ? undefined : greaterEqual(x, min);
    const below = max === undefined ? undefined : lessEqual(x, max);
    const inside = above && below ? logicalAnd(above, below) : (above ?? below);
    return [inside ? where(inside, grad, 0) : grad];
  },
  lower: (onnx, [x], { min, max }) => {
    const bound = (value?: number) => (value === undefined ? "" : onnx.builder.scalar(value));
    return onnx.node("Clip", max === undefined ? [x, bound(min)] : [x, bound(min), bound(max)]);
  },
};
export const clamp = (
  x: Tensor,
  bounds: { readonly min?: number; readonly max?: number },
): Tensor => apply(clampOp, [x], bounds)[0];
