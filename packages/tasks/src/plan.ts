import { existsSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { UserError, unknownName } from "./errors.ts";
import { readRunInfo } from "./runFolder.ts";
import type { Extra, Task, TaskOption, TrainOptions } from "./task.ts";

/** What was asked for on the command line; what is absent comes from the run resumed, or the defaults. */
export interface TrainRequest {
  readonly data?: string | undefined;
  readonly models?: readonly string[] | undefined;
  readonly epochs?: number | undefined;
  readonly batch?: number | undefined;
  readonly lr?: number | undefined;
  readonly seed?: number | undefined;
  readonly quick?: boolean | undefined;
  readonly out?: string | undefined;
  readonly resume?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
  /** The task's own options that were given. */
  readonly extra?: Extra;
}

/** Fills in a request for training and checks its names. */
export async function planTrain(task: Task, request: TrainRequest): Promise<TrainOptions> {
  const resume = request.resume ?? false;
  if (resume && request.overwrite) {
    throw new UserError("--resume continues a run, --overwrite gives it up: choose one of them.");
  }
  const found = resume && request.out !== undefined ? await readRunInfo(request.out) : undefined;
  const before = found?.task === task.name ? found.settings : undefined;
  const { defaults } = task;
  const settings = {
    data: absolute(task, request.data) ?? before?.data ?? defaults.data,
    models: request.models ?? before?.models ?? defaults.models,
    seed: request.seed ?? before?.seed ?? defaults.seed,
    epochs: request.epochs ?? before?.epochs ?? defaults.epochs,
    batch: request.batch ?? before?.batch ?? defaults.batch,
    lr: request.lr ?? before?.lr ?? defaults.lr,
    quick: request.quick ?? before?.quick ?? false,
    extra: { ...optionDefaults(task.options?.train), ...before?.extra, ...request.extra },
  };
  checkModels(task, settings.models);
  checkData(task, settings.data);
  const out = request.out ?? defaultFolder(task, settings, resume);
  return { ...settings, out, resume, overwrite: request.overwrite ?? false };
}

/** A file is kept by its full path: `evaluate` may be called from another folder. */
function absolute(task: Task, data: string | undefined): string | undefined {
  const isFile = data !== undefined && !task.datasets.includes(data) && existsSync(data);
  return isFile ? resolve(data) : data;
}

/** `--max-order <n>` is `maxOrder`; a negated `--no-attention` is `attention`. */
export function optionName(flags: string): string {
  const long = /--(?:no-)?([\w-]+)/.exec(flags)?.[1];
  if (long === undefined) throw new Error(`the option flags "${flags}" have no --name`);
  return long.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The values of a task's own options that were not given. */
export function optionDefaults(options: readonly TaskOption[] = []): Extra {
  const withDefault = options.filter((option) => option.default !== undefined);
  return Object.fromEntries(withDefault.map((o) => [optionName(o.flags), o.default]));
}

/** Each must be a model of the task, and one is the most where the task trains only one. */
export function checkModels(task: Task, models: readonly string[]): void {
  for (const model of models) {
    if (!task.models.includes(model)) {
      throw unknownName(`model of the task "${task.name}":`, model, task.models);
    }
  }
  const twice = models.find((model, i) => models.indexOf(model) < i);
  if (twice !== undefined) throw new UserError(`the model "${twice}" is named twice.`);
  if (models.length > 1 && task.severalModels !== true) {
    throw new UserError(
      `the task "${task.name}" trains one model at a time; received ${models.join(", ")}.`,
    );
  }
}

/** A known id, or (where the task reads the user's own data) something that exists on disk. */
export function checkData(task: Task, data: string): void {
  if (task.datasets.includes(data)) return;
  if (task.files !== undefined && existsSync(data)) return;
  const pathLike = isAbsolute(data) || /[/\\]|\.[A-Za-z]\w{0,5}$/.test(data);
  if (task.files !== undefined && pathLike) {
    throw new UserError(
      `the data "${data}" does not exist. The task "${task.name}" takes ${task.files}, ` +
        `or one of: ${task.datasets.join(", ")}`,
    );
  }
  throw unknownName(`data set of the task "${task.name}":`, data, task.datasets);
}

/** `runs/forecast-los-loop-lstm`, with a number behind it where that is taken and not to be resumed. */
function defaultFolder(
  task: Task,
  settings: { data: string; models: readonly string[] },
  resume: boolean,
): string {
  const data = settings.data.replace(/^.*[/\\](?=.)/, "").replace(/\.\w+$/, "");
  const name = [task.name, data, settings.models.join("+")].join("-").replace(/[^\w.+-]+/g, "_");
  const base = `runs/${name}`;
  if (resume || !existsSync(base)) return base;
  let number = 2;
  while (existsSync(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}
