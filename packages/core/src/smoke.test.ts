import { expect, test } from "vitest";
import { evaluate, gradients, ops, scan, tensor } from "./index.ts";

test("gradient of a product", async () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  const w = tensor([
    [1, 0, 2],
    [0, 1, 1],
  ]);
  const loss = x.matmul(w).square().sum();
  const [l, g] = await evaluate([loss, ...gradients(loss, [w])]);
  expect([...l.data]).toEqual([1 + 4 + 16 + 9 + 16 + 100]);
  expect([...g.data]).toEqual([
    2 * (1 + 9),
    2 * (2 + 12),
    2 * (4 + 30),
    2 * (2 + 12),
    2 * (4 + 16),
    2 * (8 + 40),
  ]);
});
test("scan gradient", async () => {
  const T = 4,
    N = 2,
    H = 3;
  const rnd = (n: number, s: number) =>
    Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + s));
  const x = tensor(rnd(T * N * H, 1), [T, N, H]);
  const w = tensor(rnd(H * H, 2), [H, H]);
  const b = tensor(rnd(H, 3), [H]);
  const s = tensor(rnd(H, 4), [H]);
  const h0 = tensor(rnd(N * H, 5), [N, H]);
  for (const recompute of [false, true]) {
    const { states, ys } = scan(
      [h0],
      [x],
      ([h], [xt]) => {
        const next = h.matmul(w).add(xt).add(b).mul(s).tanh();
        return { states: [next], ys: [next] };
      },
      { recompute },
    );
    const loss = ys[0].square().sum().add(states[0].sum());
    let h = h0,
      total = ops.constant(0);
    for (let t = 0; t < T; t++) {
      h = h.matmul(w).add(x.select(t, 0)).add(b).mul(s).tanh();
      total = total.add(h.square().sum());
    }
    const unrolled = total.add(h.sum());
    const leaves = [x, w, b, s, h0];
    const a = await evaluate([loss, ...gradients(loss, leaves)]);
    const c = await evaluate([unrolled, ...gradients(unrolled, leaves)]);
    for (const [i, v] of a.entries())
      for (let j = 0; j < v.data.length; j++)
        expect(v.data[j], `${i} ${j}`).toBeCloseTo(Number(c[i].data[j]), 4);
    // second order
    const g1 = gradients(gradients(loss, [w])[0].square().sum(), leaves);
    const g2 = gradients(gradients(unrolled, [w])[0].square().sum(), leaves);
    const a2 = await evaluate(g1),
      c2 = await evaluate(g2);
    for (const [i, v] of a2.entries())
      for (let j = 0; j < v.data.length; j++)
        expect(v.data[j], `2nd ${i} ${j}`).toBeCloseTo(Number(c2[i].data[j]), 2);
  }
});
