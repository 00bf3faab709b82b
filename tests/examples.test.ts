import { rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Runs an example as a reader would, and gives what it printed. */
async function printed(name: string): Promise<string> {
  const lines: string[] = [];
  const own = console.log;
  console.log = (...values: unknown[]) =>
    void lines.push(values.map((v) => (Array.isArray(v) ? v.join(", ") : String(v))).join(" "));
  try {
    await import(`../examples/${name}.ts`);
  } finally {
    console.log = own;
  }
  return lines.join("\n");
}

const expected: Readonly<Record<string, (text: string) => void>> = {
  "00-readme": (text) => {
    const [, first, last] = /^loss (\S+) -> (\S+)\n\d+ bytes$/.exec(text)!;
    expect(Number(last)).toBeLessThan(Number(first) / 10);
  },
  "01-gradients": (text) =>
    expect(text.split("\n")).toEqual([
      "[] 0.25",
      "[2,1] 3 4",
      "[2,1] 48 68",
      expect.stringMatching(/^matmul: float32\[2, 1\] times float32\[2, 2\]: /),
    ]),
  "02-custom-layer": (text) =>
    expect(text).toBe("0.weight, 0.bias, 1.beta, 2.weight, 2.bias\ngradients agree"),
  "03-train-lstm": (text) => {
    expect(text).toContain("lstm   LSTM    1 x 12 x 16");
    const last = /epoch 30 (\S+) (\S+)\n450 updates$/.exec(text)!;
    // The series' variance is about 0.6.
    expect(Number(last[1])).toBeLessThan(0.01);
    expect(Number(last[2])).toBeLessThan(0.01);
  },
  "04-export": (text) => {
    rmSync(join(tmpdir(), `gru-${process.pid}.onnx`));
    expect(text.split("\n")).toEqual([
      "x output, state.h",
      "[1,12,4] same numbers",
      "[5,12,4] same numbers",
    ]);
  },
  "05-finetune-onnx": (text) => {
    const [names, first, last, parameters] = text.split("\n");
    expect(names).toContain("2/relu");
    const [before, after] = [first, last].map((line) => line.split(" ").map(Number));
    expect(after[0]).toBeLessThan(before[0] / 2);
    expect(after[1]).toBeGreaterThan(0.95);
    expect(parameters).toBe("0.0.weight, 0.0.bias, 0.1.weight, 0.1.bias, 1.weight, 1.bias");
  },
};

test("every example is run here", async () => {
  const files = (await readdir("examples")).filter((name) => name.endsWith(".ts"));
  expect(files.sort()).toEqual(Object.keys(expected).map((name) => `${name}.ts`));
});

for (const [name, check] of Object.entries(expected)) {
  test(name, async () => check(await printed(name)));
}
