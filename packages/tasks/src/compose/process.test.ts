import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMidi } from "midi-file";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { data } from "tensorlane";
import { afterAll, expect, test } from "vitest";
import { pick, probabilities } from "../language/index.ts";
import { killAndResume, startCommand } from "../testing.ts";
import { warningsOf } from "./abc/score.ts";
import { END } from "./abc/tokens.ts";
import { tuneText } from "./abc/tune.ts";
import { DRAWS } from "./abc/writing.ts";

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

/** A freely drawn tune of seed 1 by an exported file, in plain onnxruntime. */
async function drawn(session: InferenceSession, tokens: readonly string[], number: number) {
  const { uniform } = data.randomStream(1, DRAWS, number);
  const head = ["M:2/4", "K:D"];
  const zeros = () => new OrtTensor("float32", new Float32Array(24), [1, 24]);
  let state: Record<string, OrtTensor> = { h0: zeros(), c0: zeros() };
  const tune = [END];
  while (tune.length === 1 || tune.at(-1) !== END) {
    const id = Int32Array.of(tokens.indexOf(tune.at(-1)!));
    const run = await session.run({ tokens: new OrtTensor("int32", id, [1, 1]), ...state });
    state = { h0: run["state.h0"] as OrtTensor, c0: run["state.c0"] as OrtTensor };
    const draw = () => tokens[pick(probabilities(run.logits!.data as Float32Array), uniform())]!;
    tune.push(head[tune.length - 1] ?? draw());
  }
  return tune.slice(1, -1);
}

test("the commands as they are documented; a killed training resumes bit for bit", async () => {
  writeFileSync(join(scratch, "tunes.abc"), book());
  const line = [
    ...["train", "compose", "--data", "tunes.abc", "--model", "lstm", "--epochs", "6", "--quick"],
    ...["--hidden", "24", "--batch", "4", "--steps", "16", "--seed", "1"],
  ];
  const run = await killAndResume(scratch, line, "training/state.safetensors");
  expect([run.straight.code, run.straight.err.includes("rror")]).toEqual([0, false]);
  const result = JSON.parse(run.straight.out.trimEnd());
  expect(result.train.losses).toHaveLength(6);
  expect(result.metrics.rules).toMatchObject({ tunes: 20, valid: 1 });
  expect(readFileSync(join(scratch, "straight", "report.html"), "utf8")).toMatch(/<svg.*<audio/s);
  expect(run.resumed.code).toBe(0);
  expect(JSON.parse(run.resumed.out.trimEnd()).metrics).toEqual(result.metrics);
  for (const file of ["best.safetensors", "model.onnx"]) expect(run.same(file), file).toBe(true);

  const again = await start("evaluate", "straight", "--json").ended;
  expect(JSON.parse(again.out.trimEnd()).metrics).toEqual(result.metrics);
  const predict = ["predict", "straight", "--key", "D", "--metre", "2/4"];
  const text = await start(...predict, "--title", "Mine").ended;
  expect(text.out).toMatch(/^X:1\nT:Mine\nM:2\/4\nL:1\/8\nK:D\n/);
  expect(warningsOf(text.out)).toEqual([]);

  const freely = ["--title", "Mine", "--free", "--temperature", "1", "--count", "6"];
  const free = await start(...predict, ...freely).ended;
  const vocabulary = JSON.parse(readFileSync(join(scratch, "straight", "vocabulary.json"), "utf8"));
  const session = await InferenceSession.create(join(scratch, "straight", "model.onnx"));
  const theirs: string[] = [];
  for (let i = 0; i < 6; i++) {
    const tokens = await drawn(session, vocabulary, i);
    theirs.push(tuneText({ title: "Mine", tokens }, i + 1));
  }
  expect(free.out).toBe(theirs.join("\n"));

  for (const ending of ["mid", "wav", "svg"]) {
    expect((await start(...predict, "--out", `one.${ending}`).ended).code).toBe(0);
  }
  const read = (name: string) => readFileSync(join(scratch, name));
  expect(parseMidi(read("one.mid")).tracks[0]!.length).toBeGreaterThan(10);
  expect(read("one.wav").subarray(0, 4).toString()).toBe("RIFF");
  expect(read("one.svg").toString()).toMatch(/^<svg xmlns/);
  const unknown = await start("predict", "straight", "--key", "F#").ended;
  expect(unknown.code).toBe(2);
  expect(unknown.err).toMatch(/^error: unknown key "F#"[\s\S]*Known: D, G/);
});
