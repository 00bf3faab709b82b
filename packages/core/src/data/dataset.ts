import type { Value } from "../engine/engine.ts";
import { TensorlaneError } from "../errors.ts";
import { allocate, type DType, dtypeOf, type TensorData } from "../graph/dtype.ts";

/** Named tensors of one batch; every shape begins with the batch size N. */
export type Batch = Record<string, Value>;

/** What one sample holds under a name: `shape` is without the batch dimension. */
export interface Field {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * Samples that can be addressed by index.
 *
 * `fill` writes into memory that is already there, so a training engine can hand in its bound buffers. It may
 * return a promise: a data set that decodes images hands the work to a worker and resolves when the rows are
 * written; the loader overlaps that with the step that is running.
 */
export interface Dataset {
  readonly length: number;
  readonly fields: Readonly<Record<string, Field>>;
  /**
   * Writes sample `indices[i]` into row i of every field of `target`; rows beyond are left alone. `pass`
   * counts from 0 how often the loader has gone through the set: a set that augments draws by (index, pass).
   */
  fill(target: Batch, indices: ArrayLike<number>, pass?: number): void | Promise<void>;
  /** The samples as a fresh batch, in the order asked for. */
  get(indices: ArrayLike<number>, pass?: number): Batch | Promise<Batch>;
}

/** Elements of one sample of a field. */
export function fieldSize(field: Field): number {
  return field.shape.reduce((product, size) => product * size, 1);
}

/**
 * Zero-filled memory for a batch of n samples.
 *
 * @example allocateBatch({ x: { dtype: "float32", shape: [12, 207] } }, 64).x.shape // [64, 12, 207]
 */
export function allocateBatch(fields: Readonly<Record<string, Field>>, n: number): Batch {
  const batch: Batch = {};
  for (const [name, field] of Object.entries(fields)) {
    const { dtype, shape } = field;
    batch[name] = { dtype, shape: [n, ...shape], data: allocate(dtype, n * fieldSize(field)) };
  }
  return batch;
}

/** Where field `name` of a batch goes; says what is missing or too small. */
export function targetOf(target: Batch, name: string, field: Field, rows: number): TensorData {
  const value = target[name];
  if (value === undefined)
    throw new TensorlaneError(
      `batch has no field "${name}"; it has ${Object.keys(target).join(", ") || "none"}: make it with allocateBatch(dataset.fields, n)`,
    );
  if (value.dtype !== field.dtype)
    throw new TypeError(
      `batch field "${name}" is ${value.dtype}, the data set gives ${field.dtype}`,
    );
  if (value.data.length < rows * fieldSize(field))
    throw new RangeError(
      `batch field "${name}" holds ${value.data.length} elements (shape [${value.shape}]), ${rows} samples of [${field.shape}] need ${rows * fieldSize(field)}`,
    );
  return value.data;
}

/** Copies `size` elements between typed arrays of one kind. */
export function copyElements(
  from: TensorData,
  start: number,
  size: number,
  to: TensorData,
  at: number,
): void {
  (to as Float32Array).set((from as Float32Array).subarray(start, start + size), at);
}

function checkIndex(index: number, length: number): void {
  if (!(index >= 0 && index < length && Number.isInteger(index)))
    throw new RangeError(`sample ${index} of a data set of ${length}: use 0 .. ${length - 1}`);
}

/** What every data set of ours shares: `get` by way of `fill`. */
export abstract class FilledDataset implements Dataset {
  abstract readonly length: number;
  abstract readonly fields: Readonly<Record<string, Field>>;
  abstract fill(target: Batch, indices: ArrayLike<number>): void;

  get(indices: ArrayLike<number>): Batch {
    const batch = allocateBatch(this.fields, indices.length);
    this.fill(batch, indices);
    return batch;
  }
}

/**
 * Samples held in arrays: `{ name: { data, shape } }`, the first dimension being the sample.
 *
 * @example new ArrayDataset({ x: { data: pixels, shape: [60000, 784] }, y: { data: labels, shape: [60000] } })
 */
export class ArrayDataset extends FilledDataset {
  readonly length: number;
  readonly fields: Readonly<Record<string, Field>>;
  readonly #arrays: ReadonlyMap<string, TensorData>;

  constructor(
    arrays: Readonly<Record<string, { data: TensorData; shape?: readonly number[] | undefined }>>,
  ) {
    super();
    const names = Object.keys(arrays);
    if (names.length === 0)
      throw new TensorlaneError("ArrayDataset needs at least one array; got none");
    const fields: Record<string, Field> = {};
    let length = -1;
    for (const name of names) {
      const { data, shape = [data.length] } = arrays[name]!;
      const size = shape.reduce((product, n) => product * n, 1);
      if (shape.length === 0 || size !== data.length)
        throw new RangeError(
          `ArrayDataset field "${name}": shape [${shape}] is ${size} elements, the array has ${data.length}`,
        );
      if (length !== -1 && shape[0] !== length)
        throw new RangeError(
          `ArrayDataset field "${name}" has ${shape[0]} samples, "${names[0]}" has ${length}: the first dimension must agree`,
        );
      length = shape[0]!;
      fields[name] = { dtype: dtypeOf(data), shape: shape.slice(1) };
    }
    this.length = length;
    this.fields = fields;
    this.#arrays = new Map(names.map((name) => [name, arrays[name]!.data]));
  }

  override fill(target: Batch, indices: ArrayLike<number>): void {
    for (const [name, field] of Object.entries(this.fields)) {
      const from = this.#arrays.get(name)!;
      const to = targetOf(target, name, field, indices.length);
      const size = fieldSize(field);
      for (let row = 0; row < indices.length; row++) {
        checkIndex(indices[row]!, this.length);
        copyElements(from, indices[row]! * size, size, to, row * size);
      }
    }
  }
}

/** What `WindowDataset` cuts windows from. */
export interface WindowOptions {
  /** The series, row-major: (rows, columns). */
  readonly values: Float32Array;
  readonly columns: number;
  /** Rows of the input, and rows of the target that follow it. */
  readonly stepsIn: number;
  readonly stepsOut: number;
  /** First row of every window; by default every `stride`-th row whose window fits into the series. */
  readonly starts?: ArrayLike<number> | undefined;
  readonly stride?: number | undefined;
  /** Values known ahead (time of day, holidays): (rows, columns), for input and target rows. */
  readonly covariates?: { readonly values: Float32Array; readonly columns: number } | undefined;
}

/**
 * Windows of a time series: `x` (stepsIn, columns), `y` (stepsOut, columns), and with covariates
 * `covariatesIn` (stepsIn, C) and `covariatesOut` (stepsOut, C).
 *
 * @example new WindowDataset({ values, columns: 207, stepsIn: 12, stepsOut: 3 })
 */
export class WindowDataset extends FilledDataset {
  readonly length: number;
  readonly fields: Readonly<Record<string, Field>>;
  /** First row of each window. */
  readonly starts: Int32Array;
  readonly #options: WindowOptions;

  constructor(options: WindowOptions) {
    super();
    const { values, columns, stepsIn, stepsOut, covariates } = options;
    const rows = values.length / columns;
    if (!Number.isInteger(rows))
      throw new RangeError(
        `WindowDataset: ${values.length} values are not whole rows of ${columns}`,
      );
    const span = stepsIn + stepsOut;
    this.starts = Int32Array.from(options.starts ?? everyStart(rows - span, options.stride ?? 1));
    for (const start of this.starts) {
      if (start < 0 || start + span > rows)
        throw new RangeError(
          `WindowDataset: a window of ${stepsIn} + ${stepsOut} rows at row ${start} does not fit into ${rows} rows`,
        );
    }
    if (covariates && covariates.values.length !== rows * covariates.columns)
      throw new RangeError(
        `WindowDataset: covariates hold ${covariates.values.length} values, ${rows} rows of ${covariates.columns} need ${rows * covariates.columns}`,
      );
    this.length = this.starts.length;
    this.#options = options;
    const float = (...shape: number[]): Field => ({ dtype: "float32", shape });
    this.fields = {
      x: float(stepsIn, columns),
      y: float(stepsOut, columns),
      ...(covariates && {
        covariatesIn: float(stepsIn, covariates.columns),
        covariatesOut: float(stepsOut, covariates.columns),
      }),
    };
  }

  override fill(target: Batch, indices: ArrayLike<number>): void {
    const { values, columns, stepsIn, covariates } = this.#options;
    const cut = (name: string, from: Float32Array, width: number, offset: number) => {
      const field = this.fields[name]!;
      const to = targetOf(target, name, field, indices.length);
      const size = fieldSize(field);
      for (let row = 0; row < indices.length; row++) {
        checkIndex(indices[row]!, this.length);
        copyElements(from, (this.starts[indices[row]!]! + offset) * width, size, to, row * size);
      }
    };
    cut("x", values, columns, 0);
    cut("y", values, columns, stepsIn);
    if (covariates) {
      cut("covariatesIn", covariates.values, covariates.columns, 0);
      cut("covariatesOut", covariates.values, covariates.columns, stepsIn);
    }
  }
}

function everyStart(last: number, stride: number): number[] {
  if (!Number.isInteger(stride) || stride < 1)
    throw new RangeError(`WindowDataset: stride ${stride} must be a whole number of at least 1`);
  return Array.from({ length: Math.max(0, Math.floor(last / stride) + 1) }, (_, i) => i * stride);
}
