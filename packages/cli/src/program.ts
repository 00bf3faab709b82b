import { readFileSync } from "node:fs";
import type { CommandResult, Task } from "@tensorlane/tasks";
import { Command } from "commander";
import { addData } from "./commands/data.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addLab } from "./commands/lab.ts";
import { addRunCommands } from "./commands/run.ts";
import { addSummary } from "./commands/summary.ts";
import { addTrain } from "./commands/train.ts";
import { examples } from "./options.ts";
import type { Terminal } from "./terminal.ts";

/** What every command works with. */
export interface Context {
  readonly tasks: ReadonlyMap<string, Task>;
  readonly terminal: Terminal;
  /** Hands over what `--json` prints. */
  readonly done: (result: CommandResult) => void;
}

const version = (): string => {
  const manifest = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
};

/** The command line of `tensorlane`. */
export function buildProgram(
  tasks: ReadonlyMap<string, Task>,
  terminal: Terminal,
  done: (result: CommandResult) => void,
): Command {
  const context: Context = { tasks, terminal, done };
  const program = new Command("tensorlane")
    .description("Trains, evaluates and explains the classic networks; forecasts traffic.")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    .showHelpAfterError("Add --help to see what the command takes.")
    .exitOverride()
    .addHelpText(
      "after",
      `${examples([
        "tensorlane train forecast --quick",
        "tensorlane train forecast --data pems-flow --model gru --epochs 20 --out runs/pems",
        "tensorlane predict runs/pems latest.csv --out next-hours.csv",
        "tensorlane data list",
        "tensorlane doctor",
      ])}

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted (Ctrl-C).
TENSORLANE_DEBUG=1 shows the stack of an error.`,
    );
  addTrain(program, context);
  addRunCommands(program, context);
  addSummary(program, context);
  addLab(program, context);
  addData(program, context);
  addDoctor(program, context);
  return program;
}
