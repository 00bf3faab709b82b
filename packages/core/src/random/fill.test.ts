import { expect, test } from "vitest";
import type { Distribution } from "../graph/tensor.ts";
import { fillRandomAsync, sharedFloats } from "./fill.node.ts";
import { fillRandom, generator, type RandomKey } from "./fill.ts";

const key: RandomKey = { seed: 42, step: 3, stream: 0x9e3779b9 };
const distributions: readonly Distribution[] = [
  { kind: "uniform", low: -2, high: 3 },
  { kind: "normal", mean: 1, std: 2 },
  { kind: "bernoulli", p: 0.3 },
];

function draw(size: number, distribution: Distribution, from: RandomKey = key, offset = 0) {
  const target = new Float32Array(size);
  fillRandom(target, distribution, from, offset);
  return target;
}

test("gives the published numbers of Threefry-2x32, 20 rounds", () => {
  // Random123's known answers: counter, key, result.
  const vectors = [
    ["00000000 00000000", "00000000 00000000", "6b200159 99ba4efe"],
    ["ffffffff ffffffff", "ffffffff ffffffff", "1cb996fc bb002be7"],
    ["243f6a88 85a308d3", "13198a2e 03707344", "c4923a9c 483df7a0"],
  ];
  for (const [counter, key, expected] of vectors) {
    const [c0, c1] = words(counter);
    const [k0, k1] = words(key);
    const out = new Int32Array(2);
    generator().threefry(out, k0, k1, c0, c1);
    expect([...out]).toEqual(words(expected));
  }
});

test.each(distributions)("$kind: any split of the range gives the same numbers", (distribution) => {
  const whole = draw(5000, distribution);
  for (const cut of [1, 2, 7, 1023, 1024, 1025, 4999]) {
    const parts = [...draw(cut, distribution), ...draw(5000 - cut, distribution, key, cut)];
    expect(parts).toEqual([...whole]);
  }
});

test.each(distributions)(
  "$kind: another seed, step or stream gives other numbers",
  (distribution) => {
    const others = [
      { ...key, seed: 43 },
      { ...key, seed: 42 + 2 ** 32 },
      { ...key, seed: -42 },
      { ...key, step: 4 },
      { ...key, stream: 1 },
    ];
    const all = [key, ...others].map((each) => draw(64, distribution, each).join());
    expect(new Set(all).size).toBe(all.length);
  },
);

test("the numbers have the moments of their distribution", () => {
  const size = 200_000;
  const expected = { uniform: [0.5, 25 / 12], normal: [1, 4], bernoulli: [0.3, 0.21] };
  for (const distribution of distributions) {
    const [mean, variance] = expected[distribution.kind];
    const values = draw(size, distribution);
    const m = values.reduce((sum, x) => sum + x, 0) / size;
    const v = values.reduce((sum, x) => sum + (x - m) ** 2, 0) / size;
    // Five standard errors of the mean; the numbers are fixed, so this cannot fail by chance.
    expect(Math.abs(m - mean)).toBeLessThan(5 * Math.sqrt(variance / size));
    expect(Math.abs(v / variance - 1)).toBeLessThan(0.02);
  }
});

test("uniform numbers stay below the upper end, probabilities 0 and 1 are certain", () => {
  const unit = draw(100_000, { kind: "uniform", low: 0, high: 1 });
  expect(unit.every((x) => x >= 0 && x < 1)).toBe(true);
  expect(draw(1000, { kind: "bernoulli", p: 0 }).every((x) => x === 0)).toBe(true);
  expect(draw(1000, { kind: "bernoulli", p: 1 }).every((x) => x === 1)).toBe(true);
});

test("filling off the main thread gives the same numbers, in shared and in own memory", async () => {
  for (const size of [10, 20_001]) {
    const fills = distributions.flatMap((distribution) => [
      { target: new Float32Array(size), distribution, key, offset: 5 },
      { target: sharedFloats(size), distribution, key, offset: 5 },
    ]);
    await fillRandomAsync(fills);
    for (const { target, distribution } of fills) {
      expect(target).toEqual(draw(size, distribution, key, 5));
    }
  }
});

test("says which parameter is wrong", () => {
  expect(() => draw(1, { kind: "bernoulli", p: 1.5 })).toThrow(
    "p is 1.5; give a number from 0 to 1",
  );
  expect(() => draw(1, { kind: "normal", mean: 0, std: -1 })).toThrow("std is -1");
  expect(() => draw(1, { kind: "uniform", low: 1, high: 0 })).toThrow("high is 0");
  expect(() => draw(1, distributions[0], { ...key, seed: 0.5 })).toThrow("seed is 0.5");
  expect(() => draw(1, distributions[0], { ...key, step: -1 })).toThrow("step is -1");
});

function words(hex: string): number[] {
  return hex.split(" ").map((word) => Number.parseInt(word, 16) | 0);
}
