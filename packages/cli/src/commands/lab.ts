import { join } from "node:path";
import { runFiles } from "@tensorlane/tasks";
import type { Command } from "commander";
import { examples, seedNumber } from "../options.ts";
import type { Context } from "../program.ts";

interface Flags {
  readonly out?: string;
  readonly seed: number;
  readonly quick?: boolean;
  readonly resume?: boolean;
}

const json = "print one JSON object with all results as the last line of output";

/** `tensorlane lab list` and `tensorlane lab run ID`: the lecture's experiments with real training. */
export function addLab(program: Command, { terminal, done }: Context): void {
  const lab = program
    .command("lab")
    .description("repeat the lecture's experiments with real training")
    .addHelpText(
      "after",
      examples(["tensorlane lab list", "tensorlane lab run degradation --out runs/degradation"]),
    );
  lab
    .command("list")
    .description("name the experiments and what each tries")
    .option("--json", json)
    .addHelpText("after", examples(["tensorlane lab list"]))
    .action(async () => {
      const { experiments } = await import("@tensorlane/tasks/lab");
      terminal.table({
        columns: [
          { key: "id", label: "Experiment" },
          { key: "title", label: "What is tried" },
        ],
        rows: experiments.map(({ id, title }) => ({ cells: { id, title } })),
      });
      done({
        command: "lab list",
        experiments: experiments.map(({ id, title, claim }) => ({ id, title, claim })),
      });
    });
  lab
    .command("run")
    .description("measure an experiment, judge it, draw it")
    .argument("<id>", "an experiment of `tensorlane lab list`")
    .option("--out <dir>", "folder for curves, plots and verdict (default: runs/lab-<id>)")
    .option("--seed <n>", "fixes every random choice", seedNumber, 1)
    .option("--quick", "a shortened experiment for a first look; its verdict says little")
    .option("--resume", "go on with the experiment that --out holds")
    .option("--json", json)
    .addHelpText(
      "after",
      examples([
        "tensorlane lab run gradient-norms",
        "tensorlane lab run degradation --out runs/degradation --resume",
      ]),
    )
    .action(async (id: string, { out, seed, quick = false, resume = false }: Flags) => {
      const { experimentById, runExperiment } = await import("@tensorlane/tasks/lab");
      const options = { out: out ?? join("runs", `lab-${id}`), seed, quick, resume };
      const result = await runExperiment(experimentById(id), options, terminal);
      terminal.close();
      terminal.notice(
        {
          finished: `Saved in ${options.out}: ${runFiles.results}, ${runFiles.report}`,
          interrupted: `Stopped and saved in ${options.out}; the same command with --resume goes on.`,
          "already finished": `The experiment in ${options.out} is finished already.`,
        }[result.status],
      );
      // The record holds the whole command line; here as in every command its name.
      done({ ...result, command: "lab run" });
    });
}
