import { type Begun, RunFolder, runFiles } from "../runFolder.ts";
import type { CommandResult, TaskUi } from "../task.ts";
import { Bench, Interrupted } from "./bench.ts";
import type { Experiment, Plan, Result, Verdict } from "./experiment.ts";
import { verdictOf } from "./experiment.ts";
import { buildReport, checksTable } from "./report.ts";

export interface LabOptions {
  readonly out: string;
  readonly seed: number;
  /** Shorter: for a first look. */
  readonly quick: boolean;
  readonly resume: boolean;
}

/** What `results.json` holds. */
export type LabRecord = {
  readonly format: 1;
  readonly experiment: string;
  readonly command: string;
  readonly seed: number;
  readonly quick: boolean;
  /** Sizes and lengths. */
  readonly plan: Plan;
  readonly result: Result;
  readonly verdict: Verdict;
};

export type LabOutcome = CommandResult & {
  readonly dir: string;
  readonly status: "finished" | "interrupted" | "already finished";
};

/** Runs an experiment in a folder of its own, or goes on with it; writes `results.json` and `report.html`. */
export async function runExperiment(
  experiment: Experiment,
  options: LabOptions,
  ui: TaskUi,
  plan: Plan = experiment.plans[options.quick ? "quick" : "full"],
): Promise<LabOutcome> {
  const { id } = experiment;
  const { out, resume, seed, quick } = options;
  return RunFolder.train(
    `lab ${id}`,
    { ...{ out, resume, seed, quick }, overwrite: false, data: id, models: [], extra: { plan } },
    (begun) => measured(begun, { experiment, plan, seed, quick }, ui),
  );
}

interface Job {
  readonly experiment: Experiment;
  readonly plan: Plan;
  readonly seed: number;
  readonly quick: boolean;
}

async function measured(
  { folder, start }: Begun,
  { experiment, plan, seed, quick }: Job,
  ui: TaskUi,
): Promise<LabOutcome> {
  const { id } = experiment;
  const { dir } = folder;
  const outcome = (status: LabOutcome["status"], record?: LabRecord): LabOutcome => ({
    ...{ experiment: id, ...record, dir, status },
  });
  if (start === "finished") {
    return outcome("already finished", (await folder.readJson(runFiles.results)) as LabRecord);
  }
  const bench = new Bench(folder, ui, seed);
  try {
    if (quick) ui.notice("--quick: a shortened experiment; its verdict says little.");
    const result = await experiment.measure(bench, plan);
    const command = `tensorlane lab run ${id} --seed ${seed}${quick ? " --quick" : ""}`;
    const verdict = verdictOf(experiment.judge(result));
    const record: LabRecord = {
      ...{ format: 1, experiment: id, command, seed, quick, plan, result, verdict },
    };
    await folder.writeJson(runFiles.results, record);
    await folder.write(runFiles.report, buildReport(experiment, record));
    await folder.update({ status: "finished" });
    for (const table of experiment.show(result).tables) ui.table(table);
    ui.table(checksTable(verdict));
    ui.notice(`${experiment.title}: ${verdict.outcome}.`);
    return outcome("finished", record);
  } catch (failure) {
    if (!(failure instanceof Interrupted)) throw failure;
    await folder.update({ status: "interrupted" });
    return outcome("interrupted");
  } finally {
    bench.close();
  }
}
