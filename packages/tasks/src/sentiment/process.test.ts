import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { killAndResume, startCommand } from "../testing.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-judging-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const start = (...args: string[]) => startCommand(scratch, args);

const trees = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const [word, label] = [`word${(i * 7) % 50}`, ((i * 7) % 50) % 5];
    return `(${label} (${label} ${word}) (2 (2 of) (2 a${i % 11})))\n`;
  }).join("");

test("the commands as they are documented; a killed training resumes bit for bit", async () => {
  const bank = join(scratch, "bank");
  mkdirSync(bank);
  writeFileSync(join(bank, "train.txt"), trees(2500));
  for (const part of ["dev", "test"]) writeFileSync(join(bank, `${part}.txt`), trees(100));
  const line = ["train", "sentiment", "--data", "bank", "--model", "treelstm", "--epochs", "4"];
  const options = ["--hidden", "16", "--seed", "1"];
  const run = await killAndResume(scratch, [...line, ...options], "state.safetensors");
  expect([run.straight.code, run.straight.err.includes("rror")]).toEqual([0, false]);
  const result = JSON.parse(run.straight.out.trimEnd());
  expect(result.train.losses).toHaveLength(4);
  expect(run.resumed.code).toBe(0);
  expect(run.resumed.err).toMatch(/continues after step \d+ of 400/);
  expect(JSON.parse(run.resumed.out.trimEnd()).metrics).toEqual(result.metrics);
  for (const file of ["best.safetensors", "last.safetensors", "model.onnx"]) {
    expect(run.same(file), file).toBe(true);
  }

  const predicted = await start("predict", "straight", "Word3 of a1.").ended;
  expect([predicted.code, predicted.out]).toEqual([0, expect.stringContaining("Word3 of a1 .,")]);
  expect(predicted.err).toContain("right-branching");
  const damaged = await start("predict", "straight", "(3 (2 a)").ended;
  expect(damaged.code).toBe(2);
  expect(damaged.err).toContain("input 1:1:9: the line ends, but the bracket of column 1 is open");
  const evaluated = await start("evaluate", "straight", "--json").ended;
  expect(JSON.parse(evaluated.out.trimEnd()).metrics).toEqual(result.metrics);
  expect((await start("export", "straight", "--out", "net.onnx").ended).code).toBe(0);
  expect(readFileSync(join(scratch, "net.onnx")).length).toBeGreaterThan(1000);
});
