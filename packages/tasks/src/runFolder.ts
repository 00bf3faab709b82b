import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { writeFileAtomic as replaceFile } from "tensorlane/node";
import { UserError } from "./errors.ts";
import type { Json, TaskUi, TrainOptions, TrainResult, TrainSettings } from "./task.ts";

/** The file names of a run, the same for every task. */
export const runFiles = {
  run: "run.json",
  best: "best.safetensors",
  last: "last.safetensors",
  model: "model.onnx",
  report: "report.html",
  results: "results.json",
} as const;

/** What `run.json` holds. */
export interface RunInfo {
  readonly format: 1;
  readonly task: string;
  readonly status: "running" | "interrupted" | "finished";
  readonly settings: TrainSettings;
  /** What the task needs to rebuild the model: sizes, scaler, vocabulary, chosen epoch. */
  readonly details: { readonly [key: string]: Json | undefined };
}

/** Names the process that trains in a folder. */
const lockFile = ".training";

/** How long a process that was just killed may take to disappear, in milliseconds. */
const DYING = 3000;

async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
  // On Linux a dead process keeps its number until its parent asks for it: state Z, after the name.
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return !/\) [ZX]/.test(status);
}

/** Whether a process still runs after the time that a killed one takes to go. */
async function keepsRunning(pid: number): Promise<boolean> {
  for (let waited = 0; waited < DYING; waited += 100) {
    if (!(await isRunning(pid))) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return true;
}

/** Replaces a file as a whole; throws a UserError where the user can do something about a failure. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await replaceFile(path, content);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** What keeps a file from being written, where the user can do something about it. */
const writeErrors: Readonly<Record<string, string>> = {
  ENOENT: "its folder does not exist",
  ENOTDIR: "a part of its path is a file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left on the device",
  EDQUOT: "the disk quota is used up",
  ENAMETOOLONG: "the name is too long",
};

function unwritable(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (!Object.hasOwn(writeErrors, code)) return error;
  return new UserError(`cannot write ${path}: ${writeErrors[code]} (${code}).`, { cause: error });
}

const errorCode = (error: unknown): string => String((error as NodeJS.ErrnoException)?.code ?? "");

/** How a run folder was found when training began. */
export interface Begun {
  readonly folder: RunFolder;
  /** `new`: start at step 0; `resumed`: load the last state; `finished`: nothing is left to do. */
  readonly start: "new" | "resumed" | "finished";
}

/** The folder of one training run; every write is atomic. */
export class RunFolder {
  readonly dir: string;
  #info: RunInfo;

  private constructor(dir: string, info: RunInfo) {
    this.dir = dir;
    this.#info = info;
  }

  /** Opens an existing run, for `evaluate`, `predict` and `export`. */
  static async open(dir: string): Promise<RunFolder> {
    const info = await readRunInfo(dir);
    if (info !== undefined) return new RunFolder(resolve(dir), info);
    const what = await describe(dir);
    throw new UserError(
      `${dir} ${what}, so it is not a training run. ` +
        "Give the folder that `tensorlane train ... --out DIR` wrote (by default under runs/).",
    );
  }

  /** Marks a training that was stopped before its end, which `--resume` goes on with; what it tells. */
  async interrupted(): Promise<TrainResult> {
    await this.update({ status: "interrupted" });
    return { dir: this.dir, status: "interrupted", train: { losses: [] }, metrics: {} };
  }

  /** What a run told when it ended, where `--resume` names one that is finished; otherwise undefined. */
  static async finished(
    task: string,
    options: TrainOptions,
    ui: TaskUi,
  ): Promise<TrainResult | undefined> {
    if ((await RunFolder.inspect(task, options)) !== "finished") return undefined;
    const { folder } = await RunFolder.begin(task, options, ui);
    const bytes = await folder.need(runFiles.results, "tell the results");
    const before = parseJson(folder.path(runFiles.results), bytes) as TrainResult;
    return { ...before, dir: folder.dir, status: "already finished" };
  }

  /**
   * How `begin` would find the folder, without changing anything: a task loads its data in between, so that
   * neither a new folder nor an old run suffers from data that cannot be read.
   */
  static async inspect(task: string, options: TrainOptions): Promise<Begun["start"]> {
    return (await RunFolder.#look(task, options)).start;
  }

  static async #look(
    task: string,
    { out: dir, resume, overwrite, ...settings }: TrainOptions,
  ): Promise<{ readonly found: RunInfo | undefined; readonly start: Begun["start"] }> {
    // A run that is given up may be unreadable.
    const found = await readRunInfo(dir).catch((error: unknown) => {
      if (overwrite && error instanceof UserError) return undefined;
      throw error;
    });
    if (found === undefined || overwrite) return { found, start: "new" };
    if (!resume) {
      throw new UserError(
        `${dir} already holds a ${found.status} run of "${found.task}". Add --resume to continue it, ` +
          "--overwrite to give it up, or choose another --out.",
      );
    }
    refuseOther(dir, found, task, settings);
    // More epochs than the finished run had: there is something left to do.
    const more = (settings.epochs ?? 0) > (found.settings.epochs ?? Number.POSITIVE_INFINITY);
    return { found, start: found.status === "finished" && !more ? "finished" : "resumed" };
  }

  /**
   * Begins or continues training in `options.out`. Refuses to mix runs: a folder that holds another run is
   * left alone unless `--resume` continues it or `--overwrite` gives it up.
   */
  static async begin(task: string, options: TrainOptions, ui: TaskUi): Promise<Begun> {
    const { out: dir, resume, overwrite: _, ...settings } = options;
    const { found, start } = await RunFolder.#look(task, options);
    if (found !== undefined && start !== "new") {
      const folder = new RunFolder(resolve(dir), found);
      if (start === "finished") return { folder, start };
      await folder.#claim();
      await folder.#clean();
      await folder.update({ status: "running", settings: definedJson(settings) });
      return { folder, start: "resumed" };
    }
    await makeFolder(dir);
    if (found === undefined && resume) {
      ui.notice(`--resume: ${dir} holds no run yet, so training starts at step 0.`);
    }
    const info: RunInfo = {
      format: 1,
      task,
      status: "running",
      settings: definedJson(settings),
      details: {},
    };
    const folder = new RunFolder(resolve(dir), info);
    await folder.#claim();
    await folder.#clean();
    // Only where there was a run, readable or not: the folder may be the user's own.
    if (await folder.read(runFiles.run)) await folder.#removeRun();
    await folder.writeJson(runFiles.run, info);
    return { folder, start: "new" };
  }

  /** Gives up what the run has so far, its settings excepted: it starts anew. */
  async restart(): Promise<void> {
    await this.#removeRun();
    this.#info = { ...this.#info, details: {} };
    await this.writeJson(runFiles.run, this.#info);
  }

  /**
   * Notes how many epochs are planned, and tells whether training goes on from the saved state: a learning
   * rate that was planned for other epochs has to start anew.
   */
  async plan(epochs: number, start: Begun["start"], ui: TaskUi): Promise<boolean> {
    const before = this.#info.details.epochs ?? epochs;
    if (start === "resumed" && before !== epochs) {
      ui.notice(
        `The run was planned for ${before} epochs, now for ${epochs}: its learning rate ` +
          "rises and falls once over the whole training, so it starts anew.",
      );
      await this.restart();
    }
    await this.update({ details: { epochs } });
    return start === "resumed" && before === epochs;
  }

  get info(): RunInfo {
    return this.#info;
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    const path = this.path(name);
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, content);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await this.write(name, `${JSON.stringify(value, null, 2)}\n`);
  }

  /** The bytes of a file, or undefined where there is none. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      return new Uint8Array(await readFile(this.path(name)));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async readJson(name: string): Promise<unknown> {
    const bytes = await this.read(name);
    return bytes === undefined ? undefined : parseJson(this.path(name), bytes);
  }

  /** The bytes of a file that the run must have; `purpose` completes "is needed to ...". */
  async need(name: string, purpose: string): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.read(name);
    if (bytes !== undefined) return bytes;
    throw new UserError(
      `${this.path(name)} is missing; it is needed to ${purpose}. ` +
        (this.#info.status === "finished"
          ? "Was it moved away?"
          : "The run has not saved it yet: continue with `tensorlane train ... --resume`."),
    );
  }

  /** Changes `run.json`; `details` are merged. */
  async update(change: Partial<Pick<RunInfo, "status" | "settings" | "details">>): Promise<void> {
    const details = { ...this.#info.details, ...change.details };
    this.#info = { ...this.#info, ...change, details };
    await this.writeJson(runFiles.run, this.#info);
  }

  /** Takes the folder for this process; what a killed one left is taken over. */
  async #claim(): Promise<void> {
    const path = this.path(lockFile);
    const mine = `${process.pid} ${hostname()}`;
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        await writeFile(path, mine, { flag: "wx" });
        return;
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw unwritable(path, error);
      }
      const owner = await readFile(path, "utf8").catch(() => undefined);
      if (owner === mine) return;
      if (owner === undefined) continue;
      const [pid, host] = owner.split(" ");
      if (owner !== "" && (host !== hostname() || (await keepsRunning(Number(pid))))) {
        throw new UserError(
          `another process (${pid} on ${host}) is training in ${this.dir}; wait for it or choose another ` +
            `--out. If it is gone, remove ${path}.`,
        );
      }
      await rm(path, { force: true });
    }
    throw new UserError(`${this.dir} is being taken by other processes; try again.`);
  }

  /** Lets go of the folder at the end of training, however it ended. */
  async release(): Promise<void> {
    const owner = await readFile(this.path(lockFile), "utf8").catch(() => undefined);
    if (owner === `${process.pid} ${hostname()}`) await rm(this.path(lockFile), { force: true });
  }

  /** Removes what a killed process left half-written. */
  async #clean(): Promise<void> {
    await this.#remove(/^\..*\.\d+\.\d+\.tmp$/);
  }

  /** Removes the old run's own files only: the user may keep others in the folder. */
  async #removeRun(): Promise<void> {
    await this.#remove(
      /\.(safetensors|onnx|onnx\.data)$|^state\.|^(report\.html|results\.json|run\.json)$/,
    );
  }

  async #remove(pattern: RegExp): Promise<void> {
    for (const name of await readdir(this.dir, { recursive: true })) {
      if (pattern.test(basename(name))) await rm(this.path(name), { force: true, recursive: true });
    }
  }
}

/** `run.json` of a folder, or undefined where there is none. */
export async function readRunInfo(dir: string): Promise<RunInfo | undefined> {
  const path = join(dir, runFiles.run);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return undefined;
    throw error;
  }
  const info = parseJson(path, bytes) as RunInfo;
  if (typeof info?.task !== "string" || typeof info.settings !== "object") {
    throw new UserError(`${path} is not the description of a run (no "task" or "settings" in it).`);
  }
  if (info.format !== 1) {
    throw new UserError(
      `${path} has format ${String(info.format)}; this version of Tensorlane reads format 1. ` +
        "Use the version that wrote it, or train again.",
    );
  }
  return info;
}

function parseJson(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${path} is not readable as JSON (${reason}).`);
  }
}

async function describe(dir: string): Promise<string> {
  try {
    return (await stat(dir)).isDirectory() ? `has no ${runFiles.run}` : "is a file";
  } catch {
    return "does not exist";
  }
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UserError(`cannot make the run folder ${dir}: ${message}`);
  }
}

/** Settings as they read back from JSON: without undefined entries, so that comparisons are exact. */
const definedJson = (settings: TrainSettings): TrainSettings =>
  JSON.parse(JSON.stringify(settings)) as TrainSettings;

function refuseOther(dir: string, found: RunInfo, task: string, asked: TrainSettings): void {
  if (found.task !== task) {
    throw new UserError(
      `${dir} holds a run of the task "${found.task}", not "${task}"; choose another --out.`,
    );
  }
  // Epochs may grow: a run can be continued for longer. All else would change its meaning.
  const flat = ({ epochs: _, extra, ...rest }: TrainSettings): Record<string, unknown> => ({
    ...extra,
    ...rest,
  });
  const before = flat(found.settings);
  const now = flat(definedJson(asked));
  const differing = [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .map((key) => [key, JSON.stringify(before[key]), JSON.stringify(now[key])])
    .filter(([, was, is]) => was !== is)
    .map(([key, was, is]) => `${key} was ${was ?? "not given"}, now ${is ?? "not given"}`);
  if (differing.length === 0) return;
  throw new UserError(
    `cannot resume ${dir} with other settings: ${differing.join("; ")}. ` +
      "Leave these options out to continue as before, or choose another --out.",
  );
}
