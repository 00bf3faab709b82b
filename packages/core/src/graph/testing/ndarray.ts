/** Tensors in plain JavaScript and float64: slow, simple, and independent of the code they judge. */
export interface Nd {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

type Index = readonly number[];

export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** All indices of a shape, row-major. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  for (let flat = 0; flat < count(shape); flat++) {
    const index: number[] = [];
    let rest = flat;
    for (const size of [...shape].reverse()) {
      index.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    yield index;
  }
}

/** An array whose elements are a function of their index. */
export const build = (shape: readonly number[], f: (index: number[]) => number): Nd => ({
  shape,
  data: [...indices(shape)].map(f),
});

/** One element; an index that is too long or lies on an axis of size 1 broadcasts. */
export function at({ shape, data }: Nd, index: Index): number {
  const own = index.slice(index.length - shape.length);
  return data[shape.reduce((flat, size, axis) => flat * size + (size === 1 ? 0 : own[axis]), 0)];
}

export const scalar = (value: number): Nd => ({ shape: [], data: [value] });

export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[shape.length - rank + axis] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

/** Element by element, broadcast. */
export const zip = (f: (...values: number[]) => number, ...arrays: readonly Nd[]): Nd =>
  build(broadcastShape(...arrays.map(({ shape }) => shape)), (index) =>
    f(...arrays.map((array) => at(array, index))),
  );

/** Each group of elements that a reduction over `axes` joins, in row-major order. */
export function reduce(
  x: Nd,
  axes: readonly number[],
  keepdim: boolean,
  f: (group: number[]) => number,
): Nd {
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const inner = x.shape.map((size, axis) => (axes.includes(axis) ? size : 1));
  const result = build(kept, (outer) =>
    f(
      [...indices(inner)].map((index) =>
        at(
          x,
          index.map((i, axis) => i + outer[axis]),
        ),
      ),
    ),
  );
  const shape = keepdim ? kept : kept.filter((_, axis) => !axes.includes(axis));
  return { shape, data: result.data };
}

/** Every line along an axis replaced by a function of it. */
export function alongAxis(x: Nd, axis: number, f: (line: number[]) => number[]): Nd {
  return build(x.shape, (index) => {
    const line = Array.from({ length: x.shape[axis] }, (_, i) => at(x, index.with(axis, i)));
    return f(line)[index[axis]];
  });
}

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
export const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1);
