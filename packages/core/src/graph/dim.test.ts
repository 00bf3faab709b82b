import fc from "fast-check";
import { expect, test } from "vitest";
import {
  add,
  Dim,
  divideExactly,
  equal,
  floorDivide,
  format,
  multiply,
  type Size,
  sizeOf,
  staticSize,
  subtract,
} from "./dim.ts";

const values: Readonly<Record<string, number>> = { a: 7, b: 3, time: 11 };
const dims = Object.fromEntries(Object.keys(values).map((name) => [name, new Dim(name)]));

/** What a size comes to when its names have values. */
function evaluate(size: Size): number {
  if (typeof size === "number") return size;
  return size.terms.reduce((total, { coefficient, atoms }) => {
    const factors = atoms.map((atom) =>
      "name" in atom ? values[atom.name] : Math.floor(evaluate(atom.over) / atom.by),
    );
    return total + factors.reduce((x, y) => x * y, coefficient);
  }, 0);
}

/** A size made in a random way, and the number it stands for. */
interface Pair {
  readonly size: Size;
  readonly value: number;
}
const { pair } = fc.letrec<{ pair: Pair; leaf: Pair }>((tie) => ({
  leaf: fc.oneof(
    fc.integer({ min: -4, max: 9 }).map((n) => ({ size: n, value: n })),
    fc
      .constantFrom(...Object.keys(values))
      .map((name) => ({ size: dims[name], value: values[name] })),
  ),
  pair: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie("leaf"),
    fc.tuple(tie("pair"), tie("pair")).map(([x, y]) => ({
      size: add(x.size, y.size),
      value: x.value + y.value,
    })),
    fc.tuple(tie("pair"), tie("pair")).map(([x, y]) => ({
      size: subtract(x.size, y.size),
      value: x.value - y.value,
    })),
    fc.tuple(tie("pair"), tie("leaf")).map(([x, y]) => ({
      size: multiply(x.size, y.size),
      value: x.value * y.value,
    })),
    fc.tuple(tie("pair"), fc.integer({ min: 1, max: 5 })).map(([x, by]) => ({
      size: floorDivide(x.size, by),
      value: Math.floor(x.value / by),
    })),
  ),
}));

test("arithmetic on sizes means arithmetic on numbers", () => {
  fc.assert(fc.property(pair, ({ size, value }) => evaluate(size) === value));
});

test("equal polynomials have equal keys, however they were made", () => {
  fc.assert(
    fc.property(pair, pair, pair, ({ size: x }, { size: y }, { size: z }) => {
      expect(equal(add(x, y), add(y, x))).toBe(true);
      expect(equal(multiply(x, y), multiply(y, x))).toBe(true);
      expect(equal(multiply(x, add(y, z)), add(multiply(x, y), multiply(x, z)))).toBe(true);
      expect(equal(subtract(add(x, y), y), x)).toBe(true);
      expect(subtract(x, x)).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("exact division undoes multiplication by one term", () => {
  const term = fc.oneof(
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom(dims.a, dims.b, multiply(dims.a, 3), multiply(dims.a, dims.time)),
  );
  fc.assert(
    fc.property(pair, term, ({ size }, by) => {
      expect(equal(divideExactly(multiply(size, by), by) ?? Number.NaN, size)).toBe(true);
    }),
  );
  expect(divideExactly(dims.a, 2)).toBeUndefined();
  expect(divideExactly(dims.a, dims.b)).toBeUndefined();
  expect(divideExactly(add(dims.a, 1), dims.a)).toBeUndefined();
  expect(divideExactly(add(dims.a, 1), add(dims.a, 1))).toBe(1);
  expect(divideExactly(7, 0)).toBeUndefined();
});

test("sizes read like formulas", () => {
  const { a, time } = dims;
  expect(String(add(multiply(multiply(a, time), 4), subtract(a, 1)))).toBe("4*a*time+a-1");
  expect(String(floorDivide(add(a, 1), 2))).toBe("floor((a+1)/2)");
  expect(String(floorDivide(multiply(a, 4), 2))).toBe("2*a");
  expect(format([a, 3])).toBe("[a, 3]");
  expect(String(sizeOf([a, 3, time]))).toBe("3*a*time");
  expect(multiply(a, 0)).toBe(0);
});

test("names are identifiers, and symbolic shapes have no number of elements", () => {
  expect(() => new Dim("my batch")).toThrow('"my batch" is not a name');
  expect(() => staticSize([dims.a, 2])).toThrow("[a, 2] has symbolic entries");
  expect(dims.a.symbol).toBe("a");
  expect((multiply(dims.a, 2) as Dim).symbol).toBeUndefined();
});
