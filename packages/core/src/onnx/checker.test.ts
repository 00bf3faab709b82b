import { describe, expect, test } from "vitest";
import { defaultEngine } from "#engine";
import { gradients } from "../autodiff/gradients.ts";
import type { Value } from "../engine/engine.ts";
import { evaluate } from "../evaluate.ts";
import "../graph/methods.ts";
import { Dim, type Shape } from "../graph/dim.ts";
import { allocate, type DType } from "../graph/dtype.ts";
import * as ops from "../graph/ops/index.ts";
import { placeholder, type Tensor, tensor } from "../graph/tensor.ts";
import { elementwise } from "../graph/testing/cases/elementwise.ts";
import { empties } from "../graph/testing/cases/empty.ts";
import { indexing } from "../graph/testing/cases/indexing.ts";
import { products } from "../graph/testing/cases/matmul.ts";
import { reductions } from "../graph/testing/cases/reduce.ts";
import { shapes } from "../graph/testing/cases/shape.ts";
import { graphOf } from "../graph/testing/checkOp.ts";
import { encodeModel, lowerGraph } from "./lowering.ts";
import { refused, skipped } from "./testing.ts";

const lower = (outputs: readonly Tensor[]) => encodeModel(lowerGraph(outputs).model);

test("onnx.checker accepts every operator and its gradients", ({ skip }) => {
  if (skipped) skip(skipped);
  const cases = [...elementwise, ...reductions, ...shapes, ...products, ...indexing, ...empties];
  const models = new Map(
    cases.map((entry, i) => {
      const { outputs, first, second } = graphOf(entry);
      return [`${entry.name} ${i}`, lower([...outputs, ...first, ...second])];
    }),
  );
  expect(refused(models)).toEqual([]);
});

/** A graph on inputs with open sizes. */
interface Open {
  readonly inputs: Readonly<Record<string, readonly [shape: Shape, dtype?: DType]>>;
  readonly run: (inputs: Readonly<Record<string, Tensor>>) => readonly Tensor[];
}
const batch = new Dim("batch");
const time = new Dim("time");
const weights = (shape: readonly number[], salt: number): Tensor =>
  tensor(fill("float32", shape, salt) as Float32Array, shape);

function fill(dtype: DType, shape: readonly number[], salt: number) {
  const data = allocate(
    dtype,
    shape.reduce((a, b) => a * b, 1),
  );
  for (let i = 0; i < data.length; i++) {
    const value = Math.sin(i * 1.9 + salt) * 0.9;
    // Integers are indices 0 to 3.
    const whole = Math.floor((value + 1) * 2);
    data[i] = (dtype === "float32" ? value : dtype === "int64" ? BigInt(whole) : whole) as never;
  }
  return data;
}

const withGradients = (loss: Tensor, ...wrt: Tensor[]) => [loss, ...gradients(loss, wrt)];
const w = weights([3, 4], 1);
const square = weights([3, 3], 2);
const bias = weights([4], 3);
const graphs: Readonly<Record<string, Open>> = {
  "a network and its gradients": {
    inputs: { x: [[batch, 3]] },
    run: ({ x }) => {
      const y = ops.layerNorm(x.matmul(w).add(bias), bias, bias).tanh().softmax();
      return [y, ...withGradients(y.square().mean(), x, w, bias)];
    },
  },
  "linear layers over time": {
    inputs: { x: [[batch, time, 3]] },
    run: ({ x }) => {
      const y = ops.linear(x, weights([4, 3], 5), bias).sigmoid();
      return [y, y.flatten(0, 1), ...withGradients(y.mean(), x, bias)];
    },
  },
  "products of batches": {
    inputs: { a: [[batch, 2, 3]], b: [[batch, 3, 2]] },
    run: ({ a, b }) => withGradients(a.matmul(b).square().sum(), a, b),
  },
  "shapes come apart and together": {
    inputs: { x: [[batch, 4, 3]] },
    run: ({ x }) => {
      const [left, right] = x.split([1, 3], 1);
      const joined = ops.concat([right, left.mul(2), x], 1).permute([2, 0, 1]);
      const y = joined.reshape([3, -1]).transpose();
      return [y, joined.flip(0), ...withGradients(y.square().sum(), x)];
    },
  },
  "slices and padding of an open axis": {
    inputs: { x: [[batch, 5]] },
    run: ({ x }) => {
      const padded = x.pad([0, 0, 2, 1]).slice([[1], [0, null, 2]]);
      const first = x.select(0, 0).add(x);
      return [padded, first, ...withGradients(padded.mul(padded).sum().add(first.sum()), x)];
    },
  },
  "open axes joined": {
    inputs: { x: [[batch, 2]], y: [[time, 2]] },
    run: ({ x, y }) => {
      const all = ops.concat([x, y, x], 0);
      return [all.cumsum(0), ...withGradients(all.square().mean(), x, y)];
    },
  },
  "statistics over the batch": {
    inputs: { x: [[batch, 3]] },
    run: ({ x }) => {
      const y = x.sub(x.mean({ dim: 0 })).div(ops.variance(x, { dim: 0, correction: 0 }).add(1));
      return [y, x.amax({ dim: 0 }), ...withGradients(y.square().sum().add(x.amax().exp()), x)];
    },
  },
  "rows of a table": {
    inputs: { tokens: [[batch, time], "int32"] },
    run: ({ tokens }) => {
      const table = weights([4, 3], 6);
      const rows = ops.embedding(tokens, table, { paddingIdx: 0, scaleGradByFreq: true });
      return [rows, ...withGradients(rows.square().sum(), table)];
    },
  },
  "positions along an axis": {
    inputs: { x: [[batch, 4]], index: [[batch, 1], "int64"] },
    run: ({ x, index }) => {
      const picked = x.gather(1, index);
      const { values, indices } = ops.max(x, 1);
      const loss = picked.square().sum().add(values.sum()).add(ops.topk(x, 2).values.sum());
      return [picked, indices, x.argmin({ dim: 1 }), ...withGradients(loss, x)];
    },
  },
  "a loop over open time": {
    inputs: { x: [[time, batch, 3]], h: [[batch, 3]] },
    run: ({ x, h }) => {
      const { states, ys } = ops.scan([h], [x], ([state], [slice]) => {
        const next = state.matmul(square).add(slice).tanh();
        return { states: [next], ys: [next] };
      });
      return [...states, ...ys, ...withGradients(ys[0].square().mean(), x, h, square)];
    },
  },
  "two losses of one loop, and their second order": {
    inputs: { x: [[time, batch, 3]] },
    run: ({ x }) => {
      const start = ops.zeros([batch, 3]);
      const init = x
        .select(0, 0)
        .mul(0)
        .add(start.shape[0] === batch ? 1 : 0);
      const { ys } = ops.scan([init], [x], ([state], [slice]) => {
        const next = state.matmul(square).mul(slice).sigmoid();
        return { states: [next], ys: [next] };
      });
      const [grad] = gradients(ys[0].sum(), [square]);
      return [grad, ...gradients(grad.square().sum(), [square])];
    },
  },
};

describe("open sizes", () => {
  for (const [name, { inputs, run }] of Object.entries(graphs)) {
    const open = Object.entries(inputs).map(
      ([key, [shape, dtype]]) => [key, placeholder(key, shape, dtype)] as const,
    );
    const lowered = () => lowerGraph(run(Object.fromEntries(open)));

    test(`onnx.checker accepts ${name}`, ({ skip }) => {
      if (skipped) skip(skipped);
      expect(refused(new Map([[name, encodeModel(lowered().model)]]))).toEqual([]);
    });

    test(`at batch 1, 3 and 8: ${name}`, async () => {
      const graph = lowered();
      const executable = await (await defaultEngine()).compile(encodeModel(graph.model));
      for (const [size, steps] of [
        [1, 4],
        [3, 1],
        [8, 5],
      ]) {
        const concrete = (shape: Shape) =>
          shape.map((n) => (typeof n === "number" ? n : n === batch ? size : steps));
        const values = Object.entries(inputs).map(([key, [shape, dtype = "float32"]], i) => {
          const own = concrete(shape);
          return [key, { dtype, shape: own, data: fill(dtype, own, 10 + i) }] as const;
        });
        const feeds: Record<string, Value> = Object.fromEntries(values);
        for (const { name: input, leaf, tensor: leafTensor } of graph.inputs) {
          if (leaf.kind !== "data") continue;
          const shape = leafTensor.shape as readonly number[];
          feeds[input] = { dtype: leafTensor.dtype, shape, data: leaf.data };
        }
        const own = await executable.run(feeds);
        // The same graph made for these sizes alone.
        const leaves = values.map(([key, { data, shape }]) => [key, tensor(data, shape)] as const);
        const plain = await evaluate(run(Object.fromEntries(leaves)));
        for (const [i, expected] of plain.entries()) {
          const { shape, data } = own[graph.outputs[i]];
          expect(shape, `output ${i} at batch ${size}`).toEqual(expected.shape);
          for (const [j, value] of [...expected.data].entries()) {
            expect(Number(data[j]), `output ${i}, element ${j}`).toBeCloseTo(Number(value), 4);
          }
        }
      }
      executable.release();
    });
  }
});

test("a size that no input shows is named", () => {
  expect(() => lowerGraph([ops.zeros([time, 2])])).toThrow(
    /symbolic size time uses "time", which is an axis of no input/,
  );
});
