import * as ops from "./ops/index.ts";
import { Tensor } from "./tensor.ts";

/** Operators that read better after their operand: `x.matmul(w).add(b).relu()`. */
const methods = {
  add: ops.add,
  sub: ops.sub,
  mul: ops.mul,
  div: ops.div,
  pow: ops.pow,
  maximum: ops.maximum,
  minimum: ops.minimum,
  equal: ops.equal,
  notEqual: ops.notEqual,
  greater: ops.greater,
  greaterEqual: ops.greaterEqual,
  less: ops.less,
  lessEqual: ops.lessEqual,
  logicalAnd: ops.logicalAnd,
  logicalOr: ops.logicalOr,
  logicalNot: ops.logicalNot,
  neg: ops.neg,
  exp: ops.exp,
  log: ops.log,
  sqrt: ops.sqrt,
  rsqrt: ops.rsqrt,
  reciprocal: ops.reciprocal,
  square: ops.square,
  abs: ops.abs,
  sign: ops.sign,
  sin: ops.sin,
  cos: ops.cos,
  floor: ops.floor,
  ceil: ops.ceil,
  round: ops.round,
  relu: ops.relu,
  sigmoid: ops.sigmoid,
  tanh: ops.tanh,
  softmax: ops.softmax,
  logSoftmax: ops.logSoftmax,
  clamp: ops.clamp,
  sum: ops.sum,
  mean: ops.mean,
  variance: ops.variance,
  std: ops.std,
  prod: ops.prod,
  norm: ops.norm,
  logSumExp: ops.logSumExp,
  amax: ops.amax,
  amin: ops.amin,
  argmax: ops.argmax,
  argmin: ops.argmin,
  cumsum: ops.cumsum,
  matmul: ops.matmul,
  reshape: ops.reshape,
  flatten: ops.flatten,
  squeeze: ops.squeeze,
  unsqueeze: ops.unsqueeze,
  permute: ops.permute,
  transpose: ops.transpose,
  expand: ops.expand,
  split: ops.split,
  slice: ops.slice,
  select: ops.select,
  flip: ops.flip,
  roll: ops.roll,
  chunk: ops.chunk,
  tril: ops.tril,
  triu: ops.triu,
  pad: ops.pad,
  take: ops.take,
  gather: ops.gather,
  cast: ops.cast,
  detach: ops.detach,
};

type Methods = typeof methods;
/** The function with its first argument bound. */
type Bound<F> = F extends (x: Tensor, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : never;

declare module "./tensor.ts" {
  interface Tensor extends TensorMethods {}
}
type TensorMethods = { [Name in keyof Methods]: Bound<Methods[Name]> };

for (const [name, operator] of Object.entries(methods)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: never[]) {
      return (operator as (x: Tensor, ...rest: never[]) => unknown)(this, ...rest);
    },
    configurable: true,
  });
}
