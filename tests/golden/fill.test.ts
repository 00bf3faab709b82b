import { expect, test } from "vitest";
import { readJson, readTensors } from "./files.ts";
import { Fill } from "./fill.ts";

interface Sample {
  readonly name: string;
  readonly shape: readonly number[];
  readonly hidden?: number;
  readonly seed: number;
  readonly u: readonly number[];
  readonly values: readonly number[];
}
const { salt, samples } = readJson<{ salt: string; samples: readonly Sample[] }>("fill.json");
const fill = new Fill(salt);

test.for(samples)("$name", ({ name, shape, hidden, seed, u, values }) => {
  expect(fill.seed(name)).toBe(seed);
  expect(u.map((_, i) => fill.unit(name, i))).toEqual(u);
  // The file's values are rounded to nine digits, which name a float32 exactly.
  expect([...fill.parameter(name, shape, hidden).subarray(0, values.length)]).toEqual([
    ...Float32Array.from(values),
  ]);
});

interface Case {
  readonly kind: string;
  readonly config: { readonly hidden_size?: number };
  readonly params?: Readonly<Record<string, string>>;
  readonly upstream?: Readonly<Record<string, string>>;
}

// Other tensors may be scaled or chosen by hand; these are always filled.
test("upstream gradients and recurrent parameters of the layers", () => {
  const layers = readJson<{ salt: string; cases: readonly Case[] }>("layers.json");
  const own = new Fill(layers.salt);
  const stored = readTensors("layers.safetensors");
  for (const { kind, config, params = {}, upstream = {} } of layers.cases) {
    for (const key of Object.values(upstream)) {
      const { shape, data } = stored.get(key)!;
      expect(own.values(key, shape), key).toEqual(data);
    }
    if (!/^(RNN|LSTM|GRU)/.test(kind)) continue;
    for (const key of Object.values(params)) {
      const { shape, data } = stored.get(key)!;
      expect(own.parameter(key, shape, config.hidden_size), key).toEqual(data);
    }
  }
});
