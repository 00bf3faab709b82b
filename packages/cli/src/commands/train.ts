import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import {
  planTrain,
  runFiles,
  type Task,
  type TrainResult,
  UserError,
  unknownName,
} from "@tensorlane/tasks";
import type { Command } from "commander";
import {
  examples,
  givenExtra,
  nameList,
  positiveInteger,
  positiveNumber,
  seedNumber,
} from "../options.ts";
import type { Context } from "../program.ts";

interface TrainFlags {
  readonly data?: string;
  readonly model?: string[];
  readonly epochs?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly seed?: number;
  readonly out?: string;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly quick?: boolean;
}

/** `tensorlane train <task>`: one subcommand a task, so that each has its own help. */
export function addTrain(program: Command, context: Context): void {
  const names = [...context.tasks.keys()];
  const train: Command = program
    .command("train")
    .description("train a network on a task and report how good it is")
    .usage("<task> [options]")
    .argument("[task]", `what to train: ${names.join(", ") || "no task is available"}`)
    // Options belong to the tasks' own commands; here only the task's name is judged.
    .allowUnknownOption()
    .allowExcessArguments()
    .action((name: string | undefined) => {
      if (name === undefined) return train.help({ error: true });
      throw unknownName("task", name, names);
    })
    .addHelpText("after", "\nEach task has its own help: tensorlane train forecast --help");
  for (const task of context.tasks.values()) addTask(train, task, context);
}

function addTask(train: Command, task: Task, context: Context): void {
  const { defaults } = task;
  const otherData = task.files === undefined ? "" : `, or ${task.files}`;
  const recipe = (value: number | undefined): string =>
    value === undefined ? "the model's recipe" : String(value);
  const command = train
    .command(task.name)
    .description(task.summary)
    .option("--data <id>", `${task.datasets.join(", ")}${otherData} (default: ${defaults.data})`)
    .option(
      task.severalModels ? "--model <name,...>" : "--model <name>",
      `${task.models.join(", ")} (default: ${defaults.models.join(",")})`,
      nameList,
    )
    .option(
      "--epochs <n>",
      `times through the data (default: ${recipe(defaults.epochs)})`,
      positiveInteger,
    )
    .option("--batch <n>", `samples a step (default: ${recipe(defaults.batch)})`, positiveInteger)
    .option("--lr <rate>", `learning rate (default: ${recipe(defaults.lr)})`, positiveNumber)
    .option(
      "--seed <n>",
      `fixes every random choice: equal seeds, equal weights (default: ${defaults.seed})`,
      seedNumber,
    )
    .option("--out <dir>", `run folder (default: runs/${task.name}-<data>-<model>)`)
    .option("--resume", "continue the run in --out, bit for bit as if it had never stopped")
    .option("--overwrite", "give up the run that --out already holds")
    .option("--quick", "a shorter schedule for a first look; results say so")
    .option("--json", "print one JSON object with all results as the last line of output");
  for (const option of task.options?.train ?? []) {
    const standard = option.default === undefined ? "" : ` (default: ${String(option.default)})`;
    command.option(option.flags, option.description + standard);
  }
  command.addHelpText(
    "after",
    examples(
      task.examples?.train ?? [
        `tensorlane train ${task.name} --quick`,
        `tensorlane train ${task.name} --data ${defaults.data} --model ${defaults.models[0]} --seed 1 --out runs/mine`,
        `tensorlane train ${task.name} --out runs/mine --resume`,
      ],
    ),
  );
  command.action(async (flags: TrainFlags) => {
    // Allowed to Commander, as in the parent, so that it can be said here what was meant.
    refuseArguments(task, command.args);
    const { model, ...rest } = flags;
    const extra = givenExtra(command, task.options?.train);
    const options = await planTrain(task, { ...rest, models: model, extra });
    const result = await task.train(options, context.terminal);
    context.terminal.close();
    say(result, context);
    context.done({ command: "train", task: task.name, ...result });
  });
}

/** Everything is said by options: an argument would be ignored, and something else trained than was meant. */
function refuseArguments(task: Task, args: readonly string[]): void {
  const [first] = args;
  if (first === undefined) return;
  const isData = task.datasets.includes(first) || (task.files !== undefined && existsSync(first));
  const option = isData ? "--data" : task.models.includes(first) ? "--model" : undefined;
  throw new UserError(
    `"train ${task.name}" takes options only, received ${args.map((arg) => JSON.stringify(arg)).join(", ")}.` +
      (option ? ` Did you mean ${option} ${first}?` : ` See: tensorlane train ${task.name} --help`),
  );
}

/** Where everything is, and what comes next. */
function say(result: TrainResult, { terminal }: Context): void {
  const place = relative(process.cwd(), result.dir) || ".";
  const dir = place.startsWith("..") ? result.dir : place;
  if (result.status === "interrupted") {
    terminal.notice(
      `Stopped and saved in ${dir}; the same command with --out ${dir} --resume goes on.`,
    );
    return;
  }
  if (result.status === "already finished") {
    terminal.notice(`The run in ${dir} is finished already; nothing was changed.`);
    return;
  }
  // Some tasks export several: an encoder and a decoder.
  const files = readdirSync(result.dir).filter((f) => f === runFiles.report || f.endsWith(".onnx"));
  files.sort((a, b) => Number(b === runFiles.report) - Number(a === runFiles.report));
  const list = files.map((file) => join(dir, file)).join(", ");
  terminal.notice(`Saved in ${dir}${list === "" ? "" : `: ${list}`}`);
}
