import { TensorlaneError } from "../errors.ts";
import { equal, format, type Shape, type Size } from "./dim.ts";

/** Shape that all of `shapes` broadcast to (NumPy's rule); throws with both shapes where they do not fit. */
export function broadcast(what: string, ...shapes: Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let result: Size = 1;
    for (const shape of shapes) {
      const size = shape[shape.length - rank + axis] ?? 1;
      if (size === 1 || equal(size, result)) continue;
      if (result !== 1) {
        throw new TensorlaneError(
          `${what}: shapes ${shapes.map(format).join(" and ")} do not broadcast: ` +
            `axis ${axis - rank} is ${result} in one and ${size} in another; sizes must be equal or 1`,
        );
      }
      result = size;
    }
    return result;
  });
}

/** Axis counted from the front; negative ones count from the back. */
export function normalizeAxis(what: string, axis: number, rank: number): number {
  // As in PyTorch, a scalar counts as having one axis here.
  const count = Math.max(rank, 1);
  if (!Number.isInteger(axis) || axis < -count || axis >= count) {
    throw new TensorlaneError(
      `${what}: axis ${axis} is outside a tensor of rank ${rank}; use ${-count} to ${count - 1}`,
    );
  }
  return axis < 0 ? axis + count : axis;
}

/** Several axes in ascending order; undefined means all of them. */
export function normalizeAxes(
  what: string,
  axes: number | readonly number[] | undefined,
  rank: number,
): readonly number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = (typeof axes === "number" ? [axes] : axes).map((a) => normalizeAxis(what, a, rank));
  if (new Set(list).size !== list.length) {
    throw new TensorlaneError(`${what}: axes [${list}] name an axis twice`);
  }
  return list.sort((a, b) => a - b);
}

/** Shape after reducing `axes`. */
export const reduced = (shape: Shape, axes: readonly number[], keepdim: boolean): Shape =>
  keepdim
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis));
