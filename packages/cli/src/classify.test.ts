import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const bin = fileURLToPath(new URL("../bin/tensorlane.js", import.meta.url));
const tasks = new URL("../../tasks/package.json", import.meta.url);
const dir = mkdtempSync(join(tmpdir(), "tensorlane-cli-classify-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], build = "0") {
  // Only the first run may build: a source edited meanwhile does not disturb the others.
  const env = { ...process.env, TENSORLANE_DEBUG: "", TENSORLANE_BUILD: build };
  const child = spawn(process.execPath, [bin, ...args], { cwd: dir, env });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => resolve({ code, out, err }));
  });
  return { child, ended };
}

const run = (...args: string[]): Promise<Ended> => start(args).ended;
const lastLine = (text: string) => JSON.parse(text.trimEnd().split("\n").at(-1)!);

/** Bright and dark pictures, and a file that is none. */
async function makeFolder(): Promise<void> {
  const { encode } = await import(createRequire(tasks).resolve("fast-png"));
  for (const [name, level] of [
    ["bright", 160],
    ["dark", 20],
  ] as const) {
    mkdirSync(join(dir, "photos", name), { recursive: true });
    for (let i = 0; i < 60; i++) {
      const data = Uint8Array.from({ length: 768 }, (_, k) => level + ((k * 31 + i * 77) % 90));
      const file = join(dir, "photos", name, `${i}.png`);
      writeFileSync(file, encode({ width: 16, height: 16, channels: 3, data }));
    }
  }
  writeFileSync(join(dir, "photos", "dark", "broken.jpg"), "no image");
}

describe("tensorlane train classify", () => {
  const options = ["--data", "photos", "--model", "lenet5", "--epochs", "30", "--seed", "1"];
  const train = (...more: string[]) => ["train", "classify", ...options, "--json", ...more];
  beforeAll(async () => {
    const built = await start(["--version"], "").ended;
    if (built.code !== 0) throw new Error(built.err);
    await makeFolder();
  }, 300_000);

  it("goes on bit for bit after kill -9, and the run predicts, evaluates and exports", async () => {
    const straight = await run(...train("--out", "straight"));
    expect(straight.err).not.toMatch(/^error/m);
    expect(straight.code).toBe(0);
    const result = lastLine(straight.out);
    expect(result).toMatchObject({ status: "finished", skipped: [{ path: "dark/broken.jpg" }] });
    expect(result.train.losses).toHaveLength(30);
    expect(result.metrics.error).toBe(0);
    expect(straight.err).toContain("1 files could not be read");

    const { child, ended } = start(train("--out", "killed"));
    const state = join(dir, "killed", "state.safetensors");
    while (!existsSync(state)) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(join(dir, "killed", "report.html"))).toBe(false);
    const resumed = await run(...train("--out", "killed", "--resume"));
    expect([resumed.code, lastLine(resumed.out).status]).toEqual([0, "finished"]);
    expect(resumed.err).toMatch(/continues after step \d+ of/);
    for (const file of ["best.safetensors", "last.safetensors", "model.onnx"]) {
      const [a, b] = ["straight", "killed"].map((out) => readFileSync(join(dir, out, file)));
      expect(a!.equals(b!), file).toBe(true);
    }

    const predicted = await run("predict", "killed", "photos/dark/3.png", "photos/bright/7.png");
    expect(predicted.code).toBe(0);
    const first =
      /^photos\/dark\/3\.png\n +[\d.]+ % {2}dark\n.*\nphotos\/bright\/7\.png\n +[\d.]+ % {2}bright\n/;
    expect(predicted.out).toMatch(first);
    const none = await run("predict", "killed", "photos/dark/broken.jpg");
    expect(none.code).toBe(2);
    expect(none.err).toMatch(/broken\.jpg is not an image that can be read/);
    const evaluated = await run("evaluate", "killed", "--json");
    expect(lastLine(evaluated.out).metrics).toEqual(result.metrics);
    expect((await run("export", "killed", "--out", "net.onnx")).code).toBe(0);
    expect(readFileSync(join(dir, "net.onnx")).length).toBeGreaterThan(1000);
  });

  it("says what is wrong with its options", async () => {
    for (const [args, message] of [
      [["--data", "nowhere/photos"], /does not exist.*a folder with one sub-folder/],
      [["--size", "3"], /--size 3: it must be a whole number, 8 or more/],
      [["--classes", "7"], /at most the 2 classes/],
    ] as const) {
      const { code, err } = await run(...train("--out", "wrong", ...args));
      expect(code).toBe(2);
      expect(err).toMatch(message);
    }
  });
});
