import * as ops from "../../ops/index.ts";
import type { Tensor } from "../../tensor.ts";
import type { Input, OpCase } from "../checkOp.ts";
import { zip } from "../ndarray.ts";

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;

const unary = (
  name: string,
  run: Unary,
  f: (x: number) => number,
  { input = [3, 4], order }: { readonly input?: Input; readonly order?: 0 | 1 | 2 } = {},
): OpCase => ({ name, inputs: [input], run, reference: (x) => zip(f, x), order });

const positive = (...shape: number[]): Input => ({ shape, range: [0.3, 3] });
const pairs: readonly (readonly [Input, Input])[] = [
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
];
const binary = (
  name: string,
  run: Binary,
  f: (a: number, b: number) => number,
  options: { readonly inputs?: typeof pairs; readonly order?: 0 | 1 | 2 } = {},
): OpCase[] =>
  (options.inputs ?? pairs).map((inputs) => ({
    name,
    inputs,
    run,
    reference: (a, b) => zip(f, a, b),
    order: options.order,
  }));

/** Numbers some of which are equal, in three types. */
const comparison = (name: string, run: Binary, f: (a: number, b: number) => boolean): OpCase[] =>
  (["float32", "int32", "int64"] as const).map((dtype) => ({
    name,
    inputs: [
      { shape: [2, 3], values: [1, 2, 3, -1, 0, 5], dtype },
      { shape: [3], values: [1, 3, 3], dtype },
    ],
    run,
    reference: (a, b) => zip((x, y) => Number(f(x, y)), a, b),
    dtypes: ["bool"],
    order: 0,
  }));

const masks: readonly Input[] = [
  { shape: [2, 2], values: [0, 0, 1, 1], dtype: "bool" },
  { shape: [2], values: [0, 1], dtype: "bool" },
];
const logical = (name: string, run: Binary, f: (a: number, b: number) => boolean): OpCase => ({
  name,
  inputs: masks,
  run,
  reference: (a, b) => zip((x, y) => Number(f(x, y)), a, b),
  dtypes: ["bool"],
});

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
/** Abramowitz & Stegun 7.1.5, the power series. */
function erf(x: number): number {
  let [term, total] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
const softplus = (x: number, beta: number, threshold: number) =>
  beta * x > threshold ? x : Math.log1p(Math.exp(beta * x)) / beta;
const halfEven = (x: number) => {
  const [low, rest] = [Math.floor(x), x - Math.floor(x)];
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
};
const far: Input = { shape: [3, 4], range: [-4, 4] };
const whole: Input = { shape: [7], values: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.2, -0.7] };

export const elementwise: readonly OpCase[] = [
  ...binary("add", ops.add, (a, b) => a + b),
  ...binary("sub", ops.sub, (a, b) => a - b),
  ...binary("mul", ops.mul, (a, b) => a * b),
  ...binary("div", ops.div, (a, b) => a / b, { inputs: [[[2, 3], positive(3)]] }),
  ...binary("pow", ops.pow, (a, b) => a ** b, { inputs: [[positive(2, 3), [3]]] }),
  ...binary("maximum", ops.maximum, Math.max),
  ...binary("minimum", ops.minimum, Math.min),
  ...comparison("equal", ops.equal, (a, b) => a === b),
  ...comparison("notEqual", ops.notEqual, (a, b) => a !== b),
  ...comparison("greater", ops.greater, (a, b) => a > b),
  ...comparison("greaterEqual", ops.greaterEqual, (a, b) => a >= b),
  ...comparison("less", ops.less, (a, b) => a < b),
  ...comparison("lessEqual", ops.lessEqual, (a, b) => a <= b),
  logical("logicalAnd", ops.logicalAnd, (a, b) => a === 1 && b === 1),
  logical("logicalOr", ops.logicalOr, (a, b) => a === 1 || b === 1),
  logical("logicalXor", ops.logicalXor, (a, b) => a !== b),
  {
    name: "logicalNot",
    inputs: [masks[0]],
    run: ops.logicalNot,
    reference: (m) => zip((a) => 1 - a, m),
    dtypes: ["bool"],
  },
  {
    name: "isNan",
    inputs: [{ shape: [3], values: [1, Number.NaN, Infinity] }],
    run: ops.isNan,
    reference: (x) => zip((v) => Number(Number.isNaN(v)), x),
    dtypes: ["bool"],
    order: 0,
  },
  unary("neg", ops.neg, (x) => -x),
  unary("exp", ops.exp, Math.exp),
  unary("log", ops.log, Math.log, { input: positive(3, 4) }),
  unary("sqrt", ops.sqrt, Math.sqrt, { input: positive(3, 4) }),
  unary("rsqrt", ops.rsqrt, (x) => 1 / Math.sqrt(x), { input: positive(3, 4) }),
  unary("reciprocal", ops.reciprocal, (x) => 1 / x, { input: positive(3, 4) }),
  unary("square", ops.square, (x) => x * x),
  unary("abs", ops.abs, Math.abs),
  unary("sign", ops.sign, Math.sign, { order: 0 }),
  unary("floor", ops.floor, Math.floor, { input: whole, order: 0 }),
  unary("ceil", ops.ceil, Math.ceil, { input: whole, order: 0 }),
  unary("round", ops.round, halfEven, { input: whole, order: 0 }),
  unary("trunc", ops.trunc, Math.trunc, { input: whole, order: 0 }),
  unary("sin", ops.sin, Math.sin, { input: far }),
  unary("cos", ops.cos, Math.cos, { input: far }),
  unary("erf", ops.erf, erf),
  unary("relu", ops.relu, (x) => Math.max(x, 0)),
  unary("sigmoid", ops.sigmoid, sigmoid, { input: far }),
  unary("tanh", ops.tanh, Math.tanh),
  unary("silu", ops.silu, (x) => x * sigmoid(x), { input: far }),
  unary("softplus", ops.softplus, (x) => softplus(x, 1, 20), { input: far }),
  unary(
    "softplus",
    (x) => ops.softplus(x, { beta: 2, threshold: 3 }),
    (x) => softplus(x, 2, 3),
    {
      input: far,
    },
  ),
  unary("leakyRelu", ops.leakyRelu, (x) => (x > 0 ? x : 0.01 * x)),
  unary(
    "leakyRelu",
    (x) => ops.leakyRelu(x, 0.3),
    (x) => (x > 0 ? x : 0.3 * x),
  ),
  unary("elu", ops.elu, (x) => (x > 0 ? x : Math.expm1(x))),
  unary(
    "elu",
    (x) => ops.elu(x, 0.5),
    (x) => (x > 0 ? x : 0.5 * Math.expm1(x)),
  ),
  unary("gelu", ops.gelu, (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2))),
  unary(
    "gelu",
    (x) => ops.gelu(x, "tanh"),
    (x) => {
      return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    },
  ),
  unary(
    "clamp",
    (x) => ops.clamp(x, { min: -0.4, max: 0.7 }),
    (x) => {
      return Math.min(Math.max(x, -0.4), 0.7);
    },
  ),
  unary(
    "clamp",
    (x) => ops.clamp(x, { min: 0.1 }),
    (x) => Math.max(x, 0.1),
  ),
  unary(
    "clamp",
    (x) => ops.clamp(x, { max: 0.1 }),
    (x) => Math.min(x, 0.1),
  ),
  {
    name: "where",
    inputs: [{ shape: [3], values: [1, 0, 1], dtype: "bool" }, [2, 3], [2, 1]],
    run: ops.where,
    reference: (m, a, b) => zip((p, x, y) => (p ? x : y), m, a, b),
  },
];
