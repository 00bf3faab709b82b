import type { Tensor } from "../../graph/tensor.ts";

const names = new WeakMap<Tensor, string>();

/**
 * Names a tensor of a cell's step, so that `inspect.gates` shows it; returns the tensor itself.
 *
 * @example
 * const z = nn.gate("z", this.update.forward(x).sigmoid()); // in a cell's forward
 */
export function gate(name: string, x: Tensor): Tensor {
  names.set(x, name);
  return x;
}

/** The name that `gate` gave a tensor. */
export const gateName = (x: Tensor): string | undefined => names.get(x);
