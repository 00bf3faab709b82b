import { existsSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { digits, surnames, text } from "../examples/shared/data.ts";

// Real data where they are; 06 to 11 say it where they are not.
const mirror = fileURLToPath(new URL("../../shared/data/", import.meta.url));
if (existsSync(mirror)) vi.stubEnv("TENSORLANE_DATA_MIRROR", mirror);

/** Runs something as a reader would, and gives what it printed. */
async function printedBy(run: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const own = console.log;
  console.log = (...values: unknown[]) =>
    void lines.push(values.map((v) => (Array.isArray(v) ? v.join(", ") : String(v))).join(" "));
  try {
    await run();
  } finally {
    console.log = own;
  }
  return lines.join("\n");
}

const printed = (name: string) => printedBy(() => import(`../examples/${name}.ts`));

/** The numbers of a text: percentages and others. */
const numbersOf = (text: string) => Array.from(text.matchAll(/\d+(\.\d+)?/g), ([n]) => Number(n));

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
  // What 06 to 11 reach on made data is less with the digits and more with the others.
  "06-one-to-one": (text) => {
    const [right] = numbersOf(line(text, /^digits told rightly/));
    expect(right).toBeGreaterThan(75);
  },
  "07-one-to-many": (text) => {
    const [network, frequency] = numbersOf(line(text, /^nats a letter/));
    expect(network).toBeLessThan(frequency - 0.9);
    expect(text.split("\n").slice(-6)).toEqual(
      Array.from({ length: 6 }, () => expect.stringMatching(/^[\w ]+: [a-z]+$/)),
    );
  },
  "08-many-to-one": (text) => {
    const [right, most] = numbersOf(line(text, /^languages told rightly/));
    expect(right).toBeGreaterThan(80);
    expect(most).toBeLessThan(25);
  },
  "09-many-to-many": (text) => {
    expect(numbersOf(line(text, /^of the capitals found/))[0]).toBeGreaterThan(75);
    expect(numbersOf(line(text, /^of those found right/))[0]).toBeGreaterThan(90);
  },
  "10-many-to-many-unequal": (text) => {
    const [written] = numbersOf(line(text, /^words written rightly/));
    const [read] = numbersOf(line(text, /^right as they are read/));
    expect(written).toBeGreaterThan(read + 30);
  },
  "11-fill-in-the-blank": (text) => {
    const [one] = numbersOf(line(text, /^one direction/));
    const [two] = numbersOf(line(text, /^two directions/));
    expect(one).toBeGreaterThan(10);
    expect(two).toBeGreaterThan(one + 3);
  },
};

/** The printed line that fits. */
function line(text: string, pattern: RegExp): string {
  return text.split("\n").find((candidate) => pattern.test(candidate)) ?? "";
}

test("every example is run here", async () => {
  const files = (await readdir("examples")).filter((name) => name.endsWith(".ts"));
  expect(files.sort()).toEqual(Object.keys(expected).map((name) => `${name}.ts`));
});

for (const [name, check] of Object.entries(expected)) {
  test(name, async () => check(await printed(name)));
}

test("without mirror, cache and network data are made up, and that is said", async () => {
  vi.stubEnv("TENSORLANE_DATA_MIRROR", undefined);
  vi.stubEnv("TENSORLANE_OFFLINE", "1");
  vi.stubEnv("TENSORLANE_DATA_CACHE", join(tmpdir(), `no-cache-${process.pid}`));
  const said = await printedBy(async () => {
    const { pixels, labels } = await digits();
    expect(pixels).toHaveLength(784 * labels.length);
    expect(new Set(labels).size).toBe(10);
    const { names, languages } = await surnames();
    expect(new Set(names.map(([, language]) => language)).size).toBe(languages.length);
    expect((await text()).match(/\w+|\./g)!.length).toBeGreaterThan(60_000);
  });
  vi.unstubAllEnvs();
  const lines = said.split("\n");
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line).toMatch(/^NOT REAL: made up in place of .* because /);
});
