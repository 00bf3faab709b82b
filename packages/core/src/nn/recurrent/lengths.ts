import { TensorlaneError } from "../../errors.ts";
import { equal } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import { Tensor, tensor } from "../../graph/tensor.ts";

/**
 * Valid steps of each sequence. Beyond its end a sequence's output is 0 and its state stays, exactly as with
 * PyTorch's packed sequences.
 */
export type Lengths = readonly number[] | Tensor;

/** Lengths (N) as a tensor, for x (T, N, …); undefined where all sequences are of full length. */
export function toLengths(lengths: Lengths | undefined, x: Tensor): Tensor | undefined {
  if (lengths === undefined) return undefined;
  if (lengths instanceof Tensor) return ops.cast(lengths, "int32");
  const [steps, batch] = x.shape;
  const bad = lengths.find(
    (n) => !Number.isInteger(n) || n < 1 || (typeof steps === "number" && n > steps),
  );
  if (bad !== undefined || !equal(lengths.length, batch)) {
    throw new TensorlaneError(
      `lengths: expected ${batch} whole numbers between 1 and ${steps}, received [${lengths}]`,
    );
  }
  // Equal lengths need no mask.
  return lengths.every((n) => n === steps) ? undefined : tensor(lengths, [lengths.length], "int32");
}

/** (T, N, 1) bool: whether a step lies within its sequence. */
export function validSteps(x: Tensor, lengths: Tensor): Tensor {
  const [steps] = ops.requireStatic("lengths in training: time", [x.shape[0]]);
  const time = ops.reshape(ops.arange(steps, "int32"), [steps, 1]);
  return ops.unsqueeze(ops.less(time, ops.reshape(lengths, [1, x.shape[1]])), -1);
}

/** A step's new states and its output, the first of them; beyond a sequence's end the states before and 0. */
export function withinLength(
  valid: Tensor | undefined,
  after: readonly Tensor[],
  before: readonly Tensor[],
): { readonly states: readonly Tensor[]; readonly ys: readonly Tensor[] } {
  if (!valid) return { states: after, ys: [after[0]] };
  const kept = after.map((state, i) => ops.where(valid, state, before[i]));
  return { states: kept, ys: [ops.where(valid, after[0], 0)] };
}
