/** Arithmetic on what is known before the graph runs: shapes, axes and other small arrays. */
import * as sizes from "../graph/dim.ts";
import { format, isStatic, type Size } from "../graph/dim.ts";
import { allocate, type DType } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import { broadcast } from "../graph/shape.ts";
import { Tensor } from "../graph/tensor.ts";
import { OnnxImportError } from "./error.ts";
import type { Stored } from "./tensor.ts";

/** Larger arrays are tensors like any other. */
export const MOST_KNOWN = 1024;

/**
 * A small array with known elements, which are numbers or, where they come from an open axis, symbolic
 * sizes. This is how `Shape -> Gather -> Concat -> Reshape` is read: as a shape, not as tensors.
 */
export class Known {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly Size[];

  constructor(dtype: DType, shape: readonly number[], values: readonly Size[]) {
    this.dtype = dtype;
    this.shape = shape;
    this.values = values;
  }

  get rank(): number {
    return this.shape.length;
  }

  toString(): string {
    return `${this.dtype}${format(this.shape)} of [${this.values.join(", ")}]`;
  }
}

/** What a name of the graph stands for while it is run. */
export type Value = Tensor | Known;

/** A 1-D array of sizes, as `Shape` gives it. */
export const knownSizes = (values: readonly Size[]): Known =>
  new Known("int64", [values.length], values);

/** A stored array as known values, where it is small. */
export function knownOf({ dtype, shape, data }: Stored): Known | undefined {
  if (data.length > MOST_KNOWN) return undefined;
  return new Known(dtype, shape, Array.from(data as ArrayLike<number | bigint>, Number));
}

/** The array as a tensor; symbolic sizes are computed when the graph runs. */
export function asTensor(value: Value): Tensor {
  if (value instanceof Tensor) return value;
  const { dtype, shape, values } = value;
  if (!isStatic(values)) {
    const parts = values.map((size) => ops.cast(ops.sizeAsFloat(size), dtype));
    return ops.reshape(ops.stack(parts), shape);
  }
  const data = allocate(dtype, values.length);
  for (const [i, number] of values.entries()) {
    if (dtype === "int64" && !Number.isSafeInteger(number)) {
      throw new OnnxImportError(`the integer ${number} is beyond 2^53 and cannot be computed with`);
    }
    data[i] = (dtype === "int64" ? BigInt(number) : number) as never;
  }
  return ops.constant(data, dtype, shape);
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** An array whose elements are given by their index. */
export function build(
  dtype: DType,
  shape: readonly number[],
  at: (index: readonly number[]) => Size,
): Known {
  const total = count(shape);
  if (!(total <= MOST_KNOWN)) {
    throw new OnnxImportError(`a constant of shape ${format(shape)} is too large to be folded`);
  }
  const values = Array.from({ length: total }, (_, flat) => {
    let rest = flat;
    const index = shape.map((size, axis) => {
      const inner = count(shape.slice(axis + 1));
      const at = Math.floor(rest / inner) % Math.max(size, 1);
      rest %= inner;
      return at;
    });
    return at(index);
  });
  return new Known(dtype, shape, values);
}

/** The element at an index, which may be of a shape that the array broadcasts to. */
export function elementAt({ shape, values }: Known, index: readonly number[]): Size {
  const own = index.slice(index.length - shape.length);
  return values[own.reduce((flat, i, axis) => flat * shape[axis] + (shape[axis] === 1 ? 0 : i), 0)];
}

/** Folds an elementwise operator; undefined where some element cannot be told before the graph runs. */
export function folded(
  inputs: readonly Value[],
  dtype: DType,
  fold: (...elements: Size[]) => Size | undefined,
): Known | undefined {
  const known = inputs.filter((input) => input instanceof Known);
  if (known.length < inputs.length) return undefined;
  const shape = broadcast("constants", ...known.map((input) => input.shape)) as readonly number[];
  const results = build(dtype, shape, (index) => {
    const result = fold(...known.map((input) => elementAt(input, index)));
    // NaN stands for "not known" until all elements are there.
    return result === undefined ? Number.NaN : rounded(result, dtype);
  });
  return results.values.some(Number.isNaN) ? undefined : results;
}

/** As the element type would hold it. */
const rounded = (value: Size, dtype: DType): Size =>
  dtype === "float32" && typeof value === "number" ? Math.fround(value) : value;

/** Whether two sizes are equal; undefined where only a run can tell. */
export function sameSize(a: Size, b: Size): boolean | undefined {
  if (sizes.equal(a, b)) return true;
  if (typeof a === "number" && typeof b === "number") return false;
  const [fixed] = [a, b].filter((size) => typeof size === "number");
  // A symbolic size counts as more than 1, as everywhere in the library.
  return fixed !== undefined && fixed <= 1 ? false : undefined;
}
