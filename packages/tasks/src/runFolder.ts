import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "./errors.ts";
import { errorCode, writeFileAtomic } from "./files.ts";
import { claimFolder, releaseFolder } from "./runLock.ts";
import type { Json, TaskUi, TrainOptions, TrainResult, TrainSettings } from "./task.ts";

export { writeFileAtomic };

/** The file names of a run, the same for every task. */
export const runFiles = {
  run: "run.json",
  best: "best.safetensors",
  last: "last.safetensors",
  model: "model.onnx",
  report: "report.html",
  results: "results.json",
} as const;

/** Files of a state that a training can go on from. */
const SAVED = /^state\.|\.safetensors$/;

/** What `run.json` holds. */
export interface RunInfo {
  readonly format: 1;
  readonly task: string;
  readonly status: "running" | "interrupted" | "finished";
  readonly settings: TrainSettings;
  /** What the task needs to rebuild the model: sizes, scaler, vocabulary, chosen epoch. */
  readonly details: { readonly [key: string]: Json | undefined };
}

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
  /** Files written through this object. */
  readonly #written = new Set<string>();

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
  async interrupted(train: TrainResult["train"]): Promise<TrainResult> {
    await this.update({ status: "interrupted" });
    return { dir: this.dir, status: "interrupted", train, metrics: {} };
  }

  /**
   * Begins or continues a training, and lets go of the folder however it ends. Where it fails, no run is left that
   * claims to be running: one of which something is saved can be resumed, and of one that never came so far nothing stays.
   *
   * @example return RunFolder.train("names", options, async ({ folder, start }) => ...);
   */
  static async train<T>(
    task: string,
    options: TrainOptions,
    work: (begun: Begun) => Promise<T>,
  ): Promise<T> {
    const made = missingFolders(options.out);
    const begun = await RunFolder.begin(task, options);
    const { folder, start } = begun;
    try {
      return await work(begun);
    } catch (failure) {
      // What led here says more than a folder that cannot be tidied.
      await folder.#failed(start, made).catch(() => {});
      throw failure;
    } finally {
      await folder.release();
    }
  }

  async #failed(start: Begun["start"], made: readonly string[]): Promise<void> {
    if (start === "finished") return;
    const names = await readdir(this.dir, { recursive: true });
    if (start === "resumed" || names.some((name) => SAVED.test(basename(name)))) {
      return this.update({ status: "interrupted" });
    }
    for (const name of this.#written) await rm(this.path(name), { force: true });
    await this.release();
    // From the inside out, and only where nobody else put something in.
    for (const path of made) await rmdir(path).catch(() => {});
  }

  /** What a run told when it ended, where `--resume` names one that is finished; otherwise undefined. */
  static async finished(task: string, options: TrainOptions): Promise<TrainResult | undefined> {
    if ((await RunFolder.inspect(task, options)) !== "finished") return undefined;
    const { folder } = await RunFolder.begin(task, options);
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
    if (found === undefined && resume) {
      // A slip in the folder's name would else start a whole training by the standard settings.
      throw new UserError(
        `--resume: there is no run to continue, ${join(dir, runFiles.run)} does not exist. ` +
          "Name the run's folder by --out, or leave out --resume to start a training there.",
      );
    }
    if (found === undefined || overwrite) return { found, start: "new" };
    if (!resume) {
      // A process that was killed could not say so.
      const how = found.status === "running" ? "unfinished" : found.status;
      throw new UserError(
        `${dir} already holds ${how === "finished" ? "a" : "an"} ${how} run of "${found.task}". Add --resume to continue it, ` +
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
  static async begin(task: string, options: TrainOptions): Promise<Begun> {
    const { out: dir, resume: _resume, overwrite: _overwrite, ...settings } = options;
    const { found, start } = await RunFolder.#look(task, options);
    if (found !== undefined && start !== "new") {
      const folder = new RunFolder(resolve(dir), found);
      if (start === "finished") return { folder, start };
      await claimFolder(folder.dir);
      await folder.#clean();
      await folder.update({ status: "running", settings: definedJson(settings) });
      return { folder, start: "resumed" };
    }
    await makeFolder(dir);
    const info: RunInfo = {
      format: 1,
      task,
      status: "running",
      settings: definedJson(settings),
      details: {},
    };
    const folder = new RunFolder(resolve(dir), info);
    await claimFolder(folder.dir);
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
    this.#written.add(name);
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

  /** Lets go of the folder at the end of training, however it ended. */
  release(): Promise<void> {
    return releaseFolder(this.dir);
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

/** A folder and those around it that are not there, from the inside out. */
function missingFolders(dir: string): string[] {
  const path = resolve(dir);
  return existsSync(path) ? [] : [path, ...missingFolders(dirname(path))];
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
