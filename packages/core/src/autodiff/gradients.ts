import { TensorlaneError } from "../errors.ts";
import { equal, format, sameShape } from "../graph/dim.ts";
import { add, ones, reshape, sum, zeros } from "../graph/ops/index.ts";
import { withPath } from "../graph/scope.ts";
import type { Node, Tensor } from "../graph/tensor.ts";
import { dependents, topological } from "../graph/walk.ts";

/**
 * Gradients of `loss` for each of `wrt`, as new tensors of the graph (they can be differentiated again).
 * Zeros where the loss does not depend on a tensor.
 *
 * @param loss a scalar, or any tensor together with `upstream`
 * @example
 * const [dw] = gradients(x.matmul(w).square().sum(), [w]);
 */
export function gradients<const T extends readonly Tensor[]>(
  loss: Tensor,
  wrt: T,
  options: { readonly upstream?: Tensor } = {},
): { -readonly [K in keyof T]: Tensor } {
  if (!options.upstream && loss.size !== 1) {
    throw new TensorlaneError(
      `gradients: the loss must be a scalar, received shape ${format(loss.shape)}; ` +
        "reduce it with .sum() or .mean(), or pass { upstream } of the same shape",
    );
  }
  const upstream = options.upstream ?? ones(loss.shape);
  const found = vjp([loss], [upstream], wrt).map((grad, i) => grad ?? zeros(wrt[i].shape));
  return found as { -readonly [K in keyof T]: Tensor };
}

/**
 * Called for a contribution to an input's gradient before it is added; true means it was taken care of.
 */
export type Intercept = (node: Node, input: number, args: { readonly grad: Tensor }) => boolean;

/**
 * The vector-Jacobian product, reverse mode: for each of `wrt` the sum over `outputs` of
 * upstream · d(output)/d(wrt); undefined where there is no dependence. The one walker of the house:
 * broadcasting is undone here and nowhere else.
 */
export function vjp(
  outputs: readonly Tensor[],
  upstream: readonly (Tensor | undefined)[],
  wrt: readonly Tensor[],
  options: { readonly stop?: ReadonlySet<Tensor>; readonly intercept?: Intercept } = {},
): (Tensor | undefined)[] {
  const targets = new Set(wrt);
  const order = topological(outputs, options.stop);
  const onPath = dependents(order, targets);
  const total = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, grad: Tensor) => {
    const fitted = unbroadcast(grad, tensor);
    const before = total.get(tensor);
    total.set(tensor, before ? add(before, fitted) : fitted);
  };

  for (const [i, output] of outputs.entries()) {
    const grad = upstream[i];
    if (grad) accumulate(output, grad);
  }
  for (const node of order.reverse()) {
    const grads = node.outputs.map((output) => total.get(output));
    const grad = grads.find((g) => g !== undefined);
    if (!onPath.has(node) || !grad) continue;
    const needs = node.inputs.map(
      (input) => input.dtype === "float32" && (targets.has(input) || onPath.has(input.node)),
    );
    if (!needs.includes(true)) continue;
    const { inputs, outputs, attrs } = node;
    const contributions = withPath(node.path, () =>
      node.op.gradient({ inputs, outputs, grads, grad, attrs, needs }),
    );
    for (const [i, contribution] of contributions.entries()) {
      if (!contribution || !needs[i] || options.intercept?.(node, i, { grad })) continue;
      accumulate(node.inputs[i], contribution);
    }
  }
  return wrt.map((tensor) => total.get(tensor));
}

/** Sums a gradient over the axes along which its tensor was broadcast. */
export function unbroadcast(grad: Tensor, to: { readonly shape: Tensor["shape"] }): Tensor {
  if (sameShape(grad.shape, to.shape)) return grad;
  const extra = grad.rank - to.shape.length;
  const axes = grad.shape.flatMap((size, axis) => {
    const own = axis < extra ? undefined : to.shape[axis - extra];
    return own === undefined || !equal(own, size) ? [axis] : [];
  });
  return reshape(sum(grad, { dim: axes, keepdim: true }), to.shape);
}
