import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { models, weights } from "tensorlane";
import { afterAll, expect, test } from "vitest";
import { killAndResume, startCommand } from "../testing.ts";
import { halves, writePictures } from "./testing.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-captioning-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
writePictures(join(scratch, "walls"), 60);
writeFileSync(join(scratch, "photo.png"), halves(1001, "red", "blue"));
writeFileSync(join(scratch, "letter.png"), "no picture at all");

const start = (...args: string[]) => startCommand(scratch, args).ended;
const train = (...more: string[]) => [
  ...["train", "caption", "--data", "walls", "--model", "show-tell", "--seed", "1"],
  ...["--hidden", "16", "--embedding", "8", "--min-count", "1", "--batch", "8", ...more],
];
const array = (file: string, name: string) =>
  weights.readSafetensors(readFileSync(join(scratch, file))).arrays.get(name)!;

test("a killed training resumes bit for bit; the commands as they are documented", async () => {
  const run = await killAndResume(scratch, train("--epochs", "4"), "state.safetensors");
  expect([run.straight.code, run.resumed.code]).toEqual([0, 0]);
  const [straight, resumed] = [run.straight, run.resumed].map(({ out }) => JSON.parse(out.trim()));
  expect(resumed.metrics).toEqual(straight.metrics);
  for (const file of ["best.safetensors", "model.onnx", "model.decoder.onnx"]) {
    expect(run.same(file), file).toBe(true);
  }
  const again = await start("evaluate", "straight", "--json");
  expect(JSON.parse(again.out.trim()).metrics).toEqual(straight.metrics);

  const said = await start("predict", "straight", "photo.png");
  expect([said.code, said.out]).toEqual([0, expect.stringMatching(/^[a-z ]+\n$/)]);
  const none = await start("predict", "straight", "letter.png");
  expect([none.code, none.out]).toEqual([2, ""]);
  expect(none.err).toMatch(/letter\.png/);
  const some = await start("predict", "straight", "letter.png", "photo.png");
  expect([some.code, some.out]).toEqual([2, `photo.png: ${said.out}`]);
  expect(some.err).toMatch(/warning: left out: letter\.png/);
  const page = await start("predict", "straight", "photo.png", "--out", "x.html");
  expect([page.code, existsSync(join(scratch, "x.html"))]).toEqual([2, false]);
  expect(page.err).toMatch(/plain text, so the file must end in \.txt/);
  const exported = await start("export", "straight", "--out", "mine.onnx");
  expect(exported.code).toBe(0);
  expect(existsSync(join(scratch, "mine.decoder.onnx"))).toBe(true);
});

test("the encoder starts with a classifier's weights, and keeps them if it is frozen", async () => {
  const body = models.resnet20();
  writeFileSync(join(scratch, "body.safetensors"), weights.writeSafetensors(body.stateDict()));
  const first = body.stateDict().get("conv1.weight")!.data;
  const line = train("--epochs", "1", "--from", "body.safetensors", "--out");
  expect((await start(...line, "frozen", "--freeze")).code).toBe(0);
  expect(array("frozen/best.safetensors", "encoder.conv1.weight").data).toEqual(first);
  expect((await start(...line, "tuned")).code).toBe(0);
  expect(array("tuned/best.safetensors", "encoder.conv1.weight").data).not.toEqual(first);

  const alone = await start(...train("--freeze", "--out", "alone"));
  expect([alone.code, alone.err]).toEqual([2, expect.stringMatching(/--freeze .*--from/)]);
  const other = models.lenet5();
  writeFileSync(join(scratch, "other.safetensors"), weights.writeSafetensors(other.stateDict()));
  const wrong = await start(...train("--from", "other.safetensors", "--out", "wrong"));
  expect(wrong.code).toBe(2);
  expect(wrong.err).toMatch(/does not fit the encoder, a resnet20/);
});
