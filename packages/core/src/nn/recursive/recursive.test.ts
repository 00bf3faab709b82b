import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gradients } from "../../autodiff/gradients.ts";
import { anyTree } from "../../data/testing.ts";
import { type BinaryTree, readTrees } from "../../data/trees.ts";
import { TreePacks } from "../../data/trees-packs.ts";
import { evaluate } from "../../evaluate.ts";
import * as ops from "../../graph/ops/index.ts";
import { type Tensor, tensor } from "../../graph/tensor.ts";
import { manualSeed } from "../init.ts";
import {
  ChildSumTreeLSTMCell,
  MatrixVectorCell,
  RecursiveCell,
  TensorCell,
  type TreeCell,
  TreeLSTMCell,
} from "./cells.ts";
import { Recursive } from "./recursive.ts";

const SIZE = 3;
const sizes = { inputSize: SIZE, hiddenSize: SIZE };
const kinds = {
  recursive: () => new RecursiveCell(sizes),
  tensor: () => new TensorCell(sizes),
  matrixVector: () => new MatrixVectorCell({ inputSize: 4 * SIZE, hiddenSize: SIZE, rank: 1 }),
  treeLSTM: () => new TreeLSTMCell(sizes),
  childSum: () => new ChildSumTreeLSTMCell(sizes),
};
type Vector = readonly number[];

/** Loops over plain numbers, from the papers' formulas. */
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const columnsOf = (cell: TreeCell) => (cell instanceof MatrixVectorCell ? 4 * SIZE : SIZE);
const product = (matrix: ArrayLike<number>, x: Vector, bias?: ArrayLike<number>): number[] =>
  Array.from({ length: matrix.length / x.length }, (_, row) =>
    x.reduce((sum, value, i) => sum + matrix[row * x.length + i] * value, bias?.[row] ?? 0),
  );
const floats = (cell: TreeCell, name: string) => cell.stateDict().get(name)!.data as Float32Array;

function plainLeaf(cell: TreeCell, x: Vector): { h: Vector; c: Vector } {
  if (cell instanceof MatrixVectorCell) {
    const [h, d, u, v] = [0, 1, 2, 3].map((k) => x.slice(k * SIZE, (k + 1) * SIZE));
    const c = u.flatMap((row, i) => v.map((column, j) => row * column + (i === j ? 1 + d[i] : 0)));
    return { h, c };
  }
  if (!cell.stateDict().has("weight_ih")) return { h: x.map(Math.tanh), c: [] };
  const gates = product(floats(cell, "weight_ih"), x, floats(cell, "bias_ih"));
  const c = x.map((_, k) => sigmoid(gates[k]) * Math.tanh(gates[2 * SIZE + k]));
  return { h: c.map((value, k) => sigmoid(gates[SIZE + k]) * Math.tanh(value)), c };
}

type Plain = ReturnType<typeof plainLeaf>;
const combine: Record<keyof typeof kinds, (cell: TreeCell, a: Plain, b: Plain) => Plain> = {
  recursive: (cell, a, b) => ({
    h: product(floats(cell, "weight"), [...a.h, ...b.h], floats(cell, "bias")).map(Math.tanh),
    c: [],
  }),
  tensor: (cell, a, b) => {
    const x = [...a.h, ...b.h];
    const V = floats(cell, "tensor");
    const flat = product(floats(cell, "weight"), x, floats(cell, "bias"));
    const h = flat.map((value, k) => {
      const slice = V.subarray(k * x.length ** 2, (k + 1) * x.length ** 2);
      return Math.tanh(value + product(slice, x).reduce((sum, v, i) => sum + v * x[i], 0));
    });
    return { h, c: [] };
  },
  matrixVector: (cell, a, b) => {
    const seen = [...product(b.c, a.h), ...product(a.c, b.h)];
    const h = product(floats(cell, "weight"), seen, floats(cell, "bias")).map(Math.tanh);
    const W = floats(cell, "matrixWeight");
    const below = [...a.c, ...b.c];
    const c = Array.from({ length: SIZE ** 2 }, (_, at) => {
      const [row, column] = [Math.floor(at / SIZE), at % SIZE];
      const terms = Array.from({ length: 2 * SIZE }, (_, k) => k);
      return terms.reduce((sum, k) => sum + W[row * 2 * SIZE + k] * below[k * SIZE + column], 0);
    });
    return { h, c };
  },
  treeLSTM: (cell, a, b) => {
    const g = product(floats(cell, "weight_hh"), [...a.h, ...b.h], floats(cell, "bias_hh"));
    const c = a.c.map(
      (_, k) =>
        sigmoid(g[k]) * Math.tanh(g[4 * SIZE + k]) +
        sigmoid(g[2 * SIZE + k]) * a.c[k] +
        sigmoid(g[3 * SIZE + k]) * b.c[k],
    );
    return { h: c.map((value, k) => sigmoid(g[SIZE + k]) * Math.tanh(value)), c };
  },
  childSum: (cell, a, b) => {
    const sum = a.h.map((value, k) => value + b.h[k]);
    const g = product(floats(cell, "weight_hh"), sum, floats(cell, "bias_hh"));
    const forget = (h: Vector) =>
      product(floats(cell, "weight_fh"), h, floats(cell, "bias_fh")).map(sigmoid);
    const [fa, fb] = [forget(a.h), forget(b.h)];
    const c = a.c.map(
      (_, k) => sigmoid(g[k]) * Math.tanh(g[2 * SIZE + k]) + fa[k] * a.c[k] + fb[k] * b.c[k],
    );
    return { h: c.map((value, k) => sigmoid(g[SIZE + k]) * Math.tanh(value)), c };
  },
};

const tableOf = (columns: number) =>
  tensor(
    Float32Array.from({ length: 20 * columns }, (_, i) => Math.sin(1.7 * i + 0.3)),
    [20, columns],
  );
const tables = { [SIZE]: tableOf(SIZE), [4 * SIZE]: tableOf(4 * SIZE) };
const token = (word: string) => Number(word.slice(1));

/** The network's rows for trees packed together, and what the loss reads of them. */
function packed(network: Recursive, trees: readonly BinaryTree[], width: number) {
  const packs = new TreePacks({ trees, token, batchSize: trees.length, width });
  const batch = packs.get([0]);
  const input = (name: string) => {
    const { data, shape, dtype } = batch[name];
    return tensor(data as Int32Array, shape.slice(1), dtype);
  };
  const table = tables[columnsOf(network.cell)];
  const states = network.forward(ops.take(table, input("tokens")), {
    leaf: input("leaf"),
    slot: input("slot"),
    keep: input("keep"),
  });
  const rows = packs.rowsOf(0).toSorted((a, b) => a.tree - b.tree);
  return { states, rows };
}

/** The same cell called node by node: hidden states of each tree's nodes. */
function oneByOne(cell: TreeCell, tree: BinaryTree): Tensor {
  const states = tree.words.map((word) =>
    cell.leaf(ops.take(tables[columnsOf(cell)], tensor([token(word)], [1], "int32"))),
  );
  for (const [i, left] of tree.left.entries()) {
    states.push(cell.forward(states[left], states[tree.right[i]]));
  }
  return cell.hidden(ops.concat(states));
}

/** A loss in which every node counts differently. */
const lossOf = (nodes: Tensor): Tensor =>
  ops.sum(
    ops.mul(
      nodes,
      tensor(
        Float32Array.from({ length: nodes.size as number }, (_, i) => Math.cos(i)),
        nodes.shape as number[],
      ),
    ),
  );

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])("%s", (kind) => {
  test("equals the formulas in plain loops, on random trees", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyTree(9), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 4 }),
        async (trees, width) => {
          manualSeed(3);
          const cell = kinds[kind]();
          const { states, rows } = packed(new Recursive({ cell }), trees, width);
          const [{ data }] = await evaluate([states]);
          for (const [t, tree] of trees.entries()) {
            const nodes = tree.words.map((word) => {
              const columns = columnsOf(cell);
              const at = token(word) * columns;
              return plainLeaf(
                cell,
                Array.from({ length: columns }, (_, i) =>
                  Math.fround(Math.sin(1.7 * (at + i) + 0.3)),
                ),
              );
            });
            for (const [i, left] of tree.left.entries()) {
              nodes.push(combine[kind](cell, nodes[left], nodes[tree.right[i]]));
            }
            for (const [node, { h }] of nodes.entries()) {
              for (const [k, value] of h.entries()) {
                expect(data[rows[t].rows[node] * SIZE + k]).toBeCloseTo(value, 5);
              }
            }
          }
        },
      ),
      { numRuns: 6, seed: 11 },
    );
  });

  test("gradients equal those of the recursion written out", async () => {
    manualSeed(5);
    const cell = kinds[kind]();
    const trees = readTrees(
      "(0 (0 w0) (0 (0 (0 w1) (0 w2)) (0 (0 w3) (0 (0 w1) (0 w4)))))\n(0 w5)\n(0 (0 w6) (0 w2))",
    );
    const { states, rows } = packed(new Recursive({ cell }), trees, 2);
    const index = rows.flatMap((one) => [...one.rows]);
    const nodes = ops.take(states, tensor(Int32Array.from(index), [index.length], "int32"));
    const plain = ops.concat(trees.map((tree) => oneByOne(cell, tree)));
    const wanted = [tables[columnsOf(cell)], ...cell.parameters()];
    const both = await evaluate([
      ...gradients(lossOf(nodes), wanted),
      ...gradients(lossOf(plain), wanted),
    ]);
    for (const [i, { shape }] of wanted.entries()) {
      const [own, reference] = [both[i], both[wanted.length + i]];
      expect(own.shape).toEqual(shape);
      expect(Math.max(...(reference.data as Float32Array).map(Math.abs))).toBeGreaterThan(0);
      for (const [k, value] of (own.data as Float32Array).entries()) {
        expect(value).toBeCloseTo((reference.data as Float32Array)[k], 4);
      }
    }
  });
});

test("a single tree of one word needs no inner node", async () => {
  const network = new Recursive({ cell: kinds.treeLSTM() });
  const [tree] = readTrees("(2 w7)");
  const { states, rows } = packed(network, [tree], 4);
  const [all, alone] = await evaluate([states, oneByOne(network.cell, tree)]);
  expect([...rows[0].rows]).toEqual([0]);
  expect([...(all.data as Float32Array).subarray(0, SIZE)]).toEqual([
    ...(alone.data as Float32Array),
  ]);
});

test("shapes that do not fit are refused", () => {
  const network = new Recursive({ cell: kinds.recursive() });
  const ints = (...shape: number[]) => ops.zeros(shape, "int32");
  const x = ops.zeros([4, SIZE]);
  const order = { leaf: ints(2, 2, 3), slot: ints(2, 2, 4), keep: ints(2, 5) };
  expect(() => network.forward(x, order)).toThrow(
    /leaf and slot must be \(steps, 2, width\).*\[2, 2, 3\], \[2, 2, 4\], \[2, 5\]/,
  );
  expect(() => new TensorCell({ inputSize: 3, hiddenSize: 4 })).toThrow(
    /inputSize \(3\) and hiddenSize \(4\) must be equal/,
  );
  expect(() => new MatrixVectorCell({ inputSize: 4, hiddenSize: 4 })).toThrow(
    /32 numbers for hiddenSize 4 and rank 3; received inputSize 4/,
  );
});
