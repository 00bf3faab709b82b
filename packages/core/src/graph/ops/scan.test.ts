import fc from "fast-check";
import { describe, expect, test } from "vitest";
import "../methods.ts";
import { gradients } from "../../autodiff/gradients.ts";
import { evaluate } from "../../evaluate.ts";
import { lowerGraph } from "../../onnx/lowering.ts";
import type { Tensor } from "../tensor.ts";
import { tensor } from "../tensor.ts";
import * as ops from "./index.ts";

type Step = Parameters<typeof ops.scan>[2];
interface Loop {
  readonly init: readonly Tensor[];
  readonly xs: readonly Tensor[];
  readonly step: Step;
  /** What gradients are taken for, besides init and xs. */
  readonly captured?: readonly Tensor[];
  readonly reverse?: boolean;
}

const [T, N, H] = [4, 2, 3];
const filled = (shape: readonly number[], salt: number): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + salt) * 0.8),
    shape,
  );
};
const x = filled([T, N, H], 1);
const w = filled([H, H], 2);
const v = filled([H, H], 3);
const bias = filled([H], 4);
const scale = filled([H], 5);
const h0 = filled([N, H], 6);
const c0 = filled([N, H], 7);

/** The same loop written out step by step. */
function unrolled({ init, xs, step, reverse = false }: Loop) {
  const steps = xs[0].shape[0] as number;
  const order = Array.from({ length: steps }, (_, t) => (reverse ? steps - 1 - t : t));
  let states = init;
  const collected: Tensor[][] = [];
  for (const t of order) {
    const { states: next, ys = [] } = step(
      states,
      xs.map((sequence) => sequence.select(t, 0)),
    );
    states = next;
    for (const [i, y] of ys.entries()) {
      collected[i] ??= [];
      collected[i][t] = y;
    }
  }
  return { states, ys: collected.map((list) => ops.stack(list, 0)) };
}

/** A scalar that depends on everything in its own way, so that no gradient is lost or swapped. */
function lossOf({ states, ys }: { states: readonly Tensor[]; ys: readonly Tensor[] }): Tensor {
  const parts = [...states, ...ys].filter(({ dtype }) => dtype === "float32");
  return parts
    .map((part, i) =>
      part
        .mul(filled(part.shape as number[], 10 + i))
        .add(part.square())
        .sum(),
    )
    .reduce((a, b) => a.add(b), ops.constant(0));
}

const largestOf = (values: ArrayLike<number | bigint>): number =>
  Math.max(0, ...Array.from(values, (value) => Math.abs(Number(value))));

function expectSame(
  what: string,
  own: ArrayLike<number | bigint>,
  wanted: typeof own,
  limit: number,
  scale: number,
) {
  expect(own.length, what).toBe(wanted.length);
  // A gradient that cancels to nothing keeps the rounding of what cancelled: gradients of its order.
  const largest = Math.max(1e-2, 1e-2 * scale, largestOf(wanted));
  for (let i = 0; i < own.length; i++) {
    const gap = Math.abs(Number(own[i]) - Number(wanted[i]));
    if (!(gap <= limit * largest)) throw new Error(`${what}: ${own[i]} instead of ${wanted[i]}`);
  }
}

/** Values, first and second order gradients equal those of the loop written out. */
async function checkLoop(loop: Loop): Promise<void> {
  const wrt = [...loop.init, ...loop.xs, ...(loop.captured ?? [])].filter(
    ({ dtype }) => dtype === "float32",
  );
  const derived = (outputs: ReturnType<typeof unrolled>) => {
    const first = gradients(lossOf(outputs), wrt);
    const second = gradients(
      first.map((g) => g.square().sum()).reduce((a, b) => a.add(b), ops.constant(0)),
      wrt,
    );
    return [...outputs.states, ...outputs.ys, ...first, ...second];
  };
  const plain = await evaluate(derived(unrolled(loop)));
  for (const recompute of [false, true]) {
    const outputs = ops.scan(loop.init, loop.xs, loop.step, { reverse: loop.reverse, recompute });
    const own = await evaluate(derived(outputs as ReturnType<typeof unrolled>));
    for (const [i, result] of own.entries()) {
      expect(result.shape).toEqual(plain[i].shape);
      expect(result.dtype).toBe(plain[i].dtype);
      const what = `recompute ${recompute}, result ${i} of ${own.length - wrt.length} + gradients`;
      // Values, first and second gradients, each set against its own kind.
      const kindOf = (at: number) =>
        Math.ceil((at + 1 - (own.length - 2 * wrt.length)) / wrt.length);
      const peers = plain.filter((_, at) => Math.max(0, kindOf(at)) === Math.max(0, kindOf(i)));
      const scale = Math.max(...peers.map(({ data }) => largestOf(data)));
      expectSame(what, result.data, plain[i].data, 1e-4, scale);
    }
  }
}

const loops: Readonly<Record<string, Loop>> = {
  "captured weights, bias and scale": {
    init: [h0],
    xs: [x],
    captured: [w, bias, scale],
    step: ([h], [xt]) => {
      const next = h.matmul(w).add(xt).add(bias).mul(scale).tanh();
      return { states: [next], ys: [next] };
    },
  },
  "linear layers inside": {
    init: [h0],
    xs: [x],
    captured: [w, v, bias],
    step: ([h], [xt]) => {
      const next = ops.linear(xt, w, bias).add(ops.linear(h, v)).sigmoid();
      return { states: [next], ys: [next.mul(xt)] };
    },
  },
  "two states and two results": {
    init: [h0, c0],
    xs: [x],
    captured: [w],
    step: ([h, c], [xt]) => {
      const cell = c.mul(h.sigmoid()).add(xt.matmul(w));
      const next = cell.tanh();
      return { states: [next, cell], ys: [next, cell.mul(2)] };
    },
  },
  "the same result twice": {
    init: [h0],
    xs: [x],
    captured: [w],
    step: ([h], [xt]) => {
      const next = h.matmul(w).add(xt).square();
      return { states: [next], ys: [next, next] };
    },
  },
  "several sequences": {
    init: [h0],
    xs: [x, filled([T, H], 8)],
    step: ([h], [a, b]) => ({ states: [h.mul(b).add(a)], ys: [b.sum()] }),
  },
  "no results": {
    init: [h0],
    xs: [x],
    captured: [w],
    step: ([h], [xt]) => ({ states: [h.matmul(w).add(xt)] }),
  },
  "no states": {
    init: [],
    xs: [x],
    captured: [w],
    step: (_, [xt]) => ({ states: [], ys: [xt.matmul(w).tanh()] }),
  },
  "a weight used twice": {
    init: [h0],
    xs: [x],
    captured: [w],
    step: ([h], [xt]) => {
      const next = h.matmul(w).tanh().matmul(w).add(xt);
      return { states: [next], ys: [next] };
    },
  },
  "a weight used as a product and by itself": {
    init: [h0],
    xs: [x],
    captured: [w],
    step: ([h], [xt]) => ({ states: [h.matmul(w).add(xt).mul(w.sum())], ys: [] }),
  },
  "a bias that broadcasts over an axis of size 1": {
    init: [h0],
    xs: [x],
    captured: [filled([N, 1], 9)],
    step: ([h], [xt]) => ({ states: [h.add(filled([N, 1], 9)).mul(xt)] }),
  },
  "states that pass through or start afresh": {
    init: [h0, c0],
    xs: [x],
    step: ([h], [xt]) => ({ states: [h, xt], ys: [h, xt] }),
  },
  "a result that is a constant of the loop": {
    init: [h0],
    xs: [x],
    captured: [scale],
    step: ([h], [xt]) => ({ states: [h.add(xt)], ys: [scale.mul(2)] }),
  },
  "an integer state that counts": {
    init: [h0, tensor([0], [], "int32")],
    xs: [x],
    step: ([h, n], [xt]) => {
      const even = n.sub(n.div(2).mul(2)).equal(0);
      return { states: [ops.where(even, h.add(xt), h.mul(xt)), n.add(1)], ys: [n] };
    },
  },
  "an integer sequence that picks rows": {
    init: [h0],
    xs: [tensor([0, 2, 1, 2], [T], "int32")],
    captured: [w],
    step: ([h], [i]) => ({ states: [h.mul(0.5).add(ops.take(w, i))], ys: [] }),
  },
  "a loop in a loop": {
    init: [h0],
    xs: [x],
    captured: [w, scale],
    step: ([h], [xt]) => {
      const inner = ops.scan([h], [xt], ([g], [row]) => {
        const next = g.matmul(w).add(row).mul(scale).tanh();
        return { states: [next], ys: [next.sum()] };
      });
      return { states: inner.states, ys: [inner.ys[0]] };
    },
  },
};

for (const reverse of [false, true]) {
  describe(reverse ? "last step first" : "first step first", () => {
    test.for(Object.keys(loops))("%s", async (name) => {
      await checkLoop({ ...loops[name], reverse });
    });
  });
}

describe("loops made at random", () => {
  type Choice = readonly [op: number, a: number, b: number];
  /** Each choice adds one value (N, H) made of earlier ones; the last ones become states and results. */
  const bodyOf =
    (choices: readonly Choice[]): Step =>
    (states, slices) => {
      const values = [...states, ...slices];
      for (const [op, i, j] of choices) {
        const [a, b] = [values[i % values.length], values[j % values.length]];
        const made = [
          () => a.add(b),
          () => a.mul(b).tanh(),
          () => a.sub(b).add(bias),
          () => a.matmul(w).tanh(),
          () => ops.linear(a, v, bias).sigmoid(),
          () => a.mul(scale),
          () => a.matmul(b.transpose().matmul(a)).tanh(),
          () => ops.where(b.greater(0), a, b.mul(0.5)),
          () => a.softmax(-1).add(b.mean({ dim: 0 })),
          () => ops.concat([a, b], 1).slice([null, [2, 2 + H]]),
        ][op]();
        values.push(made);
      }
      const last = values.slice(-states.length);
      return { states: last, ys: [values[values.length - 1], values[values.length >> 1].sum()] };
    };
  const choice = fc.tuple(fc.nat(9), fc.nat(20), fc.nat(20)) as fc.Arbitrary<Choice>;
  test("equal the loop written out", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(choice, { minLength: 2, maxLength: 6 }),
        fc.boolean(),
        async (choices, reverse) => {
          const loop = { init: [h0, c0], xs: [x], captured: [w, v, bias, scale], reverse };
          await checkLoop({ ...loop, step: bodyOf(choices) });
        },
      ),
      { numRuns: 12 },
    );
  });
});

test("what does not fit is named", () => {
  const step: Step = ([h], [xt]) => ({ states: [h.add(xt)] });
  expect(() => ops.scan([h0], [], step)).toThrow(/needs at least one sequence/);
  expect(() => ops.scan([ops.zeros([H])], [x], step)).toThrow(
    /state 0 starts as float32\[3\] but the step returns float32\[2, 3\]/,
  );
  expect(() => ops.scan([h0], [x, filled([T + 1], 1)], step)).toThrow(
    /sequence 1 has 5 steps, sequence 0 has 4/,
  );
  expect(() => ops.scan([h0], [x], () => ({ states: [] }))).toThrow(
    /received 1 states and returned 0/,
  );
});

test("a gradient through one of several outputs", async () => {
  const { states, ys } = ops.scan([h0, c0], [x], ([h, c], [xt]) => {
    const next = h.matmul(w).add(xt).tanh();
    return { states: [next, c.add(next)], ys: [next, c] };
  });
  for (const output of [...states, ...ys]) {
    const grads = await evaluate(gradients(output.square().sum(), [h0, c0, x, w]));
    expect(grads.every(({ data }) => [...(data as Float32Array)].every(Number.isFinite))).toBe(
      true,
    );
  }
  const [dh, dc] = await evaluate(gradients(ys[1].sum(), [w, c0]));
  expect(dc.data.every((value) => value === T)).toBe(true);
  expect(dh.data.some((value) => value !== 0)).toBe(true);
});

test("rows of a table get their gradients after the loop, all at once", () => {
  const table = filled([5, H], 3);
  const { ys } = ops.scan([h0], [tensor([0, 2, 1, 2], [T], "int32")], ([h], [i]) => {
    const next = h.mul(0.5).add(ops.take(table, i));
    return { states: [next], ys: [next] };
  });
  const { node: nodes } = lowerGraph(gradients(ys[0].sum(), [table])).model.graph!;
  const inside = nodes.flatMap(({ attribute }) => attribute.flatMap(({ g }) => g?.node ?? []));
  expect(inside.map(({ opType }) => opType)).not.toContain("ScatterND");
  expect(nodes.filter(({ opType }) => opType === "ScatterND")).toHaveLength(1);
});
