import * as sizes from "../../graph/dim.ts";
import { isStatic, type Shape, type Size } from "../../graph/dim.ts";
import * as ops from "../../graph/ops/index.ts";
import type { Range } from "../../graph/ops/shape.ts";
import { broadcast, normalizeAxis } from "../../graph/shape.ts";
import { Tensor, tensor } from "../../graph/tensor.ts";
import type { Call } from "../call.ts";
import { OnnxImportError } from "../error.ts";
import {
  asTensor,
  build,
  elementAt,
  Known,
  knownOf,
  knownSizes,
  MOST_KNOWN,
  type Value,
} from "../known.ts";
import type { Rules } from "./rule.ts";

const rankOf = (x: Value): number => x.shape.length;
const isSmall = (shape: Shape): shape is readonly number[] =>
  isStatic(shape) && shape.reduce((a, b) => a * b, 1) <= MOST_KNOWN;

/** The same elements in another shape. */
const reshaped = (x: Value, shape: Shape): Value =>
  x instanceof Known && isStatic(shape)
    ? new Known(x.dtype, shape, x.values)
    : ops.reshape(asTensor(x), shape);

// Sources ------------------------------------------------------------------------------------------

function constant(c: Call): Value {
  const stored = c.array("value");
  if (stored) return knownOf(stored) ?? tensor(stored.data, stored.shape);
  const float = c.float("value_float", undefined);
  if (float !== undefined) return new Known("float32", [], [float]);
  const int = c.int("value_int", undefined);
  if (int !== undefined) return new Known("int64", [], [int]);
  const ints = c.ints("value_ints");
  if (ints) return knownSizes(ints);
  throw new OnnxImportError("a constant must have a tensor, float or integers as its value");
}

function constantOfShape(c: Call): Value {
  const shape = c.known(0).values;
  const value = c.smallArray("value") ?? new Known("float32", [1], [0]);
  const [filler] = value.values;
  if (isSmall(shape)) return build(value.dtype, shape, () => filler);
  return ops.full(shape, Number(filler), value.dtype);
}

/** The sizes of axes `start` to `end`. */
function shapeOf(c: Call): Value {
  const { shape } = c.value(0);
  return knownSizes(shape.slice(c.int("start", 0), c.int("end", shape.length)));
}

function range(c: Call): Value {
  const [[start], [limit], [step]] = [c.numbers(0), c.numbers(1), c.numbers(2)];
  const count = Math.max(0, Math.ceil((limit - start) / step));
  const { dtype } = c.known(0);
  return build(dtype, [count], ([i]) => start + i * step);
}

// Views --------------------------------------------------------------------------------------------

/** 0 keeps an axis, -1 is worked out from the rest. */
function reshape(c: Call): Value {
  const x = c.value(0);
  const wanted = c.known(1).values;
  const isLiteral = c.int("allowzero", 0) !== 0;
  const shape = wanted.map((size, axis) => (size === 0 && !isLiteral ? x.shape[axis] : size));
  const missing = shape.indexOf(undefined as never);
  if (missing >= 0) {
    throw new OnnxImportError(`shape [${wanted}] keeps axis ${missing}, which there is none of`);
  }
  const wild = shape.indexOf(-1);
  if (wild < 0 || x instanceof Tensor) return reshaped(x, shape);
  const rest = Number(sizes.sizeOf(shape.toSpliced(wild, 1)));
  return reshaped(x, shape.with(wild, x.values.length / Math.max(rest, 1)));
}

function flatten(c: Call): Value {
  const x = c.tensor(0);
  const given = c.int("axis", 1);
  const axis = given === x.rank ? given : normalizeAxis("Flatten", given, x.rank);
  const part = (from: number, to: number) => sizes.sizeOf(x.shape.slice(from, to));
  return ops.reshape(x, [part(0, axis), part(axis, x.rank)]);
}

function squeeze(c: Call): Value {
  const x = c.value(0);
  const given = c.axes(1, "axes");
  const axes = given?.map((axis) => normalizeAxis("Squeeze", axis, rankOf(x)));
  const bad = axes?.find((axis) => x.shape[axis] !== 1);
  if (bad !== undefined) throw new OnnxImportError(`axis ${bad} is not of size 1`);
  const keeps = (size: Size, axis: number) => (axes ? !axes.includes(axis) : size !== 1);
  return reshaped(x, x.shape.filter(keeps));
}

function unsqueeze(c: Call): Value {
  const x = c.value(0);
  const axes = c.axes(1, "axes") ?? [];
  const rank = rankOf(x) + axes.length;
  const at = new Set(axes.map((axis) => normalizeAxis("Unsqueeze", axis, rank)));
  const rest = [...x.shape];
  return reshaped(
    x,
    Array.from({ length: rank }, (_, axis) => (at.has(axis) ? 1 : (rest.shift() as Size))),
  );
}

function transpose(c: Call): Value {
  const x = c.value(0);
  const reversed = x.shape.map((_, axis) => rankOf(x) - 1 - axis);
  const perm = c.ints("perm") ?? reversed;
  if (x instanceof Tensor) return ops.permute(x, perm);
  return build(
    x.dtype,
    perm.map((axis) => x.shape[axis]),
    (index) =>
      elementAt(
        x,
        index.map((_, axis) => index[perm.indexOf(axis)]),
      ),
  );
}

/** Both shapes broadcast: a size of 1 in the wanted shape keeps the tensor's own. */
function expand(c: Call): Value {
  const x = c.value(0);
  const shape = broadcast("Expand", x.shape, c.known(1).values);
  if (x instanceof Known && isSmall(shape)) {
    return build(x.dtype, shape, (index) => elementAt(x, index));
  }
  return ops.expand(asTensor(x), shape);
}

/** Each axis repeated: [n] -> [1, n] -> [times, n] -> [times · n]. */
function tile(c: Call): Value {
  const x = c.tensor(0);
  const times = c.known(1).values;
  const apart = x.shape.flatMap((size) => [1, size]);
  const repeated = x.shape.flatMap((size, axis) => [times[axis], size]);
  const joined = x.shape.map((size, axis) => sizes.multiply(size, times[axis]));
  return ops.reshape(ops.expand(ops.reshape(x, apart), repeated), joined);
}

// Parts --------------------------------------------------------------------------------------------

function concat(c: Call): Value {
  const inputs = c.values();
  const axis = normalizeAxis("Concat", c.int("axis", 0), rankOf(inputs[0]));
  if (axis === 0 && inputs.every((input) => input instanceof Known && input.rank === 1)) {
    const known = inputs as readonly Known[];
    const values = known.flatMap((input) => input.values);
    return new Known(known[0].dtype, [values.length], values);
  }
  return ops.concat(inputs.map(asTensor), axis);
}

function split(c: Call): readonly Value[] {
  const x = c.value(0);
  const axis = normalizeAxis("Split", c.int("axis", 0), rankOf(x));
  const count = c.step.node.output.length;
  const parts = c.sizes(1, "split") ?? new Array<Size>(count).fill(equalPart(x, axis, count));
  if (x instanceof Tensor || !isStatic(parts)) return ops.split(asTensor(x), parts, axis);
  let start = 0;
  return parts.map((part) => {
    const from = start;
    start += part;
    return build(x.dtype, x.shape.with(axis, part), (index) =>
      elementAt(x, index.with(axis, index[axis] + from)),
    );
  });
}

function equalPart(x: Value, axis: number, count: number): Size {
  const part = sizes.divideExactly(x.shape[axis], count);
  if (part !== undefined) return part;
  throw new OnnxImportError(`axis ${axis} of size ${x.shape[axis]} has no ${count} equal parts`);
}

/** Which elements of an axis of `size` a slice takes: NumPy's rules, negative steps included. */
function takenOf(size: number, [from, to, step]: readonly [number, number, number]): number[] {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const bound = (n: number) => Math.min(Math.max(n < 0 ? n + size : n, low), high);
  const [first, end] = [bound(from), bound(to)];
  const count = Math.max(0, Math.ceil((end - first) / step));
  return Array.from({ length: count }, (_, i) => first + i * step);
}

function slice(c: Call): Value {
  const x = c.value(0);
  const isAttribute = c.opset < 10;
  const part = (i: number, name: string) =>
    isAttribute ? c.ints(name) : c.has(i) ? c.known(i).values : undefined;
  const [starts, ends] = [part(1, "starts") ?? [], part(2, "ends") ?? []];
  const axes = part(3, "axes") ?? starts.map((_, axis) => axis);
  const steps = part(4, "steps") ?? starts.map(() => 1);
  return starts.reduce<Value>((value, start, i) => {
    const axis = normalizeAxis("Slice", Number(axes[i]), rankOf(x));
    return sliceAxis(value, axis, start, ends[i], Number(steps[i]));
  }, x);
}

/** Ends beyond every size stand for "to the end". */
const FAR = 2 ** 31 - 1;

function sliceAxis(x: Value, axis: number, start: Size, end: Size, step: number): Value {
  const size = x.shape[axis];
  const isNumbers = typeof start === "number" && typeof end === "number" && step !== 0;
  if (x instanceof Known && isNumbers) {
    const taken = takenOf(x.shape[axis], [start, end, step]);
    return build(x.dtype, x.shape.with(axis, taken.length), (index) =>
      elementAt(x, index.with(axis, taken[index[axis]])),
    );
  }
  const source = asTensor(x);
  if (step < 0) {
    // A step backwards is a step forwards in the mirrored axis.
    const turned = (n: Size) => (typeof n === "number" && n < 0 ? -1 - n : mirrored(size, n));
    return sliceAxis(ops.flip(source, axis), axis, turned(start), turned(end), -step);
  }
  const isWhole = typeof end === "number" ? end >= FAR : sizes.equal(end, size);
  if (typeof start !== "number" || !(isWhole || typeof end === "number")) {
    throw new OnnxImportError(
      `[${start}, ${end}] of axis ${axis} must be numbers, or its whole size`,
    );
  }
  const range: Range = [start, isWhole ? null : (end as number), step];
  return ops.slice(
    source,
    source.shape.map((_, i) => (i === axis ? range : null)),
  );
}

/** Position n counted from the other end; the far end stays far. */
const mirrored = (size: Size, n: Size): Size => {
  if (typeof size !== "number" || typeof n !== "number") {
    throw new OnnxImportError(`a step backwards from ${n} in an axis of size ${size} is not read`);
  }
  return Math.max(0, size - 1 - n);
};

function gather(c: Call): Value {
  const [x, indices] = [c.value(0), c.value(1)];
  const axis = normalizeAxis("Gather", c.int("axis", 0), rankOf(x));
  const size = x.shape[axis];
  if (!(indices instanceof Known)) return ops.take(asTensor(x), indices, axis);
  const at = indices.values.map((i) =>
    typeof size === "number" && Number(i) < 0 ? Number(i) + size : Number(i),
  );
  const outside = at.find(
    (i) => !Number.isInteger(i) || (typeof size === "number" && (i < 0 || i >= size)),
  );
  if (outside !== undefined)
    throw new OnnxImportError(`index ${outside} is outside axis ${axis} of size ${size}`);
  if (x instanceof Known) {
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return build(x.dtype, shape, (index) => {
      const inner = index.slice(axis, axis + indices.rank);
      const position = Number(elementAt(new Known("int64", indices.shape, at), inner));
      return elementAt(x, [...index.slice(0, axis), position, ...index.slice(axis + indices.rank)]);
    });
  }
  if (indices.rank === 0 && at[0] >= 0) return ops.select(x, at[0], axis);
  // A negative index of an axis of unknown size is left to the run.
  return ops.take(x, asTensor(new Known("int64", indices.shape, at)), axis);
}

function scatterElements(c: Call): Tensor {
  c.require("reduction", c.text("reduction", "none"), "add");
  return ops.scatterAdd(c.tensor(0), c.int("axis", 0), c.tensor(1), c.tensor(2));
}

/** Rows added at row positions, the one form that has a gradient here. */
function scatterRows(c: Call): Tensor {
  c.require("reduction", c.text("reduction", "none"), "add");
  const [target, indices, rows] = [c.tensor(0), c.tensor(1), c.tensor(2)];
  if (indices.rank !== 2 || indices.shape[1] !== 1 || target.rank !== 2) {
    throw new OnnxImportError("only rows (n, E) added to (V, E) at positions (n, 1) are read");
  }
  return ops.scatterRows(target, ops.squeeze(indices, 1), rows);
}

/** (N, C · b², H, W) -> (N, C, H · b, W · b), also known as pixel shuffle. */
function depthToSpace(c: Call): Tensor {
  const x = c.tensor(0);
  const b = c.int("blocksize", 1);
  const mode = c.text("mode", "DCR");
  c.require("mode", mode, "DCR", "CRD");
  const [n, , h, w] = x.shape;
  const channels = sizes.divideExactly(x.shape[1] ?? 0, b * b);
  if (x.rank !== 4 || channels === undefined) {
    throw new OnnxImportError(`takes (N, C · ${b}², H, W)`);
  }
  const isDepthFirst = mode === "DCR";
  const opened = isDepthFirst ? [n, b, b, channels, h, w] : [n, channels, b, b, h, w];
  const apart = ops.permute(
    ops.reshape(x, opened),
    isDepthFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3],
  );
  return ops.reshape(apart, [n, channels, sizes.multiply(h, b), sizes.multiply(w, b)]);
}

function pad(c: Call): Tensor {
  const mode = c.text("mode", "constant");
  c.require("mode", mode, "constant", "reflect", "edge");
  const isAttribute = c.opset < 11;
  const pads = (isAttribute ? c.ints("pads") : c.numbers(1)) ?? [];
  const value = isAttribute ? c.float("value", 0) : c.number(2, 0);
  const x = c.tensor(0);
  // ONNX: all begins, then all ends. Ours, as PyTorch's: [begin, end] from the last axis on.
  const pairs = x.shape.flatMap((_, i) => [pads[x.rank - 1 - i], pads[2 * x.rank - 1 - i]]);
  const names = { constant: "constant", reflect: "reflect", edge: "replicate" } as const;
  return ops.pad(x, pairs, { mode: names[mode as keyof typeof names], value });
}

function triangle(c: Call): Tensor {
  const run = c.int("upper", 1) !== 0 ? ops.triu : ops.tril;
  return run(c.tensor(0), c.number(1, 0));
}

export const shapes: Rules = {
  Concat: concat,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  GatherElements: (c) => ops.gather(c.tensor(0), c.int("axis", 0), c.tensor(1)),
  Pad: pad,
  Range: range,
  Reshape: reshape,
  ScatterElements: scatterElements,
  ScatterND: scatterRows,
  Shape: shapeOf,
  Size: (c) => new Known("int64", [], [sizes.sizeOf(c.value(0).shape)]),
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Trilu: triangle,
  Unsqueeze: unsqueeze,
};
