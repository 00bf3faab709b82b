import { vjp } from "../../autodiff/gradients.ts";
import { expansionOf } from "../rewrite.ts";
import type { Op, Tensor, TensorType } from "../tensor.ts";

/**
 * An operator written with others: its gradient and its ONNX nodes are theirs. It is a node of its own
 * because an engine may know a faster way to compute the whole of it.
 */
export function composed<Attrs extends object>(rules: {
  readonly name: string;
  readonly infer: (inputs: readonly TensorType[], attrs: Attrs) => readonly TensorType[];
  readonly expand: (inputs: readonly Tensor[], attrs: Attrs) => readonly Tensor[];
}): Op<Attrs> {
  const { name, infer, expand } = rules;
  return {
    name,
    infer,
    gradient: ({ inputs, outputs, grads, attrs }) => {
      const whole = expansionOf(outputs[0].node, () => expand(inputs, attrs));
      return vjp(whole, grads, inputs, { stop: new Set(inputs) }).map((grad) => grad ?? null);
    },
    lower: (onnx, names, attrs, node) => {
      const whole = expansionOf(node, () => expand(node.inputs, attrs));
      return onnx.expand(whole, new Map(node.inputs.map((input, i) => [input, names[i]])));
    },
  };
}
