import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { killAndResume, startCommand } from "../testing.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-writing-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const start = (...args: string[]) => startCommand(scratch, args);

test("the commands as they are documented; a killed training resumes bit for bit", async () => {
  const text = Array.from({ length: 900 }, (_, i) => `${(i * i) % 97} and ${(i * 7) % 89},\n`);
  writeFileSync(join(scratch, "numbers.txt"), text.join(""));
  const line = ["train", "generate", "--data", "numbers.txt", "--model", "lstm", "--epochs", "3"];
  const options = ["--hidden", "24", "--seed", "1"];
  const run = await killAndResume(scratch, [...line, ...options], "training/state.safetensors");
  expect([run.straight.code, run.straight.err.includes("rror")]).toEqual([0, false]);
  const result = JSON.parse(run.straight.out.trimEnd());
  expect(result.train.losses).toHaveLength(3);
  expect(run.resumed.code).toBe(0);
  expect(JSON.parse(run.resumed.out.trimEnd()).metrics).toEqual(result.metrics);
  for (const file of ["best.safetensors", "model.onnx"]) expect(run.same(file), file).toBe(true);

  const predict = ["predict", "killed", "12 and ", "--length", "50", "--top-k", "5"];
  const [one, two] = [await start(...predict).ended, await start(...predict).ended];
  expect([one.code, one.out]).toEqual([0, two.out]);
  expect(one.out).toMatch(/^12 and [\s\S]{50}\n$/);
  const unseen = await start("predict", "killed", "The ").ended;
  expect(unseen.code).toBe(2);
  expect(unseen.err).toMatch(/^error: the prompt has .* that the model never saw: "T"/);
});
