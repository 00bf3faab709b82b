import { TensorlaneError } from "../errors.ts";
import { type Size, staticSize } from "../graph/dim.ts";
import { loopOf } from "../graph/ops/scan.ts";
import type { Node } from "../graph/tensor.ts";

/**
 * Multiply-adds of the operators that multiply matrices, by operator name: one multiplication with the
 * addition that follows counts as one. What is not listed (elementwise, reductions, normalisation, biases,
 * lookups) counts as none, as is usual in published tables.
 */
const rules: Readonly<Record<string, (node: Node) => number>> = {
  /** Every element of the product is a sum over the shared axis. */
  matmul: ({ inputs: [a], outputs: [y], attrs }) =>
    elements(y.shape) * size(a.shape.at((attrs as { transA: boolean }).transA ? -2 : -1)!),
  linear: ({ inputs: [x], outputs: [y] }) => elements(y.shape) * size(x.shape[1]),
  /** Every output element is a sum over its group's channels and the kernel's taps. */
  conv2d: ({ inputs: [, weight], outputs: [y] }) =>
    elements(y.shape) * elements(weight.shape.slice(1)),
  /** Every input element adds its multiple of a kernel to every channel of its group. */
  convTranspose2d: ({ inputs: [x, weight] }) => elements(x.shape) * elements(weight.shape.slice(1)),
  /** Per step and sequence: every gate's row times the input, and times the state before. */
  recurrent: ({ inputs: [x, weightIh, weightHh] }) =>
    elements(x.shape.slice(0, 2)) * (elements(weightIh.shape) + elements(weightHh.shape)),
};

/** Multiply-adds of one node and the module path they belong to; a loop's are those of its step. */
export function* macsOf(node: Node): Generator<{ readonly path: string; readonly macs: number }> {
  const loop = loopOf(node);
  if (loop) {
    for (const inner of loop.nodes) {
      for (const { path, macs } of macsOf(inner)) {
        yield { path, macs: macs * size(loop.length) };
      }
    }
    return;
  }
  const macs = Object.hasOwn(rules, node.op.name) ? rules[node.op.name](node) : 0;
  if (macs > 0) yield { path: node.path, macs };
}

const elements = (shape: readonly Size[]): number => staticSize(shape);

function size(value: Size): number {
  if (typeof value === "number") return value;
  throw new TensorlaneError(`summary: the size ${value} is symbolic; give a number`);
}
