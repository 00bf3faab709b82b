import type { Node, Tensor } from "./tensor.ts";

/** Replaces tensors before a walk looks at them; identity for all others. */
export type Resolve = (tensor: Tensor) => Tensor;
export const identity: Resolve = (tensor) => tensor;

/**
 * Nodes that `outputs` depend on, inputs before users. The walk does not go beyond tensors in `stop`.
 * Iterative: graphs may be deeper than the call stack.
 */
export function topological(
  outputs: readonly Tensor[],
  stop: ReadonlySet<Tensor> = new Set(),
  resolve: Resolve = identity,
): Node[] {
  const order: Node[] = [];
  const done = new Set<Node>();
  const stack: { readonly node: Node; next: number }[] = [];
  const visit = (wanted: Tensor) => {
    const tensor = resolve(wanted);
    if (!stop.has(tensor) && !done.has(tensor.node)) {
      done.add(tensor.node);
      stack.push({ node: tensor.node, next: 0 });
    }
  };
  for (const output of outputs) {
    visit(output);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next < top.node.inputs.length) visit(top.node.inputs[top.next++]);
      else {
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order;
}

/** Nodes among `order` (inputs before users) that depend on one of `sources`. */
export function dependents(
  order: readonly Node[],
  sources: ReadonlySet<Tensor>,
  resolve: Resolve = identity,
): Set<Node> {
  const result = new Set<Node>();
  for (const node of order) {
    const depends = node.inputs.some((input) => {
      const tensor = resolve(input);
      return sources.has(tensor) || result.has(tensor.node);
    });
    if (depends) result.add(node);
  }
  return result;
}
