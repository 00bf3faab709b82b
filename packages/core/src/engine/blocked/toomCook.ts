/**
 * F(m, r): m outputs of a filter of r taps from n = m + r - 1 products instead of m · r,
 * y = output · ((kernel · g) ⊙ (input · d)).
 * Toom and Cook: polynomials are multiplied by their values at n points; Winograd: "Arithmetic Complexity of
 * Computations" (1980); for convolutional networks: Lavin and Gray, arXiv:1509.09308.
 */
export interface Filtering {
  /** m x n. */
  readonly output: Matrix;
  /** n x r. */
  readonly kernel: Matrix;
  /** n x n. */
  readonly input: Matrix;
}
export type Matrix = readonly (readonly number[])[];

/**
 * 0, then pairs a and -a, the first with a = 1: `rowsOfProducts` relies on it. The last point, at which a polynomial's value is
 * its highest coefficient, is infinity.
 */
const POINTS = [0, 1, -1, 2, -2];
/** The matrices of F(m, r), m + r at most 7. */
export function filtering(m: number, r: number): Filtering {
  const points = POINTS.slice(0, m + r - 2);
  const infinity = (length: number) => Array.from({ length }, (_, i) => Number(i === length - 1));
  const powers = (length: number) => [
    ...points.map((a) => Array.from({ length }, (_, i) => a ** i)),
    infinity(length),
  ];
  const others = points.map((a) => points.filter((b) => b !== a));
  // At a point, Lagrange's polynomial is the product of (x - b) by its own value there.
  const scales = [...others.map((bs, p) => 1 / bs.reduce((s, b) => s * (points[p] - b), 1)), 1];
  return {
    output: transposed(powers(m)),
    kernel: powers(r).map((row, p) => row.map((value) => value * scales[p])),
    input: [...others, points].map((roots) => padded(expanded(roots), m + r - 1)),
  };
}

/** Coefficients of the product of (x - root), the constant one first. */
function expanded(roots: readonly number[]): number[] {
  let product = [1];
  for (const root of roots) {
    product = [...product, 0].map((value, i) => (product[i - 1] ?? 0) - root * value);
  }
  return product;
}
const padded = (row: readonly number[], length: number): number[] =>
  Array.from({ length }, (_, i) => row[i] ?? 0);

const transposed = (matrix: Matrix): number[][] =>
  matrix[0].map((_, column) => matrix.map((row) => row[column]));
