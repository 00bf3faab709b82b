import { TensorlaneError } from "../../errors.ts";
import type { GraphBuilder } from "../../onnx/builder.ts";
import * as sizes from "../dim.ts";
import { format, isStatic, type Shape, type Size, sizeOf } from "../dim.ts";
import { normalizeAxis } from "../shape.ts";
import { apply, type Op, type Tensor } from "../tensor.ts";
import { zeros } from "./create.ts";

export const reshapeOp: Op<{ readonly shape: Shape }> = {
  name: "reshape",
  infer: ([x], { shape }) => [{ dtype: x.dtype, shape }],
  gradient: ({ grad, inputs: [x] }) => [reshape(grad, x.shape)],
  lower: (onnx, [x], { shape }) => {
    const symbolic = shape.filter((size) => typeof size !== "number").length;
    // One unknown size is what ONNX's -1 stands for; several are computed.
    const target =
      symbolic === 1 && !shape.includes(0)
        ? onnx.builder.ints(shape.map((size) => (typeof size === "number" ? size : -1)))
        : onnx.shape(shape);
    return onnx.node("Reshape", [x, target], shape.includes(0) ? { allowzero: 1 } : {});
  },
};
/**
 * The same elements in another shape, row-major. One entry may be -1: it is worked out.
 *
 * @example
 * x.reshape([0, -1]) // throws: write x.shape[0] instead of 0
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const wild = shape.indexOf(-1);
  let target = shape;
  if (wild >= 0) {
    const rest = sizeOf(shape.filter((_, axis) => axis !== wild));
    const missing = sizes.divideExactly(x.size, rest);
    if (missing === undefined) throw reshapeError(x, shape);
    target = shape.map((size, axis) => (axis === wild ? missing : size));
  }
  if (!sizes.equal(sizeOf(target), x.size)) throw reshapeError(x, shape);
  return sizes.sameShape(target, x.shape) ? x : apply(reshapeOp, [x], { shape: target })[0];
}
const reshapeError = (x: Tensor, shape: Shape) =>
  new TensorlaneError(
    `reshape: ${x.size} elements of shape ${format(x.shape)} do not fit shape ${format(shape)}`,
  );

/** Joins axes start to end (inclusive) into one. */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  if (x.rank === 0) return reshape(x, [1]);
  const from = normalizeAxis("flatten", start, x.rank);
  const to = normalizeAxis("flatten", end, x.rank);
  const joined = sizeOf(x.shape.slice(from, to + 1));
  return reshape(x, [...x.shape.slice(0, from), joined, ...x.shape.slice(to + 1)]);
}

/** Removes an axis of size 1. */
export function squeeze(x: Tensor, dim: number): Tensor {
  const axis = normalizeAxis("squeeze", dim, x.rank);
  if (x.shape[axis] !== 1) {
    throw new TensorlaneError(`squeeze: axis ${dim} of ${format(x.shape)} is not of size 1`);
  }
  return reshape(x, x.shape.toSpliced(axis, 1));
}

/** Inserts an axis of size 1 before `dim`. */
export const unsqueeze = (x: Tensor, dim: number): Tensor =>
  reshape(x, x.shape.toSpliced(normalizeAxis("unsqueeze", dim, x.rank + 1), 0, 1));

export const permuteOp: Op<{ readonly dims: readonly number[] }> = {
  name: "permute",
  infer: ([x], { dims }) => [{ dtype: x.dtype, shape: dims.map((axis) => x.shape[axis]) }],
  gradient: ({ grad, attrs: { dims } }) => [
    permute(
      grad,
      dims.map((_, axis) => dims.indexOf(axis)),
    ),
  ],
  lower: (onnx, [x], { dims }) => onnx.node("Transpose", [x], { perm: dims }),
};
/** Axes in another order: axis i of the result is axis dims[i] of x. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  const order = dims.map((axis) => normalizeAxis("permute", axis, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new TensorlaneError(
      `permute: [${dims}] does not name each of the ${x.rank} axes of ${format(x.shape)} once`,
    );
  }
  return order.every((axis, i) => axis === i) ? x : apply(permuteOp, [x], { dims: order })[0];
}

/** Swaps two axes. */
export function transpose(x: Tensor, dim0 = -2, dim1 = -1): Tensor {
  const [a, b] = [
    normalizeAxis("transpose", dim0, x.rank),
    normalizeAxis("transpose", dim1, x.rank),
  ];
  return permute(
    x,
    x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}

export const expandOp: Op<{ readonly shape: Shape }> = {
  name: "expand",
  infer: ([x], { shape }) => {
    const extra = shape.length - x.shape.length;
    if (
      extra < 0 ||
      x.shape.some((size, i) => size !== 1 && !sizes.equal(size, shape[extra + i]))
    ) {
      throw new TensorlaneError(
        `expand: ${format(x.shape)} cannot be expanded to ${format(shape)}`,
      );
    }
    return [{ dtype: x.dtype, shape }];
  },
  // The walker sums over broadcast axes.
  gradient: ({ grad }) => [grad],
  lower: (onnx, [x], { shape }, node) => {
    // ONNX Runtime's Expand leaves a 1 where a size of 0 is wanted.
    if (isStatic(shape) && shape.includes(0)) return [onnx.empty(node.inputs[0].dtype, shape)];
    return onnx.node("Expand", [x, onnx.shape(shape)]);
  },
};
/** Repeats axes of size 1 (and new leading ones) until the shape is reached. */
export const expand = (x: Tensor, shape: Shape): Tensor =>
  sizes.sameShape(x.shape, shape) ? x : apply(expandOp, [x], { shape })[0];

export const concatOp: Op<{ readonly axis: number }> = {
  name: "concat",
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    let total: Size = 0;
    for (const input of inputs) {
      const fits =
        input.dtype === first.dtype &&
        input.shape.length === first.shape.length &&
        input.shape.every((size, i) => i === axis || sizes.equal(size, first.shape[i]));
      if (!fits) {
        throw new TensorlaneError(
          `concat: ${input.dtype}${format(input.shape)} does not join ` +
            `${first.dtype}${format(first.shape)} along axis ${axis}; all other sizes must be equal`,
        );
      }
      total = sizes.add(total, input.shape[axis]);
    }
    return [{ dtype: first.dtype, shape: first.shape.with(axis, total) }];
  },
  gradient: ({ grad, inputs, attrs: { axis } }) =>
    split(
      grad,
      inputs.map((input) => input.shape[axis]),
      axis,
    ),
  lower: (onnx, inputs, { axis }) => onnx.node("Concat", inputs, { axis }),
};
/** Joins tensors along an axis. */
export function concat(tensors: readonly Tensor[], dim = 0): Tensor {
  if (tensors.length === 0) throw new TensorlaneError("concat: received no tensors");
  if (tensors.length === 1) return tensors[0];
  return apply(concatOp, tensors, { axis: normalizeAxis("concat", dim, tensors[0].rank) })[0];
}

/** Joins tensors of one shape along a new axis. */
export const stack = (tensors: readonly Tensor[], dim = 0): Tensor =>
  concat(
    tensors.map((t) => unsqueeze(t, dim)),
    dim,
  );

export const splitOp: Op<{ readonly axis: number; readonly parts: readonly Size[] }> = {
  name: "split",
  infer: ([x], { axis, parts }) => {
    const total = parts.reduce<Size>(sizes.add, 0);
    if (!sizes.equal(total, x.shape[axis])) {
      throw new TensorlaneError(
        `split: parts [${parts}] add up to ${total}, but axis ${axis} of ${format(x.shape)} has ${x.shape[axis]}`,
      );
    }
    return parts.map((part) => ({ dtype: x.dtype, shape: x.shape.with(axis, part) }));
  },
  gradient: ({ grads, outputs, attrs: { axis } }) => [
    concat(
      grads.map((grad, i) => grad ?? zeros(outputs[i].shape)),
      axis,
    ),
  ],
  lower: (onnx, [x], { axis, parts }) =>
    onnx.node("Split", [x, onnx.shape(parts)], { axis }, parts.length),
};
/** Cuts an axis into parts: of one size (the last may be smaller), or of the sizes given. */
export function split(
  x: Tensor,
  sizeOrParts: number | readonly Size[],
  dim = 0,
): readonly Tensor[] {
  const axis = normalizeAxis("split", dim, x.rank);
  if (typeof sizeOrParts !== "number") {
    return sizeOrParts.length === 1 ? [x] : apply(splitOp, [x], { axis, parts: sizeOrParts });
  }
  const whole = x.shape[axis];
  if (typeof whole !== "number" || !(sizeOrParts > 0)) {
    throw new TensorlaneError(
      `split: cannot cut axis ${dim} of ${format(x.shape)} into parts of ${sizeOrParts}`,
    );
  }
  const parts: number[] = [];
  for (let at = 0; at < whole; at += sizeOrParts) parts.push(Math.min(sizeOrParts, whole - at));
  return split(x, parts, axis);
}

/** [start, stop, step] of one axis; missing or null means from the beginning, to the end, step 1. */
export type Range = readonly [start?: number | null, stop?: number | null, step?: number | null];
interface Slices {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
  readonly shape: Shape;
}

export const sliceOp: Op<Slices> = {
  name: "slice",
  infer: ([x], { shape }) => [{ dtype: x.dtype, shape }],
  gradient: ({ grad, inputs: [x], attrs }) => [
    apply(unsliceOp, [grad], { ...attrs, whole: x.shape })[0],
  ],
  lower: (onnx, [x], { starts, steps, shape }) => {
    const axes = starts.map((_, axis) => axis);
    const ends = shape.map((size, axis) =>
      // A symbolic size is a whole axis, or one cut at the front: it runs to the end.
      typeof size === "number" ? starts[axis] + size * steps[axis] : Number.MAX_SAFE_INTEGER,
    );
    const ints = (values: readonly number[]) => onnx.builder.ints(values);
    return onnx.node("Slice", [x, ints(starts), ints(ends), ints(axes), ints(steps)]);
  },
};

/** The inverse placement: writes x into zeros of shape `whole`. */
export const unsliceOp: Op<Slices & { readonly whole: Shape }> = {
  name: "unslice",
  infer: ([x], { whole }) => [{ dtype: x.dtype, shape: whole }],
  gradient: ({ grad, attrs: { starts, steps, shape } }) => [
    apply(sliceOp, [grad], { starts, steps, shape })[0],
  ],
  lower: (onnx, [x], { starts, steps, shape, whole }, node) => {
    let current = x;
    const last = shape.length - 1;
    // ONNX reads a size of 0 as "as before" unless told otherwise.
    const literal = shape.includes(0) ? { allowzero: 1 } : undefined;
    for (const [axis, step] of steps.entries()) {
      if (step === 1) continue;
      const count = shape[axis];
      if (
        axis === last &&
        axis > 0 &&
        typeof count === "number" &&
        node.inputs[0].dtype === "float32"
      ) {
        [current] = onnx.node("MatMul", [current, spreading(onnx.builder, count, step)]);
        continue;
      }
      // Spread the elements: [n] -> [n, 1] -> pad to [n, step] -> [n * step].
      const spread = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
      // Axes before this one are already spread.
      for (let i = 0; i < axis; i++) {
        if (steps[i] !== 1) spread[i] = sizes.multiply(shape[i], steps[i]);
      }
      const pads = new Array<number>(2 * spread.length).fill(0);
      pads[spread.length + axis + 1] = step - 1;
      const [opened] = onnx.node("Reshape", [current, onnx.shape(spread)], literal);
      const [padded] = onnx.node("Pad", [opened, onnx.builder.ints(pads)]);
      const closed = spread.toSpliced(axis + 1, 1).with(axis, sizes.multiply(spread[axis], step));
      [current] = onnx.node("Reshape", [padded, onnx.shape(closed)], literal);
    }
    const after = whole.map((size, axis) => {
      const used = sizes.add(sizes.multiply(shape[axis], steps[axis]), starts[axis]);
      return sizes.subtract(size, used);
    });
    // After spreading the tail may reach beyond the end by less than a step: a negative pad crops it.
    const pads = [...starts, ...after];
    if (pads.every((pad) => pad === 0)) return onnx.node("Identity", [current]);
    return onnx.node("Pad", [current, onnx.shape(pads)]);
  },
};

/** (n, n · step): row i has a 1 at i · step. Pad takes eight times as long on single elements as this product. */
function spreading(builder: GraphBuilder, count: number, step: number): string {
  const data = new Float32Array(count * count * step);
  for (let i = 0; i < count; i++) data[i * (count + 1) * step] = 1;
  return builder.constant("float32", [count, count * step], data, "spreading");
}

/** Part of a tensor, one [start, stop, step] per axis (NumPy's rules; steps must be positive). */
export function slice(x: Tensor, ranges: readonly (Range | null)[]): Tensor {
  if (ranges.length > x.rank) {
    throw new TensorlaneError(
      `slice: ${ranges.length} ranges for a tensor of shape ${format(x.shape)}`,
    );
  }
  const starts: number[] = [];
  const steps: number[] = [];
  const shape = x.shape.map((size, axis): Size => {
    const [from, to, by] = ranges[axis] ?? [];
    const step = by ?? 1;
    if (!Number.isInteger(step) || step < 1) {
      throw new TensorlaneError(
        `slice: step ${step} on axis ${axis}; steps must be positive (use flip)`,
      );
    }
    steps.push(step);
    if (typeof size !== "number") return symbolicRange(x, axis, starts, from, to, step);
    const bound = (value: number) => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
    const start = bound(from ?? 0);
    starts.push(start);
    return Math.max(0, Math.ceil((bound(to ?? size) - start) / step));
  });
  return sizes.sameShape(shape, x.shape) ? x : apply(sliceOp, [x], { starts, steps, shape })[0];
}

function symbolicRange(
  x: Tensor,
  axis: number,
  starts: number[],
  from: number | null | undefined,
  to: number | null | undefined,
  step: number,
): Size {
  const start = from ?? 0;
  if (start < 0 || step !== 1 || (to !== undefined && to !== null && (to < 0 || to <= start))) {
    throw new TensorlaneError(
      `slice: [${from}, ${to}, ${step}] on symbolic axis ${axis} of ${format(x.shape)}; ` +
        "only [start] and [start, stop] counted from the front are known there",
    );
  }
  starts.push(start);
  return typeof to === "number" ? to - start : sizes.subtract(x.shape[axis], start);
}

/** One position of an axis, which disappears: `select(x, -1, 1)` is PyTorch's x[:, -1]. */
export function select(x: Tensor, index: number, dim: number): Tensor {
  const axis = normalizeAxis("select", dim, x.rank);
  const size = x.shape[axis];
  if (typeof size === "number" && (index >= size || index < -size)) {
    throw new TensorlaneError(
      `select: index ${index} is outside axis ${dim} of ${format(x.shape)}`,
    );
  }
  const start = index < 0 && typeof size === "number" ? index + size : index;
  const ranges = x.shape.map((_, i): Range | null => (i === axis ? [start, start + 1] : null));
  return squeeze(slice(x, ranges), axis);
}

export const flipOp: Op<{ readonly axis: number }> = {
  name: "flip",
  infer: ([x]) => [x],
  gradient: ({ grad, attrs: { axis } }) => [flip(grad, axis)],
  lower: (onnx, [x], { axis }, node) => {
    const size = node.inputs[0].shape[axis];
    if (typeof size === "number" && size <= 1) return onnx.node("Identity", [x]);
    const ints = (value: number) => onnx.builder.ints([value]);
    return onnx.node("Slice", [x, ints(-1), ints(Number.MIN_SAFE_INTEGER), ints(axis), ints(-1)]);
  },
};
/** Reverses an axis. */
export const flip = (x: Tensor, dim: number): Tensor =>
  apply(flipOp, [x], { axis: normalizeAxis("flip", dim, x.rank) })[0];

/** Whether every size is known. */
export const hasStaticShape = (x: Tensor): boolean => isStatic(x.shape);
