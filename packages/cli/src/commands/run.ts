import {
  checkData,
  optionDefaults,
  optionName,
  RunFolder,
  type Task,
  type TaskCommand,
  UserError,
  unknownName,
} from "@tensorlane/tasks";
import type { Command } from "commander";
import { examples, givenExtra } from "../options.ts";
import type { Context } from "../program.ts";

/** `evaluate`, `predict` and `export`: the folder's run.json says which task they belong to. */
export function addRunCommands(program: Command, context: Context): void {
  const evaluate = program
    .command("evaluate")
    .description("measure a trained network on the test part of its data, or on other data")
    .argument("<dir>", "run folder")
    .option("--data <id>", "another data set (or file) than the one trained on")
    .option("--json", "print one JSON object with all results as the last line of output")
    .addHelpText(
      "after",
      examples([
        "tensorlane evaluate runs/forecast-los-loop-lstm",
        "tensorlane evaluate runs/mine --json | tail -n 1 | jq .metrics",
      ]),
    );
  addTaskOptions(evaluate, "evaluate", context);
  evaluate.action(async (dir: string, flags: { data?: string }) => {
    const { task, extra } = await taskOf(dir, "evaluate", evaluate, context);
    if (flags.data !== undefined) checkData(task, flags.data);
    const result = await task.evaluate(dir, { data: flags.data, extra }, context.terminal);
    context.done({ command: "evaluate", task: task.name, dir, ...result });
  });

  const predict = program
    .command("predict")
    .description("use a trained network on new input")
    .argument("<dir>", "run folder")
    .argument("[input...]", inputHelp(context))
    .option("--out <file>", "write the result to a file instead of standard output")
    .option("--json", "print one JSON object with all results as the last line of output")
    .addHelpText(
      "after",
      examples([
        "tensorlane predict runs/mine latest.csv",
        "tensorlane predict runs/mine latest.csv --out next-hours.csv",
      ]),
    );
  addTaskOptions(predict, "predict", context);
  predict.action(async (dir: string, inputs: string[], flags: { out?: string }) => {
    context.terminal.keepOutputForProduct();
    const { task, extra } = await taskOf(dir, "predict", predict, context);
    const result = await task.predict(dir, inputs, { out: flags.out, extra }, context.terminal);
    context.done({ command: "predict", task: task.name, dir, ...result });
  });

  const exporting = program
    .command("export")
    .description("write a trained network as a standard ONNX file")
    .argument("<dir>", "run folder")
    .option("--out <file>", "file to write (default: model.onnx in the run folder)")
    .option("--json", "print one JSON object with all results as the last line of output")
    .addHelpText("after", examples(["tensorlane export runs/mine --out forecast.onnx"]));
  addTaskOptions(exporting, "export", context);
  exporting.action(async (dir: string, flags: { out?: string }) => {
    const { task, extra } = await taskOf(dir, "export", exporting, context);
    if (task.export === undefined) {
      throw new UserError(`the task "${task.name}" has nothing to export.`);
    }
    const result = await task.export(dir, { out: flags.out, extra }, context.terminal);
    context.done({ command: "export", task: task.name, dir, ...result });
  });
}

const inputHelp = ({ tasks }: Context): string => {
  const known = [...tasks.values()].filter((task) => task.inputs !== undefined);
  return known.map((task) => `${task.name}: ${task.inputs}`).join("; ") || "input of the task";
};

/** The options of all tasks: which ones the run's task has is known only when its folder was read. */
function addTaskOptions(command: Command, kind: TaskCommand, { tasks }: Context): void {
  const owners = new Map<string, { flags: string; tasks: string[]; description: string }>();
  for (const task of tasks.values()) {
    for (const { flags, description } of task.options?.[kind] ?? []) {
      const name = optionName(flags);
      const found = owners.get(name);
      if (found === undefined) owners.set(name, { flags, tasks: [task.name], description });
      else found.tasks.push(task.name);
    }
  }
  for (const { flags, tasks: names, description } of owners.values()) {
    command.option(flags, `${description} (${names.join(", ")})`);
  }
}

async function taskOf(
  dir: string,
  kind: TaskCommand,
  command: Command,
  { tasks }: Context,
): Promise<{ task: Task; extra: Readonly<Record<string, unknown>> }> {
  const run = await RunFolder.open(dir);
  const task = tasks.get(run.info.task);
  if (task === undefined) {
    throw unknownName(`task of the run ${dir}:`, run.info.task, [...tasks.keys()]);
  }
  const own = task.options?.[kind] ?? [];
  const foreign = [...tasks.values()]
    .flatMap((other) => other.options?.[kind] ?? [])
    .map((option) => optionName(option.flags))
    .filter((name) => !own.some((option) => optionName(option.flags) === name))
    .find((name) => command.getOptionValueSource(name) === "cli");
  if (foreign !== undefined) {
    throw new UserError(`${dir} is a run of "${task.name}", which has no option "${foreign}".`);
  }
  return { task, extra: { ...optionDefaults(own), ...givenExtra(command, own) } };
}
