import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMidi } from "midi-file";
import { data } from "tensorlane";
import { afterAll, expect, test } from "vitest";
import { startCommand } from "../testing.ts";
import { warningsOf } from "./abc/score.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-composing-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const start = (...args: string[]) => startCommand(scratch, args);

/** Small tunes that go up and down. */
function book(): string {
  const bars = ["GABc", "dcBA", "G2B2", "cBAF", "d4", "BAGB"];
  const { integer } = data.randomStream(5, 1);
  return Array.from({ length: 60 }, (_, i) => {
    const body = Array.from({ length: 8 }, () => bars[integer(bars.length)]);
    const half = (from: number) => body.slice(from, from + 4).join("|");
    return `X:${i}\nT:No. ${i}\nM:2/4\nL:1/8\nK:${i % 3 === 0 ? "D" : "G"}\n|:${half(0)}:||:${half(4)}:|\n\n`;
  }).join("");
}

test("the commands as they are documented; a killed training resumes bit for bit", async () => {
  writeFileSync(join(scratch, "tunes.abc"), book());
  const train = (out: string) => [
    ...["train", "compose", "--data", "tunes.abc", "--model", "lstm", "--epochs", "6", "--quick"],
    ...["--hidden", "24", "--batch", "4", "--steps", "16", "--seed", "1", "--out", out, "--json"],
  ];
  const whole = await start(...train("whole")).ended;
  expect([whole.code, whole.err.includes("rror")]).toEqual([0, false]);
  const result = JSON.parse(whole.out.trimEnd());
  expect(result.train.losses).toHaveLength(6);
  expect(result.metrics.rules).toMatchObject({ tunes: 20, valid: 1 });
  expect(readFileSync(join(scratch, "whole", "report.html"), "utf8")).toMatch(/<svg.*<audio/s);

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

  const again = await start("evaluate", "whole", "--json").ended;
  expect(JSON.parse(again.out.trimEnd()).metrics).toEqual(result.metrics);
  const predict = ["predict", "whole", "--key", "D", "--metre", "2/4"];
  const text = await start(...predict, "--title", "Mine").ended;
  expect(text.out).toMatch(/^X:1\nT:Mine\nM:2\/4\nL:1\/8\nK:D\n/);
  expect(warningsOf(text.out)).toEqual([]);
  for (const ending of ["mid", "wav", "svg"]) {
    expect((await start(...predict, "--out", `one.${ending}`).ended).code).toBe(0);
  }
  const read = (name: string) => readFileSync(join(scratch, name));
  expect(parseMidi(read("one.mid")).tracks[0]!.length).toBeGreaterThan(10);
  expect(read("one.wav").subarray(0, 4).toString()).toBe("RIFF");
  expect(read("one.svg").toString()).toMatch(/^<svg xmlns/);
  const unknown = await start("predict", "whole", "--key", "F#").ended;
  expect(unknown.code).toBe(2);
  expect(unknown.err).toMatch(/^error: unknown key "F#"[\s\S]*Known: D, G/);
});
