import { unknownName } from "../errors.ts";
import type { Experiment } from "./experiment.ts";
import { activationsExperiment } from "./experiments/activations.ts";
import { auxiliary } from "./experiments/auxiliary.ts";
import { clipping } from "./experiments/clipping.ts";
import { degradation } from "./experiments/degradation.ts";
import { dropout } from "./experiments/dropout.ts";
import { gradientNorms } from "./experiments/gradientNorms.ts";
import { inception } from "./experiments/inception.ts";
import { truncation } from "./experiments/truncation.ts";
import { twoDirections } from "./experiments/twoDirections.ts";
import { vanishing } from "./experiments/vanishing.ts";

export type { Check, Claim, Experiment, Plan, Result, Verdict } from "./experiment.ts";
export { verdictOf } from "./experiment.ts";
export { buildReport, labPage } from "./report.ts";
export { type LabOptions, type LabOutcome, type LabRecord, runExperiment } from "./run.ts";

/** Every experiment of the lab, in the order of the lecture. */
export const experiments: readonly Experiment[] = [
  degradation,
  gradientNorms,
  inception,
  auxiliary,
  dropout,
  activationsExperiment,
  vanishing,
  clipping,
  truncation,
  twoDirections,
];

/** An experiment by its id. */
export function experimentById(id: string): Experiment {
  const found = experiments.find((one) => one.id === id);
  if (found) return found;
  throw unknownName(
    "experiment",
    id,
    experiments.map((one) => one.id),
  );
}
