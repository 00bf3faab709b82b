import { TensorlaneError } from "../errors.ts";

/** A factor of a symbolic size: a named dimension, or a floor division that does not simplify. */
type Atom = { readonly name: string } | { readonly over: Dim; readonly by: number };
/** coefficient x product of atoms. */
interface Term {
  readonly coefficient: number;
  readonly atoms: readonly Atom[];
}
/** One entry of a shape: a number, or a size known only when the graph runs. */
export type Size = number | Dim;
export type Shape = readonly Size[];

/**
 * A size known only when the graph runs, such as the batch of an exported model. Arithmetic on dims
 * stays exact: they are polynomials with integer coefficients over named dimensions.
 *
 * @example
 * const batch = new Dim("batch");
 * multiply(batch, 4).toString(); // "4*batch"
 */
export class Dim {
  readonly terms: readonly Term[];
  /** Equal keys mean equal sizes. */
  readonly key: string;

  constructor(nameOrTerms: string | readonly Term[]) {
    if (typeof nameOrTerms === "string" && !/^[A-Za-z_]\w*$/.test(nameOrTerms)) {
      throw new TensorlaneError(
        `Dim: "${nameOrTerms}" is not a name; use letters, digits and underscores, e.g. "batch"`,
      );
    }
    this.terms =
      typeof nameOrTerms === "string"
        ? [{ coefficient: 1, atoms: [{ name: nameOrTerms }] }]
        : nameOrTerms;
    this.key = this.terms.map(termKey).join("+").replaceAll("+-", "-");
  }

  /** The name, where this is one named dimension and nothing else. */
  get symbol(): string | undefined {
    const [term, ...rest] = this.terms;
    if (rest.length > 0 || term.coefficient !== 1 || term.atoms.length !== 1) return undefined;
    return "name" in term.atoms[0] ? term.atoms[0].name : undefined;
  }

  toString(): string {
    return this.key;
  }
}

const atomKey = (atom: Atom): string =>
  "name" in atom ? atom.name : `floor((${atom.over.key})/${atom.by})`;
const atomsKey = (atoms: readonly Atom[]): string => atoms.map(atomKey).join("*");

function termKey({ coefficient, atoms }: Term): string {
  if (atoms.length === 0) return String(coefficient);
  return coefficient === 1 ? atomsKey(atoms) : `${coefficient}*${atomsKey(atoms)}`;
}

const termsOf = (size: Size): readonly Term[] =>
  typeof size === "number" ? (size === 0 ? [] : [{ coefficient: size, atoms: [] }]) : size.terms;

/** Collects equal monomials, drops zeros, sorts; a constant becomes a plain number again. */
function simplify(terms: readonly Term[]): Size {
  const sums = new Map<string, Term>();
  for (const term of terms) {
    const key = atomsKey(term.atoms);
    const coefficient = (sums.get(key)?.coefficient ?? 0) + term.coefficient;
    sums.set(key, { coefficient, atoms: term.atoms });
  }
  const kept = [...sums].filter(([, term]) => term.coefficient !== 0);
  // Longer monomials first, the constant last: "4*batch*time+batch+1".
  kept.sort(([a, s], [b, t]) => t.atoms.length - s.atoms.length || (a < b ? -1 : 1));
  const result = kept.map(([, term]) => term);
  if (result.length === 0) return 0;
  if (result.length === 1 && result[0].atoms.length === 0) return result[0].coefficient;
  return new Dim(result);
}

export const add = (a: Size, b: Size): Size => simplify([...termsOf(a), ...termsOf(b)]);
export const subtract = (a: Size, b: Size): Size => add(a, multiply(b, -1));

export function multiply(a: Size, b: Size): Size {
  const products: Term[] = [];
  for (const s of termsOf(a)) {
    for (const t of termsOf(b)) {
      const atoms = [...s.atoms, ...t.atoms].sort((x, y) => (atomKey(x) < atomKey(y) ? -1 : 1));
      products.push({ coefficient: s.coefficient * t.coefficient, atoms });
    }
  }
  return simplify(products);
}

export function floorDivide(a: Size, by: number): Size {
  if (typeof a === "number") return Math.floor(a / by);
  const exact = divideExactly(a, by);
  return exact ?? new Dim([{ coefficient: 1, atoms: [{ over: a, by }] }]);
}

/** a / b where b is one term that divides every term of a; undefined otherwise. */
export function divideExactly(a: Size, b: Size): Size | undefined {
  if (typeof a === "number" && typeof b === "number") {
    return b !== 0 && a % b === 0 ? a / b : undefined;
  }
  const divisors = termsOf(b);
  if (divisors.length !== 1) return equal(a, b) ? 1 : undefined;
  const quotient: Term[] = [];
  for (const term of termsOf(a)) {
    const atoms = [...term.atoms];
    for (const atom of divisors[0].atoms) {
      const at = atoms.findIndex((other) => atomKey(other) === atomKey(atom));
      if (at < 0) return undefined;
      atoms.splice(at, 1);
    }
    if (term.coefficient % divisors[0].coefficient !== 0) return undefined;
    quotient.push({ coefficient: term.coefficient / divisors[0].coefficient, atoms });
  }
  return simplify(quotient);
}

export const equal = (a: Size, b: Size): boolean =>
  a === b || (typeof a !== "number" && typeof b !== "number" && a.key === b.key);

export const isStatic = (shape: Shape): shape is readonly number[] =>
  shape.every((size) => typeof size === "number");

/** The number of elements. */
export const sizeOf = (shape: Shape): Size => shape.reduce<Size>(multiply, 1);

/** The number of elements of a shape without symbolic entries. */
export function staticSize(shape: Shape): number {
  if (!isStatic(shape)) {
    throw new TensorlaneError(
      `shape ${format(shape)} has symbolic entries, but a concrete size is needed here`,
    );
  }
  return shape.reduce((product, size) => product * size, 1);
}

export const format = (shape: Shape): string => `[${shape.map(String).join(", ")}]`;

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, axis) => equal(size, b[axis]));
