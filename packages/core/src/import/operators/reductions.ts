import type { Size } from "../../graph/dim.ts";
import * as sizes from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { ReduceOptions } from "../../graph/ops/reduce.ts";
import { normalizeAxis } from "../../graph/shape.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { Call } from "../call.ts";
import { asTensor, Known } from "../known.ts";
import type { Rule, Rules } from "./rule.ts";

type Reduce = (x: Tensor, options: ReduceOptions) => Tensor;

/** Axes are an attribute; of ReduceSum, from opset 13 on, an input. No axes mean all of them. */
const reduce =
  (run: Reduce, fold?: (a: Size, b: Size) => Size): Rule =>
  (c) => {
    const axes = c.axes(1, "axes");
    const keepdim = c.int("keepdims", 1) !== 0;
    const isNothing = c.int("noop_with_empty_axes", 0) !== 0 && (axes ?? []).length === 0;
    const x = c.value(0);
    if (isNothing) return x;
    if (fold && x instanceof Known && x.rank === 1) {
      return new Known(x.dtype, keepdim ? [1] : [], [x.values.reduce(fold)]);
    }
    return run(asTensor(x), { dim: axes?.length ? axes : undefined, keepdim });
  };

/** The position of the first largest, or smallest, element. */
const position =
  (
    run: (x: Tensor, options: { readonly dim: number; readonly keepdim: boolean }) => Tensor,
  ): Rule =>
  (c) => {
    c.require("select_last_index", c.int("select_last_index", 0), 0);
    return run(c.tensor(0), { dim: c.int("axis", 0), keepdim: c.int("keepdims", 1) !== 0 });
  };

function topk(c: Call): readonly Tensor[] {
  c.int("sorted", 1);
  const [k] = c.numbers(1);
  const largest = c.int("largest", 1) !== 0;
  const { values, indices } = ops.topk(c.tensor(0), k, c.int("axis", -1), largest);
  return [values, indices];
}

function cumsum(c: Call): Tensor {
  const x = c.tensor(0);
  const axis = normalizeAxis("CumSum", c.numbers(1)[0], x.rank);
  c.require("exclusive", c.int("exclusive", 0), 0);
  if (c.int("reverse", 0) === 0) return ops.cumsum(x, axis);
  return ops.flip(ops.cumsum(ops.flip(x, axis), axis), axis);
}

export const reductions: Rules = {
  ArgMax: position(ops.argmax),
  ArgMin: position(ops.argmin),
  CumSum: cumsum,
  ReduceL1: reduce((x, options) => ops.norm(x, { ...options, p: 1 })),
  ReduceL2: reduce((x, options) => ops.norm(x, options)),
  ReduceLogSum: reduce((x, options) => ops.log(ops.sum(x, options))),
  ReduceLogSumExp: reduce(ops.logSumExp),
  ReduceMax: reduce(ops.amax),
  ReduceMean: reduce(ops.mean),
  ReduceMin: reduce(ops.amin),
  ReduceProd: reduce(ops.prod, sizes.multiply),
  ReduceSum: reduce(ops.sum, sizes.add),
  ReduceSumSquare: reduce((x, options) => ops.sum(ops.square(x), options)),
  TopK: topk,
};
