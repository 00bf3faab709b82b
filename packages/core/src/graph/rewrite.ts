import { scansOf, unionOfScans } from "./ops/scan.ts";
import type { Node, Tensor } from "./tensor.ts";
import { type Resolve, topological } from "./walk.ts";

/**
 * Which tensors are computed by another, equal node. Two rules:
 *
 * - A composite operator (a fused LSTM, say) whose gradient was taken is computed by its expansion, which
 *   the gradient reads intermediates from; otherwise it stays fused.
 * - Scans over the same body (a forward pass, and the same pass that also keeps intermediates for its
 *   gradient) run once.
 */
export function planRewrites(
  outputs: readonly Tensor[],
  stop: ReadonlySet<Tensor> = new Set(),
): Resolve {
  const alias = new Map<Tensor, Tensor>();
  const resolve: Resolve = (tensor) => {
    let current = tensor;
    for (let next = alias.get(current); next; next = alias.get(current)) current = next;
    return current;
  };
  const replace = (node: Node, by: readonly Tensor[]) => {
    for (const [i, output] of node.outputs.entries()) {
      if (output !== by[i]) alias.set(output, by[i]);
    }
  };

  const reachable = topological(outputs, stop);
  const bodies = new Set(reachable.flatMap((node) => scansOf(node)));
  if (bodies.size === 0) return resolve;
  for (const node of reachable) {
    const expansion = expansions.get(node);
    const inner = expansion && topological(expansion, new Set(node.inputs));
    if (inner?.some((n) => scansOf(n).some((body) => bodies.has(body)))) replace(node, expansion!);
  }
  const families = new Map<object, Node[]>();
  for (const node of topological(outputs, stop, resolve)) {
    for (const body of scansOf(node)) {
      const family = families.get(body);
      if (family) family.push(node);
      else families.set(body, [node]);
    }
  }
  for (const family of families.values()) {
    if (family.length > 1) for (const [node, by] of unionOfScans(family)) replace(node, by);
  }
  return resolve;
}

const expansions = new WeakMap<Node, readonly Tensor[]>();

/** The outputs of a composite operator's expansion, built once per node. */
export function expansionOf(node: Node, build: () => readonly Tensor[]): readonly Tensor[] {
  const known = expansions.get(node) ?? build();
  expansions.set(node, known);
  return known;
}
