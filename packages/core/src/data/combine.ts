import { TensorlaneError } from "../errors.ts";
import type { TensorData } from "../graph/dtype.ts";
import {
  allocateBatch,
  type Batch,
  copyElements,
  type Dataset,
  type Field,
  fieldSize,
  targetOf,
} from "./dataset.ts";

/**
 * The samples of `dataset` at `indices`, in that order.
 *
 * @example subset(all, validationIndices)
 */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const chosen = Int32Array.from(indices);
  const bad = chosen.findIndex((index) => index < 0 || index >= dataset.length);
  if (bad !== -1)
    throw new RangeError(
      `subset: index ${chosen[bad]} at place ${bad} is outside a data set of ${dataset.length}`,
    );
  const through = (rows: ArrayLike<number>) =>
    Int32Array.from({ length: rows.length }, (_, i) => {
      const index = chosen[rows[i]!];
      if (index === undefined)
        throw new RangeError(`sample ${rows[i]} of a subset of ${chosen.length}`);
      return index;
    });
  return {
    length: chosen.length,
    fields: dataset.fields,
    fill: (target, rows, pass) => dataset.fill(target, through(rows), pass),
    get: (rows, pass) => dataset.get(through(rows), pass),
  };
}

/**
 * Several data sets with the same fields, one after the other.
 *
 * @example concat([january, february])
 */
export function concat(datasets: readonly Dataset[]): Dataset {
  const first = datasets[0];
  if (first === undefined)
    throw new TensorlaneError("concat needs at least one data set; got none");
  const wanted = describeFields(first.fields);
  for (const [i, dataset] of datasets.entries()) {
    const got = describeFields(dataset.fields);
    if (got !== wanted)
      throw new TypeError(
        `concat: data set ${i} has fields ${got}, data set 0 has ${wanted}: they must be the same`,
      );
  }
  const ends: number[] = [];
  let length = 0;
  for (const dataset of datasets) {
    length += dataset.length;
    ends.push(length);
  }
  const fill = async (target: Batch, rows: ArrayLike<number>, pass?: number): Promise<void> => {
    for (const [part, dataset] of datasets.entries()) {
      const begin = part === 0 ? 0 : ends[part - 1]!;
      const places: number[] = [];
      for (let row = 0; row < rows.length; row++) {
        const index = rows[row]!;
        if (!(index >= 0 && index < length))
          throw new RangeError(`sample ${index} of a data set of ${length}`);
        if (index >= begin && index < ends[part]!) places.push(row);
      }
      if (places.length === 0) continue;
      const own = places.map((row) => rows[row]! - begin);
      const batch = await dataset.get(own, pass);
      for (const [name, field] of Object.entries(first.fields)) {
        const to = targetOf(target, name, field, rows.length);
        const size = fieldSize(field);
        for (const [i, row] of places.entries())
          copyElements(batch[name]!.data, i * size, size, to, row * size);
      }
    }
  };
  return { length, fields: first.fields, fill, get: getBy(first.fields, fill) };
}

/** What a decoder gives for one sample: an array a field. */
export type Sample = Readonly<Record<string, TensorData>>;

/**
 * Samples that cost time to make: `decode(index)` may run in a worker and resolves with one array a field;
 * the samples of a batch are decoded side by side.
 *
 * @example decoded(files.length, { x: { dtype: "float32", shape: [3, 64, 64] } }, (i) => pool.run(files[i]))
 */
export function decoded(
  length: number,
  fields: Readonly<Record<string, Field>>,
  decode: (index: number) => Sample | Promise<Sample>,
): Dataset {
  const fill = async (target: Batch, rows: ArrayLike<number>): Promise<void> => {
    await Promise.all(
      Array.from(rows, async (index, row) => {
        if (!(index >= 0 && index < length))
          throw new RangeError(`sample ${index} of a data set of ${length}`);
        const sample = await decode(index);
        for (const [name, field] of Object.entries(fields)) {
          const size = fieldSize(field);
          const data = sample[name];
          if (data?.length !== size)
            throw new RangeError(
              `decoding sample ${index}: field "${name}" has ${data?.length ?? "no"} elements, [${field.shape}] needs ${size}`,
            );
          copyElements(data, 0, size, targetOf(target, name, field, rows.length), row * size);
        }
      }),
    );
  };
  return { length, fields, fill, get: getBy(fields, fill) };
}

function getBy(
  fields: Readonly<Record<string, Field>>,
  fill: (target: Batch, rows: ArrayLike<number>, pass?: number) => Promise<void>,
) {
  return async (rows: ArrayLike<number>, pass?: number): Promise<Batch> => {
    const batch = allocateBatch(fields, rows.length);
    await fill(batch, rows, pass);
    return batch;
  };
}

function describeFields(fields: Readonly<Record<string, Field>>): string {
  return Object.entries(fields)
    .map(([name, field]) => `${name}: ${field.dtype}[${field.shape}]`)
    .join(", ");
}
