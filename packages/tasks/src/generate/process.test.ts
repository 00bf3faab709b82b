import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startCommand } from "../testing.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-writing-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const start = (...args: string[]) => startCommand(scratch, args);

test("the commands as they are documented; a killed training resumes bit for bit", async () => {
  const text = Array.from({ length: 900 }, (_, i) => `${(i * i) % 97} and ${(i * 7) % 89},\n`);
  writeFileSync(join(scratch, "numbers.txt"), text.join(""));
  const train = (out: string) => [
    ...["train", "generate", "--data", "numbers.txt", "--model", "lstm", "--epochs", "3"],
    ...["--hidden", "24", "--seed", "1", "--out", out, "--json"],
  ];
  const whole = await start(...train("whole")).ended;
  expect([whole.code, whole.err.includes("rror")]).toEqual([0, false]);
  const result = JSON.parse(whole.out.trimEnd());
  expect(result.train.losses).toHaveLength(3);

  const killed = start(...train("killed"));
  // Saved at the end of an epoch at the latest; then it is killed in the midst of the next one.
  while (!existsSync(join(scratch, "killed", "training", "state.safetensors"))) {
    expect(killed.child.exitCode).toBe(null);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  killed.child.kill("SIGKILL");
  await killed.ended;
  expect(existsSync(join(scratch, "killed", "results.json"))).toBe(false);
  const resumed = await start(...train("killed"), "--resume").ended;
  expect(resumed.code).toBe(0);
  expect(JSON.parse(resumed.out.trimEnd()).metrics).toEqual(result.metrics);
  for (const file of ["best.safetensors", "model.onnx"]) {
    const [a, b] = ["whole", "killed"].map((dir) => readFileSync(join(scratch, dir, file)));
    expect(b!.equals(a!)).toBe(true);
  }

  const predict = ["predict", "whole", "12 and ", "--length", "50", "--top-k", "5"];
  const [one, two] = [await start(...predict).ended, await start(...predict).ended];
  expect([one.code, one.out]).toEqual([0, two.out]);
  expect(one.out).toMatch(/^12 and [\s\S]{50}\n$/);
  const unseen = await start("predict", "whole", "The ").ended;
  expect(unseen.code).toBe(2);
  expect(unseen.err).toMatch(/^error: the prompt has .* that the model never saw: "T"/);
});
