import fc from "fast-check";
import { test } from "vitest";
import "./methods.ts";
import { gradients } from "../autodiff/gradients.ts";
import { evaluate } from "../evaluate.ts";
import * as ops from "./ops/index.ts";
import type { Tensor } from "./tensor.ts";
import { expectNear, toTensor } from "./testing/checkOp.ts";
import { alongAxis, at, build, type Nd, reduce, sum, zip } from "./testing/ndarray.ts";

/** Operations on values of shape (2, 3), in both worlds. */
interface Operation {
  readonly own: (a: Tensor, b: Tensor) => Tensor;
  readonly plain: (a: Nd, b: Nd) => Nd;
}
const softmax = (line: number[]) => {
  const total = sum(line.map(Math.exp));
  return line.map((value) => Math.exp(value) / total);
};
const mean = (group: number[]) => sum(group) / group.length;
const remade = (index: (i: number, j: number) => [number, number]) => (a: Nd) =>
  build([2, 3], ([i, j]) => at(a, index(i, j)));

const operations: readonly Operation[] = [
  { own: (a, b) => a.add(b), plain: (a, b) => zip((x, y) => x + y, a, b) },
  { own: (a, b) => a.sub(b), plain: (a, b) => zip((x, y) => x - y, a, b) },
  { own: (a, b) => a.mul(b).tanh(), plain: (a, b) => zip((x, y) => Math.tanh(x * y), a, b) },
  {
    own: (a, b) => a.div(b.square().add(1)),
    plain: (a, b) => zip((x, y) => x / (y * y + 1), a, b),
  },
  { own: (a) => a.sin(), plain: (a) => zip(Math.sin, a) },
  { own: (a) => a.sigmoid(), plain: (a) => zip((x) => 1 / (1 + Math.exp(-x)), a) },
  { own: (a) => a.softmax(-1), plain: (a) => alongAxis(a, 1, softmax) },
  {
    own: (a, b) => a.mean({ dim: 0, keepdim: true }).mul(b),
    plain: (a, b) => zip((x, y) => x * y, reduce(a, [0], true, mean), b),
  },
  {
    own: (a, b) => a.sum({ dim: 1 }).unsqueeze(-1).sub(b),
    plain: (a, b) => zip((x, y) => x - y, reduce(a, [1], true, sum), b),
  },
  {
    own: (a, b) => a.matmul(b.transpose()).matmul(a).tanh(),
    plain: (a, b) =>
      build([2, 3], ([i, j]) => {
        const dot = (k: number) => sum([0, 1, 2].map((m) => at(a, [i, m]) * at(b, [k, m])));
        return Math.tanh(dot(0) * at(a, [0, j]) + dot(1) * at(a, [1, j]));
      }),
  },
  {
    own: (a) => a.transpose().reshape([2, 3]),
    plain: remade((i, j) => [(i * 3 + j) % 2, Math.floor((i * 3 + j) / 2)]),
  },
  {
    own: (a, b) => ops.concat([a, b], 0).slice([[1, null, 2]]),
    plain: (a, b) => build([2, 3], ([i, j]) => at(i === 0 ? a : b, [1, j])),
  },
  {
    own: (a) =>
      a
        .pad([1, 0], { mode: "reflect" })
        .slice([null, [0, 3]])
        .flip(0),
    plain: remade((i, j) => [1 - i, [1, 0, 1][j]]),
  },
  {
    own: (a, b) => {
      const [left, right] = a.split([1, 2], 1);
      return ops.concat([right, left.mul(b.slice([null, [0, 1]]))], 1);
    },
    plain: (a, b) =>
      build([2, 3], ([i, j]) => (j < 2 ? at(a, [i, j + 1]) : at(a, [i, 0]) * at(b, [i, 0]))),
  },
  { own: (a) => a.cumsum(1), plain: (a) => alongAxis(a, 1, (l) => [l[0], l[0] + l[1], sum(l)]) },
];

type Choice = readonly [operation: number, a: number, b: number];
function grow<V>(choices: readonly Choice[], leaves: readonly V[], run: keyof Operation): V[] {
  const values = [...leaves];
  for (const [operation, i, j] of choices) {
    const apply = operations[operation][run] as unknown as (a: V, b: V) => V;
    values.push(apply(values[i % values.length], values[j % values.length]));
  }
  return values;
}

const choice = fc.tuple(
  fc.nat(operations.length - 1),
  fc.nat(30),
  fc.nat(30),
) as fc.Arbitrary<Choice>;
const leaves: readonly Nd[] = [
  { shape: [2, 3], data: [0.3, -0.7, 1.1, 0.9, -0.2, 0.5].map(Math.fround) },
  { shape: [2, 3], data: [-1.2, 0.4, 0.8, 0.1, 1.3, -0.6].map(Math.fround) },
];

test("graphs made at random: values and slopes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(choice, { minLength: 3, maxLength: 14 }), async (choices) => {
      const own = leaves.map(toTensor);
      const values = grow(choices, own, "own");
      // Every value counts, so that no part of the graph is dropped.
      const loss = values.map((value) => value.sum()).reduce((a, b) => a.add(b));
      const results = await evaluate([...values, ...gradients(loss, own)]);
      const plain = grow(choices, leaves, "plain");
      // What cancels leaves the rounding of what it came from, so the largest value so far measures.
      let largest = 0;
      for (const [i, { data }] of plain.entries()) {
        largest = Math.max(largest, ...data.map(Math.abs));
        expectNear(`value ${i}`, results[i].data, data, 1e-5, largest);
      }
      const flat = leaves.flatMap(({ data }) => data);
      const lossOf = (x: readonly number[]) => {
        const moved = [x.slice(0, 6), x.slice(6)].map((data) => ({ shape: [2, 3], data }));
        return sum(grow(choices, moved, "plain").flatMap(({ data }) => data));
      };
      const slopes = flat.map((value, i) => {
        return (lossOf(flat.with(i, value + 1e-5)) - lossOf(flat.with(i, value - 1e-5))) / 2e-5;
      });
      const grads = results.slice(values.length).flatMap((r) => [...(r.data as Float32Array)]);
      expectNear("slopes", grads, slopes, 1e-4);
    }),
    { numRuns: 40 },
  );
});
