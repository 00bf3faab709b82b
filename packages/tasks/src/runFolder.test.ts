import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nearestName, unknownName } from "./errors.ts";
import { optionDefaults, planTrain } from "./plan.ts";
import { type Begun, RunFolder, writeFileAtomic } from "./runFolder.ts";
import type { Task, TrainOptions } from "./task.ts";

let dir = "";

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tensorlane-run-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const task = {
  name: "count",
  summary: "counts",
  models: ["abacus", "fingers"],
  datasets: ["sheep", "los-loop"],
  files: "a CSV file",
  defaults: { data: "sheep", models: ["abacus"], seed: 0 },
  options: { train: [{ flags: "--max-order <n>", description: "", default: 3 }] },
} as unknown as Task;
const plan = (more: Parameters<typeof planTrain>[1] = {}): Promise<TrainOptions> =>
  planTrain(task, { out: join(dir, "run"), ...more });

describe("writeFileAtomic", () => {
  it("replaces the file and leaves nothing beside it", async () => {
    await writeFileAtomic(join(dir, "a.txt"), "old");
    await writeFileAtomic(join(dir, "a.txt"), new Uint8Array([110, 101, 119]));
    expect(await readFile(join(dir, "a.txt"), "utf8")).toBe("new");
    expect(await readdir(dir)).toEqual(["a.txt"]);
  });

  it("removes its temporary file when it fails", async () => {
    await writeFileAtomic(join(dir, "a"), "x");
    await expect(writeFileAtomic(join(dir, "a", "b"), "x")).rejects.toThrow(/ENOTDIR/);
    await expect(writeFileAtomic(join(dir, "no", "b"), "x")).rejects.toThrow(
      `cannot write ${join(dir, "no", "b")}: its folder does not exist`,
    );
    expect(await readdir(dir)).toEqual(["a"]);
  });
});

describe("RunFolder", () => {
  it("starts anew on a missing folder; refuses to resume what is not there", async () => {
    const { start, folder } = await RunFolder.begin("count", await plan());
    expect(start).toBe("new");
    expect(folder.info.status).toBe("running");
    const missing = await plan({ resume: true, out: join(dir, "typo") });
    for (const asked of [
      RunFolder.begin("count", missing),
      RunFolder.inspect("count", missing),
      RunFolder.finished("count", missing),
    ]) {
      await expect(asked).rejects.toThrow(`${join(dir, "typo", "run.json")} does not exist`);
    }
    expect(existsSync(join(dir, "typo"))).toBe(false);
  });

  it("leaves nothing of a training that failed before anything was saved", async () => {
    const out = join(dir, "some", "where", "run");
    const failing = async ({ folder }: Begun): Promise<never> => {
      await folder.write("vocabulary.json", "{}");
      throw new Error("too short");
    };
    await expect(RunFolder.train("count", await plan({ out }), failing)).rejects.toThrow("short");
    expect(await readdir(dir)).toEqual([]);
    // What was there before stays.
    await mkdir(out, { recursive: true });
    await writeFile(join(out, "mine.txt"), "the user's own");
    await expect(RunFolder.train("count", await plan({ out }), failing)).rejects.toThrow("short");
    expect(await readdir(out)).toEqual(["mine.txt"]);
    const again = await RunFolder.train("count", await plan({ out }), async ({ start }) => start);
    expect(again).toBe("new");
  });

  it("leaves a training that failed later to be resumed", async () => {
    const save = async ({ folder }: Begun): Promise<never> => {
      await folder.write("training/state.safetensors", "state");
      throw new Error("no space");
    };
    await expect(RunFolder.train("count", await plan(), save)).rejects.toThrow("no space");
    const read = async () => (await RunFolder.open(join(dir, "run"))).info.status;
    expect(await read()).toBe("interrupted");
    const asked = await plan({ resume: true });
    const fail = async ({ start }: Begun): Promise<never> => {
      throw new Error(start);
    };
    await expect(RunFolder.train("count", asked, fail)).rejects.toThrow("resumed");
    expect(await read()).toBe("interrupted");
    expect(existsSync(join(dir, "run", ".training"))).toBe(false);
  });

  it("refuses to mix runs", async () => {
    const { folder } = await RunFolder.begin("count", await plan());
    await folder.write("best.safetensors", "weights");
    await folder.write("abacus/state.bin", "state");
    await folder.write("mine.txt", "the user's own");
    await expect(RunFolder.begin("count", await plan())).rejects.toThrow(/--resume/);
    expect(await folder.read("best.safetensors")).toBeDefined();
    await RunFolder.begin("count", await plan({ overwrite: true }));
    expect(existsSync(folder.path("best.safetensors"))).toBe(false);
    expect(existsSync(folder.path("abacus/state.bin"))).toBe(false);
    expect(existsSync(folder.path("mine.txt"))).toBe(true);
  });

  it("continues with the settings of before, and finds a finished run finished", async () => {
    const first = await RunFolder.begin("count", await plan({ epochs: 2, seed: 7 }));
    await first.folder.update({ status: "interrupted", details: { scale: 3 } });
    const asked = await plan({ resume: true });
    expect(asked).toMatchObject({ epochs: 2, seed: 7, extra: { maxOrder: 3 } });
    const again = await RunFolder.begin("count", asked);
    expect(again.start).toBe("resumed");
    expect(again.folder.info.details).toEqual({ scale: 3 });
    await again.folder.update({ status: "finished" });
    const before = await readFile(again.folder.path("run.json"), "utf8");
    const third = await RunFolder.begin("count", await plan({ resume: true, epochs: 2 }));
    expect(third.start).toBe("finished");
    expect(await readFile(again.folder.path("run.json"), "utf8")).toBe(before);
    const longer = await RunFolder.begin("count", await plan({ resume: true, epochs: 3 }));
    expect(longer.start).toBe("resumed");
  });

  it("looks at a folder without touching it", async () => {
    expect(await RunFolder.inspect("count", await plan())).toBe("new");
    expect(existsSync(join(dir, "run"))).toBe(false);
    await RunFolder.begin("count", await plan());
    const before = await readdir(join(dir, "run"));
    expect(await RunFolder.inspect("count", await plan({ resume: true }))).toBe("resumed");
    expect(await RunFolder.inspect("count", await plan({ overwrite: true }))).toBe("new");
    await expect(RunFolder.inspect("count", await plan())).rejects.toThrow(/--resume/);
    expect(await readdir(join(dir, "run"))).toEqual(before);
  });

  it("gives up a run whose run.json cannot be read, but nobody else's files", async () => {
    await mkdir(join(dir, "run"));
    await writeFile(join(dir, "run", "mine.onnx"), "the user's own");
    await RunFolder.begin("count", await plan({ overwrite: true }));
    expect(existsSync(join(dir, "run", "mine.onnx"))).toBe(true);
    await writeFile(join(dir, "run", "run.json"), "{");
    await expect(RunFolder.begin("count", await plan())).rejects.toThrow(/not readable/);
    const { start } = await RunFolder.begin("count", await plan({ overwrite: true }));
    expect(start).toBe("new");
  });

  it("keeps a second process out, and takes over from one that is gone", async () => {
    const { folder } = await RunFolder.begin("count", await plan());
    expect(existsSync(folder.path(".training"))).toBe(true);
    await folder.release();
    expect(existsSync(folder.path(".training"))).toBe(false);
    const other = `${process.ppid} ${hostname()}`;
    await writeFile(folder.path(".training"), other);
    await expect(RunFolder.begin("count", await plan({ resume: true }))).rejects.toThrow(
      /another process .* is training in/,
    );
    await folder.release();
    expect(await readFile(folder.path(".training"), "utf8")).toBe(other);
    await writeFile(folder.path(".training"), `99999999 ${hostname()}`);
    const { start } = await RunFolder.begin("count", await plan({ resume: true }));
    expect(start).toBe("resumed");
  });

  it("does not resume with other settings", async () => {
    await RunFolder.begin("count", await plan({ lr: 0.1 }));
    const other = await plan({ resume: true, lr: 0.2, extra: { maxOrder: 4 } });
    await expect(RunFolder.begin("count", other)).rejects.toThrow(
      /maxOrder was 3, now 4; lr was 0.1, now 0.2/,
    );
  });

  it("removes what a killed process left", async () => {
    const { folder } = await RunFolder.begin("count", await plan());
    await writeFile(folder.path(".last.safetensors.123.4.tmp"), "half");
    await writeFile(folder.path(".state.safetensors.123.5.tmp"), "half, by the Trainer");
    await RunFolder.begin("count", await plan({ resume: true }));
    await folder.release();
    expect(await readdir(folder.dir)).toEqual(["run.json"]);
  });

  it("says what is wrong with a folder that is no run", async () => {
    await expect(RunFolder.open(join(dir, "none"))).rejects.toThrow(/does not exist/);
    await expect(RunFolder.open(dir)).rejects.toThrow(/has no run.json/);
    await writeFile(join(dir, "run.json"), "{");
    await expect(RunFolder.open(dir)).rejects.toThrow(/not readable as JSON/);
    await writeFile(join(dir, "run.json"), '{"task":"count","settings":{},"format":9}');
    await expect(RunFolder.open(dir)).rejects.toThrow(/format 9/);
  });

  it("names a missing file and its purpose", async () => {
    const { folder } = await RunFolder.begin("count", await plan());
    await expect(folder.need("best.safetensors", "predict")).rejects.toThrow(/needed to predict/);
  });
});

describe("names", () => {
  it("finds the nearest", () => {
    expect(nearestName("los-lop", task.datasets)).toBe("los-loop");
    expect(nearestName("LOS", task.datasets)).toBe("los-loop");
    expect(nearestName("imagenet", task.datasets)).toBeUndefined();
    expect(unknownName("model", "abacos", task.models).message).toContain('mean "abacus"');
  });

  it("checks models and data", async () => {
    await expect(plan({ models: ["lstm"] })).rejects.toThrow(/Known: abacus, fingers/);
    await expect(plan({ models: ["abacus", "fingers"] })).rejects.toThrow(/one model at a time/);
    await expect(plan({ models: ["abacus", "abacus"] })).rejects.toThrow(/named twice/);
    await expect(plan({ data: "shep" })).rejects.toThrow(/mean "sheep"/);
    await expect(plan({ data: "nowhere.csv" })).rejects.toThrow(/does not exist/);
    await writeFile(join(dir, "my.csv"), "");
    expect((await plan({ data: join(dir, "my.csv") })).data).toBe(join(dir, "my.csv"));
    expect(optionDefaults(task.options?.train)).toEqual({ maxOrder: 3 });
  });
});
