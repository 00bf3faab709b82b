import { expect } from "vitest";
import { gradients } from "../../autodiff/gradients.ts";
import { evaluate } from "../../evaluate.ts";
import type { DType } from "../dtype.ts";
import * as ops from "../ops/index.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { count, type Nd } from "./ndarray.ts";

/** An input: a shape filled with numbers of a range, or the numbers themselves. */
export type Input =
  | readonly number[]
  | { readonly shape: readonly number[]; readonly range?: readonly [number, number] }
  | {
      readonly shape: readonly number[];
      readonly values: readonly number[];
      readonly dtype?: DType;
    };

export interface OpCase {
  /** The public operator that is tested. */
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly run: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  /** The same in plain JavaScript. */
  readonly reference: (...inputs: Nd[]) => Nd | readonly Nd[];
  /** Element types of the outputs; float32 otherwise. */
  readonly dtypes?: readonly DType[];
  /**
   * Order up to which gradients are compared with differences of the reference (2 unless said otherwise).
   * 0 where no gradient flows; then it must be 0.
   */
  readonly order?: 0 | 1 | 2;
}

/** Numbers that are the same in every run, evenly spread, none of them close to 0 or to each other. */
function numbers(size: number, salt: number, [low, high]: readonly [number, number]): number[] {
  // A permutation of evenly spaced points: no ties, no kinks, whatever the size.
  const stride = [7, 11, 13, 17, 19].find((prime) => size % prime !== 0) as number;
  return Array.from({ length: size }, (_, i) => {
    const u = (((i * stride + salt * 3) % size) + 0.37) / size;
    return Math.fround(low + (high - low) * u);
  });
}

interface Given extends Nd {
  readonly dtype: DType;
}
function given(input: Input, salt: number): Given {
  if (!("shape" in input)) return given({ shape: input }, salt);
  const { shape } = input;
  if (!("values" in input)) {
    return {
      shape,
      dtype: "float32",
      data: numbers(count(shape), salt, input.range ?? [-1.5, 1.5]),
    };
  }
  const dtype = input.dtype ?? "float32";
  return { shape, dtype, data: dtype === "float32" ? input.values.map(Math.fround) : input.values };
}

const asList = <T>(value: T | readonly T[]): readonly T[] =>
  Array.isArray(value) ? (value as readonly T[]) : [value as T];

export const toTensor = ({ data, shape, dtype = "float32" }: Nd & { readonly dtype?: DType }) =>
  tensor(data, shape, dtype);

/**
 * Close in the measure of the largest element, so that rounding near 0 does not count, or of
 * `least` where that is larger.
 */
export function expectNear(
  what: string,
  actual: ArrayLike<number | bigint>,
  expected: readonly number[],
  tolerance: number,
  least = 1e-3,
): void {
  expect(actual.length, `${what}: number of elements`).toBe(expected.length);
  const finite = expected.filter((value) => Number.isFinite(value)).map(Math.abs);
  const scale = Math.max(least, ...finite);
  for (const [i, value] of expected.entries()) {
    const own = Number(actual[i]);
    const isClose = Object.is(own, value) || Math.abs(own - value) <= tolerance * scale;
    if (!isClose && own !== value) {
      throw new Error(`${what}: element ${i} is ${own}, should be ${value} (largest: ${scale})`);
    }
  }
}

/** Central difference of a function of many numbers, along one of them. */
function difference(f: (x: readonly number[]) => number, x: readonly number[], i: number): number {
  const h = 1e-4 * Math.max(1, Math.abs(x[i]));
  return (f(x.with(i, x[i] + h)) - f(x.with(i, x[i] - h))) / (2 * h);
}

/** The graph of a case: outputs, and the gradients that are compared. */
export function graphOf({ inputs, run, order = 2 }: OpCase) {
  const data = inputs.map((input, i) => given(input, i + 1));
  const leaves = data.map(toTensor);
  const outputs = asList(run(...leaves));
  // The scalar sum(output · weight) has one slope per input element; weights tell elements apart.
  const smooth = outputs.flatMap((output, i) => (output.dtype === "float32" ? [i] : []));
  const weights = smooth.map((i) => given(outputs[i].shape as readonly number[], 20 + i));
  const total = (parts: readonly Tensor[]) => parts.reduce((a, b) => a.add(b), ops.constant(0));
  const loss = total(smooth.map((i, k) => outputs[i].mul(toTensor(weights[k])).sum()));
  const wrt = data.flatMap(({ dtype }, i) => (dtype === "float32" ? [i] : []));
  const floats = wrt.map((i) => leaves[i]);
  const first = gradients(loss, floats);
  const directions = wrt.map((i) => given(data[i].shape, 40 + i));
  const along = total(first.map((grad, k) => grad.mul(toTensor(directions[k])).sum()));
  const second = order === 2 ? gradients(along, floats) : [];
  return { data, outputs, smooth, weights, wrt, directions, first, second };
}

/**
 * Checks an operator: shape, type and values of its outputs against the reference; first and second
 * order gradients against central differences of the reference, which computes in float64.
 */
export async function checkOp(entry: OpCase): Promise<readonly Tensor[]> {
  const { reference, dtypes, order = 2 } = entry;
  const { data, outputs, smooth, weights, wrt, directions, first, second } = graphOf(entry);
  const expected = asList(reference(...data));
  expect(outputs.length, "number of outputs").toBe(expected.length);
  for (const [i, output] of outputs.entries()) {
    expect(output.dtype, `type of output ${i}`).toBe(dtypes?.[i] ?? "float32");
    expect(output.shape, `shape of output ${i}`).toEqual(expected[i].shape);
  }
  const wanted = [...outputs, ...first, ...second];
  const results = await evaluate(wanted);
  for (const [i, { data: own, shape }] of results.slice(0, outputs.length).entries()) {
    expect(shape, `shape of output ${i} when run`).toEqual(expected[i].shape);
    expectNear(`output ${i}`, own, expected[i].data, outputs[i].dtype === "float32" ? 2e-6 : 0);
  }
  if (wrt.length === 0) return wanted;

  // All float inputs as one list of numbers.
  const start = wrt.flatMap((i) => data[i].data);
  const split = (x: readonly number[]): Nd[] => {
    let from = 0;
    return data.map(({ shape, data: own, dtype }) => {
      if (dtype !== "float32") return { shape, data: own };
      from += own.length;
      return { shape, data: x.slice(from - own.length, from) };
    });
  };
  const lossOf = (x: readonly number[]) => {
    const values = asList(reference(...split(x)));
    let total = 0;
    for (const [k, i] of smooth.entries()) {
      for (const [j, value] of values[i].data.entries()) total += value * weights[k].data[j];
    }
    return total;
  };
  const compare = (what: string, from: number, f: typeof lossOf, tolerance: number) => {
    const own = results
      .slice(from, from + wrt.length)
      .flatMap((r) => [...(r.data as Float32Array)]);
    const slopes = start.map((_, i) => difference(f, start, i));
    expectNear(what, own, slopes, tolerance);
  };
  if (order === 0) {
    const zeros = start.map(() => 0);
    const own = results.slice(outputs.length).flatMap((r) => [...(r.data as Float32Array)]);
    expectNear("gradients (none flows)", own, zeros, 0);
    return wanted;
  }
  compare("gradients", outputs.length, lossOf, 1e-4);
  if (order === 2) {
    const direction = directions.flatMap((d) => d.data);
    const slope = (x: readonly number[]) => {
      const moved = (h: number) => x.map((value, i) => value + h * direction[i]);
      return (lossOf(moved(1e-4)) - lossOf(moved(-1e-4))) / 2e-4;
    };
    compare("second-order gradients", outputs.length + wrt.length, slope, 2e-3);
  }
  return wanted;
}
