import type { inspect, nn } from "tensorlane";
import type { Table } from "./table.ts";

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** Numbers and words shown beside a progress bar, in this order: `{ loss: 0.031, validation: 4.92 }`. */
export type ProgressValues = Readonly<Record<string, number | string | undefined>>;

export interface Progress {
  /** `done` of `total` units; the remaining time is estimated by the display. */
  update(done: number, values?: ProgressValues): void;
  /** Ends the line; `summary` (a sentence) takes the place of the bar's values. */
  stop(summary?: string): void;
}

/** How a task speaks: it never prints by itself, so that it runs under the command, a test or a page. */
export interface TaskUi {
  /** Aborted by Ctrl-C: finish the step, save, return with `interrupted: true`. */
  readonly signal: AbortSignal;
  notice(text: string): void;
  warn(text: string): void;
  progress(label: string, total: number): Progress;
  table(table: Table): void;
  /** The product itself, as it comes: generated text, a sentence, CSV. No newline is added. */
  write(text: string): void;
}

/** A further option of one task on one of its commands, in Commander's notation. */
export interface TaskOption {
  /** "--length <characters>", "--freeze [parts]" or "--aux". */
  readonly flags: string;
  readonly description: string;
  /** Turns the text into a value; throws UserError. Without it the text itself is the value. */
  readonly parse?: (text: string) => unknown;
  readonly default?: unknown;
}

export type TaskCommand = "train" | "evaluate" | "predict" | "export";

/** Values of a task's own options by their camelCase name (`--max-order 3` is `maxOrder`). */
export type Extra = Readonly<Record<string, unknown>>;

/** What fixes the result of a training run; kept in `run.json`. */
export interface TrainSettings {
  /** A data set's id, or the path of a file or folder. */
  readonly data: string;
  /** At least one; more where the task can train several for one report. */
  readonly models: readonly string[];
  readonly seed: number;
  /** Undefined: the recipe of the model and the data decides. */
  readonly epochs?: number | undefined;
  readonly batch?: number | undefined;
  readonly lr?: number | undefined;
  /** A shorter schedule for a first look; the task says so wherever results show. */
  readonly quick: boolean;
  readonly extra: Extra;
}

export interface TrainOptions extends TrainSettings {
  /** The run folder. */
  readonly out: string;
  readonly resume: boolean;
  readonly overwrite: boolean;
}

export interface EvaluateOptions {
  /** Another data set than the one trained on. */
  readonly data?: string | undefined;
  readonly extra: Extra;
}

export interface PredictOptions {
  /** A file to write instead of standard output. */
  readonly out?: string | undefined;
  readonly extra: Extra;
}

export interface ExportOptions {
  /** A file to write; `model.onnx` in the run folder without it. */
  readonly out?: string | undefined;
  readonly extra: Extra;
}

export interface TrainResult {
  readonly dir: string;
  readonly status: "finished" | "interrupted" | "already finished";
  readonly train: {
    /** Mean training loss of every epoch (of the model that was kept, where several were trained). */
    readonly losses: readonly number[];
    /** What the validation of each epoch is, in words: quantity and unit, and which is kept. */
    readonly validationMeasure?: string;
    readonly [key: string]: Json | undefined;
  };
  readonly metrics: { readonly [key: string]: Json | undefined };
  readonly [key: string]: Json | undefined;
}

/**
 * What a command hands back; printed as one JSON object under `--json`. `failed` lists inputs that gave no result; the exit
 * code is 2 then.
 */
export interface CommandResult {
  readonly [key: string]: Json | undefined;
}

export interface EvaluateResult extends CommandResult {
  readonly metrics: { readonly [key: string]: Json | undefined };
}

export interface TaskDefaults {
  readonly data: string;
  readonly models: readonly string[];
  readonly seed: number;
  readonly epochs?: number;
  readonly batch?: number;
  readonly lr?: number;
}

/** One of a task's networks as `tensorlane summary` shows it: built as the task builds it. */
export interface Network {
  /** The name that `--model` takes. */
  readonly id: string;
  readonly title: string;
  /** Author, year and title of the work that introduced it. */
  readonly paper?: string;
  /** Shape of the (first) input without the batch, where `--input` does not say. */
  readonly input: readonly number[];
  /** Names that `--variant` takes; the first is the default. */
  readonly variants?: readonly string[];
  /** What each variant is. */
  readonly variantNotes?: Readonly<Record<string, string>>;
  /** What is to be known when its numbers are compared with those of other sources. */
  readonly remark?: string;
  /** The network for an input of that shape, and all its inputs; throws UserError where none fits. */
  build(
    input: readonly number[],
    variant: string | undefined,
  ): { readonly model: nn.Module; readonly inputs: readonly inspect.SummaryInput[] };
}

/**
 * One thing that people do with the networks. The object itself must be cheap to import (names, help,
 * options); `train` and the others import what they need when they are called, so that `--help` is instant.
 */
export interface Task {
  readonly name: string;
  /** One line for `tensorlane train --help`. */
  readonly summary: string;
  readonly models: readonly string[];
  /** What `tensorlane summary` shows of the models; called only then. */
  readonly networks?: () => Promise<readonly Network[]>;
  /** Whether `--model a,b` may name several. */
  readonly severalModels?: boolean;
  readonly datasets: readonly string[];
  /** What `--data` takes besides ids, in words ("a CSV file: timestamp column, value columns"). */
  readonly files?: string;
  /** What `predict` takes, in words ("a CSV file with the latest values"). */
  readonly inputs?: string;
  readonly defaults: TaskDefaults;
  readonly options?: Readonly<Partial<Record<TaskCommand, readonly TaskOption[]>>>;
  /** Whole command lines for the help texts. */
  readonly examples?: Readonly<Partial<Record<TaskCommand, readonly string[]>>>;

  train(options: TrainOptions, ui: TaskUi): Promise<TrainResult>;
  evaluate(dir: string, options: EvaluateOptions, ui: TaskUi): Promise<EvaluateResult>;
  predict(
    dir: string,
    inputs: readonly string[],
    options: PredictOptions,
    ui: TaskUi,
  ): Promise<CommandResult>;
  export?(dir: string, options: ExportOptions, ui: TaskUi): Promise<CommandResult>;
}
