import type { Size } from "../../graph/dim.ts";
import * as sizes from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { normalizeAxis } from "../../graph/shape.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { dropout } from "../../nn/layers.ts";
import type { Call } from "../call.ts";
import { asTensor, folded, Known, sameSize } from "../known.ts";
import { dtypeFor } from "../tensor.ts";
import type { Rule, Rules } from "./rule.ts";

type Fold = (...elements: Size[]) => Size | undefined;

const unary =
  (run: (x: Tensor) => Tensor): Rule =>
  (c) =>
    run(c.tensor(0));

/** Folded where all inputs are known, e.g. in the arithmetic of shapes; otherwise computed. */
const binary =
  (run: (a: Tensor, b: Tensor) => Tensor, fold: (isFloat: boolean) => Fold): Rule =>
  (c) => {
    const inputs = [c.value(0), c.value(1)];
    const { dtype } = inputs[0];
    return (
      folded(inputs, dtype, fold(dtype === "float32")) ??
      run(asTensor(inputs[0]), asTensor(inputs[1]))
    );
  };

/** The same for results of type bool. */
const logical =
  (run: (a: Tensor, b: Tensor) => Tensor, fold: (a: Size, b: Size) => boolean | undefined): Rule =>
  (c) => {
    const inputs = [c.value(0), c.value(1)];
    const known = folded(inputs, "bool", (a, b) => {
      const result = fold(a, b);
      return result === undefined ? undefined : Number(result);
    });
    return known ?? run(asTensor(inputs[0]), asTensor(inputs[1]));
  };

/** For rules that only numbers follow, not symbolic sizes. */
const onNumbers =
  <T>(rule: (a: number, b: number) => T) =>
  (a: Size, b: Size): T | undefined =>
    typeof a === "number" && typeof b === "number" ? rule(a, b) : undefined;

/** ONNX divides integers towards zero; sizes are not negative. */
const divide =
  (isFloat: boolean): Fold =>
  (a, b) => {
    if (typeof b !== "number") return sizes.equal(a, b) ? 1 : undefined;
    if (typeof a !== "number") return isFloat || b < 1 ? undefined : sizes.floorDivide(a, b);
    if (isFloat) return a / b;
    return b === 0 ? undefined : Math.trunc(a / b);
  };

/** The largest or smallest of one or more inputs. */
const extremum =
  (run: (a: Tensor, b: Tensor) => Tensor, fold: (...numbers: number[]) => number): Rule =>
  (c) => {
    const inputs = c.values();
    const known = folded(inputs, inputs[0].dtype, (...elements) =>
      elements.every((size) => typeof size === "number") ? fold(...elements) : undefined,
    );
    return known ?? inputs.map(asTensor).reduce(run);
  };

/** Before opset 13 the softmaxes took all axes from `axis` on as one. */
const softmaxOf =
  (run: (x: Tensor, dim: number) => Tensor): Rule =>
  (c) => {
    const x = c.tensor(0);
    const joins = c.opset < 13;
    const axis = normalizeAxis("axis", c.int("axis", joins ? 1 : -1), x.rank);
    if (!joins || axis === x.rank - 1) return run(x, axis);
    return ops.reshape(run(ops.flatten(x, axis), axis), x.shape);
  };

function pow(c: Call): Tensor {
  const [x, exponent] = [c.tensor(0), c.value(1)];
  if (!(exponent instanceof Known) || exponent.values.length !== 1) {
    return ops.pow(x, ops.cast(asTensor(exponent), x.dtype));
  }
  const [p] = c.numbers(1);
  const power = p === 2 ? ops.square(x) : ops.pow(x, p);
  return exponent.rank > x.rank
    ? ops.reshape(power, [...exponent.shape.slice(x.rank), ...x.shape])
    : power;
}

function clip(c: Call): Tensor {
  const isAttribute = c.opset < 11;
  const min = isAttribute ? c.float("min", undefined) : c.number(1, undefined);
  const max = isAttribute ? c.float("max", undefined) : c.number(2, undefined);
  return ops.clamp(c.tensor(0), { min, max });
}

/** Drops elements in training mode, whatever mode the model was exported in. */
function dropoutOf(c: Call): Tensor {
  const ratio = c.opset < 12 ? c.float("ratio", 0.5) : c.number(1, 0.5);
  if (c.opset >= 12) c.number(2, 0);
  c.int("seed", 0);
  const x = c.tensor(0);
  return c.training ? dropout(x, ratio) : x;
}

function cast(c: Call) {
  const to = dtypeFor(c.int("to", 0), "Cast");
  const x = c.value(0);
  const convert: Fold = (value) => {
    if (to === "float32") return typeof value === "number" ? value : undefined;
    if (to === "bool") return typeof value === "number" ? Number(value !== 0) : undefined;
    return typeof value === "number" ? Math.trunc(value) : value;
  };
  return folded([x], to, convert) ?? ops.cast(asTensor(x), to);
}

function where(c: Call) {
  const inputs = [c.value(0), c.value(1), c.value(2)];
  const known = folded(inputs, inputs[1].dtype, (mask, a, b) => (mask === 0 ? b : a));
  const [mask, a, b] = inputs;
  return known ?? ops.where(asTensor(mask), asTensor(a), asTensor(b));
}

/** PReLU: a slope for each channel. */
function prelu(c: Call): Tensor {
  const [x, slope] = [c.tensor(0), c.tensor(1)];
  return ops.where(ops.greater(x, 0), x, ops.mul(x, slope));
}

export const elementwise: Rules = {
  Abs: unary(ops.abs),
  Add: binary(ops.add, (isFloat) => (isFloat ? onNumbers((a, b) => a + b) : sizes.add)),
  And: logical(
    ops.logicalAnd,
    onNumbers((a, b) => a !== 0 && b !== 0),
  ),
  Cast: cast,
  Ceil: unary(ops.ceil),
  Clip: clip,
  Cos: unary(ops.cos),
  Div: binary(ops.div, divide),
  Dropout: dropoutOf,
  Elu: (c) => ops.elu(c.tensor(0), c.float("alpha", 1)),
  Equal: logical(ops.equal, sameSize),
  Erf: unary(ops.erf),
  Exp: unary(ops.exp),
  Floor: unary(ops.floor),
  Greater: logical(
    ops.greater,
    onNumbers((a, b) => a > b),
  ),
  GreaterOrEqual: logical(
    ops.greaterEqual,
    onNumbers((a, b) => a >= b),
  ),
  HardSigmoid: (c) => hardSigmoid(c.tensor(0), c.float("alpha", 0.2), c.float("beta", 0.5)),
  HardSwish: unary((x) => ops.mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  Identity: (c) => c.value(0),
  IsNaN: unary(ops.isNan),
  LeakyRelu: (c) => ops.leakyRelu(c.tensor(0), c.float("alpha", 0.01)),
  Less: logical(
    ops.less,
    onNumbers((a, b) => a < b),
  ),
  LessOrEqual: logical(
    ops.lessEqual,
    onNumbers((a, b) => a <= b),
  ),
  Log: unary(ops.log),
  LogSoftmax: softmaxOf(ops.logSoftmax),
  Max: extremum(ops.maximum, Math.max),
  Min: extremum(ops.minimum, Math.min),
  Mul: binary(ops.mul, (isFloat) => (isFloat ? onNumbers((a, b) => a * b) : sizes.multiply)),
  Neg: unary(ops.neg),
  Not: unary(ops.logicalNot),
  Or: logical(
    ops.logicalOr,
    onNumbers((a, b) => a !== 0 || b !== 0),
  ),
  PRelu: prelu,
  Pow: pow,
  Reciprocal: unary(ops.reciprocal),
  Relu: unary(ops.relu),
  Round: unary(ops.round),
  Sigmoid: unary(ops.sigmoid),
  Sign: unary(ops.sign),
  Sin: unary(ops.sin),
  Softmax: softmaxOf(ops.softmax),
  Softplus: unary((x) => ops.softplus(x)),
  Sqrt: unary(ops.sqrt),
  Sub: binary(ops.sub, (isFloat) => (isFloat ? onNumbers((a, b) => a - b) : sizes.subtract)),
  Tanh: unary(ops.tanh),
  Where: where,
  Xor: logical(
    ops.logicalXor,
    onNumbers((a, b) => (a !== 0) !== (b !== 0)),
  ),
};

/** max(0, min(1, alpha x + beta)) */
function hardSigmoid(x: Tensor, alpha: number, beta: number): Tensor {
  return ops.clamp(ops.add(ops.mul(x, alpha), beta), { min: 0, max: 1 });
}
