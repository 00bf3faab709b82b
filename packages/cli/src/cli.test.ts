import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const bin = fileURLToPath(new URL("../bin/tensorlane.js", import.meta.url));
const fixture = fileURLToPath(new URL("../fixtures/tasks.mjs", import.meta.url));

const quiet = { TENSORLANE_TASKS: fixture, TENSORLANE_DEBUG: "", TENSORLANE_BUILD: "0" };

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tensorlane-cli-"));
  // The first run may have to build; the others take what is there, so that a source edited meanwhile
  // does not disturb them.
  const built = await start(["--version"], { TENSORLANE_BUILD: "" }).ended;
  if (built.code !== 0) throw new Error(built.err);
}, 300_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: dir,
    env: { ...process.env, ...quiet, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, out, err }));
  });
  return { child, ended, out: () => out, err: () => err };
}

const run = (...args: string[]): Promise<Ended> => start(args).ended;

async function until(child: ChildProcess, condition: () => boolean): Promise<void> {
  while (!condition()) {
    if (child.exitCode !== null) throw new Error("the process ended before that");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const lastLine = (text: string): unknown => JSON.parse(text.trimEnd().split("\n").at(-1)!);

describe("help", () => {
  it("lists the commands, with examples", async () => {
    const { code, out, err } = await run("--help");
    expect([code, err]).toEqual([0, ""]);
    for (const name of ["train", "evaluate", "predict", "export", "summary", "data", "doctor"]) {
      expect(out).toMatch(new RegExp(`^  ${name} `, "m"));
    }
    expect(out).toContain("Examples:");
    expect((await run()).out).toBe(out);
  });

  it("every command has examples", async () => {
    for (const command of [
      ["train", "count"],
      ["evaluate"],
      ["predict"],
      ["export"],
      ["summary"],
      ["data", "get"],
      ["doctor"],
    ]) {
      const { code, out } = await run(...command, "--help");
      expect(code).toBe(0);
      expect(out).toContain("Examples:\n  tensorlane ");
    }
  });

  it("a task's help names its models, data, options and defaults", async () => {
    const { out } = await run("train", "count", "--help");
    expect(out).toMatch(/abacus, fingers \(default: abacus\)/);
    expect(out.replaceAll(/\s+/g, " ")).toContain("sheep, goats, or a text file (default: sheep)");
    expect(out).toMatch(/--from <n> +first number \(default: 1\)/);
    for (const option of ["epochs", "batch", "lr", "seed", "out", "resume", "json", "quick"]) {
      expect(out).toContain(`--${option}`);
    }
  });

  it("prints the version", async () => {
    expect((await run("--version")).out).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("train", () => {
  it("prints plain lines into a pipe, and leaves warnings to standard error", async () => {
    const { code, out, err } = await run("train", "count", "--out", "plain");
    expect(code).toBe(0);
    expect(out).toContain("counting sheep\n");
    expect(out).toMatch(/^abacus: 1\/3, loss 1, validation 2, ETA /m);
    expect(out).toContain("abacus: 3/3, loss 0.3333, validation 0.6667\nabacus: counted\n");
    expect(out).not.toContain("\r");
    expect(out).not.toContain("\u001b");
    expect(err).toBe("warning: numbers are large\n");
    const files = ["report.html", "decoder.onnx", "encoder.onnx"].map((f) => join("plain", f));
    expect(out).toContain(`Saved in plain: ${files.join(", ")}\n`);
    expect(out).toMatch(/^abacus +0\.50\*$/m);
    expect(out).toMatch(/^guess \(baseline\) +12\.25$/m);
  });

  it("--json makes the last and only line of standard output the results", async () => {
    const { code, out, err } = await run(
      "train",
      "count",
      "--out",
      "json",
      "--json",
      "--seed",
      "7",
    );
    expect(code).toBe(0);
    expect(out.trimEnd().split("\n")).toHaveLength(1);
    expect(lastLine(out)).toMatchObject({
      command: "train",
      task: "count",
      status: "finished",
      train: { losses: [1, 0.5, 1 / 3] },
      metrics: { rmse: 0.5 },
    });
    expect(err).toContain("counting sheep");
    const saved = JSON.parse(await readFile(join(dir, "json", "run.json"), "utf8"));
    expect(saved.settings).toMatchObject({ data: "sheep", seed: 7, extra: { from: 1 } });
  });

  it("does not mix runs; --resume on a finished one changes nothing", async () => {
    await run("train", "count", "--out", "twice");
    const again = await run("train", "count", "--out", "twice");
    expect(again.code).toBe(2);
    expect(again.err).toContain("--resume");
    const before = await readFile(join(dir, "twice", "run.json"), "utf8");
    const resumed = await run("train", "count", "--out", "twice", "--resume");
    expect([resumed.code, resumed.out]).toEqual([0, expect.stringContaining("finished already")]);
    expect(await readFile(join(dir, "twice", "run.json"), "utf8")).toBe(before);
  });

  it("chooses a fresh folder where none is named", async () => {
    await run("train", "count");
    await run("train", "count", "--model", "abacus,fingers");
    const { out } = await run("train", "count");
    expect(out).toContain(`Saved in ${join("runs", "count-sheep-abacus-2")}`);
    expect(existsSync(join(dir, "runs", "count-sheep-abacus+fingers", "run.json"))).toBe(true);
  });
});

describe("wrong usage", () => {
  const cases: [string, string[], RegExp][] = [
    ["a command", ["trian"], /unknown command 'trian'\n\(Did you mean train\?\)/],
    [
      "a task",
      ["train", "coutn", "--epochs", "3"],
      /unknown task "coutn".*mean "count"[\s\S]*other/,
    ],
    ["no task", ["train"], /Usage: tensorlane train/],
    ["a model", ["train", "count", "--model", "abacsu"], /mean "abacus"[\s\S]*abacus, fingers/],
    ["data", ["train", "count", "--data", "shep"], /mean "sheep"[\s\S]*sheep, goats/],
    ["a data file", ["train", "count", "--data", "no.csv"], /"no.csv" does not exist/],
    ["an option", ["train", "count", "--epoch", "3"], /unknown option '--epoch'[\s\S]*--epochs/],
    ["a number", ["train", "count", "--epochs", "0.5"], /'0.5' is invalid.*whole number/],
    ["a rate", ["train", "count", "--lr", "-1"], /'-1' is invalid.*greater than 0/],
    ["a task's option", ["train", "count", "--from", "x"], /'--from <n>' received "x": it must/],
    ["a run folder", ["evaluate", "nowhere"], /nowhere does not exist/],
    ["a data id", ["data", "info", "los-lop"], /mean "los-loop"/],
    ["a data command", ["data", "lst"], /mean "list"/],
    ["nothing to predict", ["predict"], /missing required argument 'dir'/],
    ["data as an argument", ["train", "count", "goats"], /"goats"\. Did you mean --data goats\?/],
    ["a model as an argument", ["train", "count", "fingers"], /Did you mean --model fingers\?/],
    ["more than options", ["train", "count", "1", "2"], /options only, received "1", "2"\. See/],
    ["too much for data list", ["data", "list", "all"], /too many arguments/],
    ["too much for data info", ["data", "info", "los-loop", "x"], /too many arguments/],
    ["too much for doctor", ["doctor", "now"], /too many arguments/],
    ["too much for evaluate", ["evaluate", "a", "b"], /too many arguments/],
  ];
  for (const [what, args, message] of cases) {
    it(`${what}: exit code 2, a clear message, no stack`, async () => {
      const { code, out, err } = await run(...args);
      expect(err).toMatch(message);
      expect(err).not.toMatch(/^ +at /m);
      expect([code, out]).toEqual([2, ""]);
    });
  }

  it("a file as an argument is taken for the data that was meant", async () => {
    await writeFile(join(dir, "meadow.txt"), "baa");
    const { code, err } = await run("train", "count", "meadow.txt", "--epochs", "1");
    expect([code, err]).toEqual([2, expect.stringContaining("mean --data meadow.txt?")]);
  });

  it("under --json the error is JSON as well", async () => {
    const { code, out } = await run("train", "count", "--model", "x", "--json");
    expect(code).toBe(2);
    expect(lastLine(out)).toMatchObject({ error: { name: "UserError" }, exitCode: 2 });
  });

  it("shows the stack of our own mistakes always, of others on demand", async () => {
    const mistake = await run("train", "count", "--from", "13", "--out", "thirteen");
    expect(mistake.code).toBe(1);
    expect(mistake.err).toMatch(/thirteen[\s\S]*please report[\s\S]*^ +at /im);
    const debug = await start(["evaluate", "nowhere"], { TENSORLANE_DEBUG: "1" }).ended;
    expect(debug.err).toMatch(/^ +at /m);
  });

  it("says which module of tasks cannot be loaded", async () => {
    const { code, err } = await start(["--help"], { TENSORLANE_TASKS: "none.mjs" }).ended;
    expect(code).toBe(2);
    expect(err).toContain("TENSORLANE_TASKS names none.mjs");
  });
});

describe("a run folder", () => {
  it("leads predict and evaluate to its task", async () => {
    await run("train", "count", "--out", "used");
    const predicted = await run("predict", "used", "40");
    expect(predicted).toMatchObject({ code: 0, out: "42\n", err: "thinking\n" });
    const longer = await run("predict", "used", "40", "--length", "5", "--json");
    expect(longer.out.trimEnd().split("\n")).toHaveLength(1);
    expect(lastLine(longer.out)).toMatchObject({ command: "predict", prediction: 45 });
    const some = await run("predict", "used", "40", "x", "--json");
    expect(some.code).toBe(2);
    expect(lastLine(some.out)).toMatchObject({ prediction: 42, failed: [{ input: "x" }] });
    const foreign = await run("predict", "used", "40", "--beam", "5");
    expect([foreign.code, foreign.err]).toEqual([2, expect.stringContaining('no option "beam"')]);
    const measured = await run("evaluate", "used", "--json");
    expect(lastLine(measured.out)).toMatchObject({ task: "count", metrics: { rmse: 0.5 } });
    expect((await run("export", "used")).err).toContain("nothing to export");
  });

  it("of an unknown task or a broken description is refused", async () => {
    await run("train", "count", "--out", "broken");
    const path = join(dir, "broken", "run.json");
    await writeFile(path, (await readFile(path, "utf8")).replace('"count"', '"cuont"'));
    expect((await run("evaluate", "broken")).err).toContain('mean "count"');
    await writeFile(path, "{");
    expect(await run("evaluate", "broken")).toMatchObject({ code: 2 });
  });
});

describe("Ctrl-C", () => {
  it("lets the task save, then exits with 130; --resume goes on", async () => {
    const args = ["train", "count", "--epochs", "1000", "--out", "long", "--json"];
    const { child, ended, err } = start(args);
    await until(child, () => err().includes("1/1000"));
    child.kill("SIGINT");
    const { code, out } = await ended;
    expect(code).toBe(130);
    expect(lastLine(out)).toMatchObject({ status: "interrupted" });
    expect(err()).toContain("stopping: the step is finished and saved first");
    const saved = JSON.parse(await readFile(join(dir, "long", "run.json"), "utf8"));
    expect(saved.status).toBe("interrupted");
  });

  it("a second time ends at once", async () => {
    const { child, ended, out, err } = start(["train", "count", "--from", "99", "--out", "stuck"]);
    await until(child, () => out().includes("1/3"));
    child.kill("SIGINT");
    await until(child, () => err().includes("stopping"));
    // npm passes on a Ctrl-C that the terminal has sent already; an echo that quick is no second wish.
    await new Promise((resolve) => setTimeout(resolve, 700));
    child.kill("SIGINT");
    expect((await ended).signal).toBe("SIGINT");
  });
});

describe("summary", () => {
  it("shows a task's network, layer by layer", async () => {
    const { code, out } = await run("summary", "abacus");
    expect(code).toBe(0);
    expect(out).toContain("two rows of beads (count/abacus)\n");
    expect(out).toMatch(/^0 +Linear +1 x 3 +15 +12 +12$/m);
    expect(out).toContain("After Suanpan (190).\nVariant: wood.\nOthers: brass.\nInput 1 x 4.\n");
    expect(out).toContain("19 parameters; 15 multiply-adds");
  });

  it("takes another input, a batch, and gives JSON", async () => {
    const args = ["summary", "abacus", "--input", "10", "--batch", "2", "--json"];
    const { code, out } = await run(...args);
    expect(code).toBe(0);
    expect(out.trimEnd().split("\n")).toHaveLength(1);
    expect(lastLine(out)).toMatchObject({
      ...{ command: "summary", task: "count", model: "abacus", variant: "wood", batch: 2 },
      ...{ parameters: 37, trainable: 37, macs: 66, inputShapes: [[2, 10]] },
      activationBytes: 2 * 4 * (10 + 3 + 1),
      layers: [{ name: "0" }, { name: "1", type: "ReLU" }, { name: "2", outputShape: [2, 1] }],
    });
  });

  it("shows the library's architectures", async () => {
    const { code, out } = await run("summary", "lenet5", "--json");
    expect(code).toBe(0);
    expect(lastLine(out)).toMatchObject({ model: "lenet5", task: "models", parameters: 61706 });
    const vgg = ["summary", "vgg16", "--input", "3x224x224", "--variant", "torchvision"];
    expect(lastLine((await run(...vgg, "--json")).out)).toMatchObject({
      ...{ variant: "torchvision", parameters: 138357544, activationBytes: 60950432 },
      notices: [
        expect.stringContaining("89.4 % of the parameters"),
        expect.any(String),
        expect.any(String),
      ],
    });
    expect((await run(...vgg)).out).toContain("(60.95 MB) of activations: inputs and every layer");
    const flat = await run("summary", "lenet5", "--input", "32x32");
    expect([flat.code, flat.err]).toEqual([2, expect.stringContaining("such as 1x32x32")]);
  });

  const refused: [string, string[], number, RegExp][] = [
    ["an unknown model", ["abacsu"], 2, /unknown model "abacsu".*mean "abacus"/],
    ["a name that two tasks have", ["fingers"], 2, /name one of count\/fingers, other\/fingers/],
    ["an unknown variant", ["abacus", "--variant", "wod"], 2, /variant of abacus:.*mean "wood"/],
    ["a variant of another network", ["lenet5", "--variant", "torchvision"], 2, /Known: paper/],
    ["a variant where there is none", ["count/fingers", "--variant", "x"], 2, /has no variants/],
    ["what the task refuses", ["abacus", "--variant", "brass"], 2, /sold out/],
    ["a bad shape", ["abacus", "--input", "4y"], 2, /sizes with x between them/],
    [
      "an input that does not fit",
      ["other/fingers", "--input", "3x4"],
      1,
      /linear: input \[1, 3, 4\]/,
    ],
  ];
  for (const [what, args, exit, message] of refused) {
    it(`refuses ${what}`, async () => {
      const { code, out, err } = await run("summary", ...args);
      expect(err).toMatch(message);
      expect(err).not.toMatch(/^ +at /m);
      expect([code, out]).toEqual([exit, ""]);
    });
  }
});

describe("doctor", () => {
  it("tells the engine, the machine and the folders", async () => {
    const env = { TENSORLANE_DATA_CACHE: join(dir, "cache"), TENSORLANE_DATA_MIRROR: "" };
    const { code, out } = await start(["doctor"], env).ended;
    expect(code).toBe(0);
    const lines = ["Node", "system", "processor", "memory", "tensorlane", "onnxruntime-node"];
    for (const name of [...lines, "engine", "why", "threads", "providers", "zero copy"]) {
      expect(out).toMatch(new RegExp(`^${name}: +\\S`, "m"));
    }
    expect(out).toContain(join(dir, "cache"));
    expect(out).toMatch(/^data mirror: +none/m);
  });

  it("gives JSON, and names the engine that was asked for", async () => {
    const { code, out } = await start(["doctor", "--json"], { TENSORLANE_ENGINE: "wasm" }).ended;
    expect(code).toBe(0);
    expect(lastLine(out)).toMatchObject({
      command: "doctor",
      engine: { name: "wasm", reason: "chosen by TENSORLANE_ENGINE", zeroCopy: false },
      machine: { node: process.version },
    });
    const wrong = await start(["doctor"], { TENSORLANE_ENGINE: "gpu" }).ended;
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining("give one of native")]);
  });
});

describe("data", () => {
  it("lists and describes", async () => {
    const listed = await run("data", "list", "--json");
    expect(listed.code).toBe(0);
    const { data } = lastLine(listed.out) as { data: { id: string; verified: boolean }[] };
    expect(data.map((entry) => entry.id)).toContain("los-loop");
    const info = await run("data", "info", "los-loop");
    expect([info.code, info.out]).toEqual([0, expect.stringMatching(/SHA-256: .*verified/)]);
  });

  it("fails clearly where data cannot be had", async () => {
    const env = {
      TENSORLANE_OFFLINE: "1",
      TENSORLANE_DATA_CACHE: join(dir, "cache"),
      TENSORLANE_DATA_MIRROR: "",
    };
    const { code, err } = await start(["data", "get", "los-loop"], env).ended;
    expect(code).toBe(1);
    expect(err).toMatch(/^error: los-loop: .*TENSORLANE_DATA_MIRROR/m);
    expect(err).not.toMatch(/^ +at /m);
  });
});
