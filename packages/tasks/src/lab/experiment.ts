import type { Figure } from "../report/index.ts";
import type { Table } from "../table.ts";
import type { Json } from "../task.ts";
import type { Bench } from "./bench.ts";

/** What a paper or the lecture says, in own words. */
export type Claim = {
  readonly text: string;
  readonly source: string;
};

/** One thing that the claim implies, held against the numbers. */
export type Check = {
  /** What should be seen. */
  readonly expected: string;
  /** What was seen, with its numbers. */
  readonly seen: string;
  readonly holds: boolean;
};

export type Verdict = {
  readonly outcome: "reproduced" | "partly reproduced" | "not reproduced";
  readonly checks: readonly Check[];
};

/** Results for readers. */
export interface Shown {
  readonly tables: readonly Table[];
  readonly plots: readonly { readonly figure: Figure; readonly caption: string }[];
}

/** Sizes and lengths of an experiment; written into its results as they are. */
export type Plan = { readonly [key: string]: Json | undefined };

/** Numbers that an experiment measured, for JSON. */
export type Result = { readonly [key: string]: Json | undefined };

/**
 * One experiment of the lecture. Measuring, judging and showing are apart: a verdict and its table follow
 * from the numbers alone, so that committed numbers can be judged again.
 */
export interface Experiment<P extends Plan = Plan, R extends Result = Result> {
  readonly id: string;
  readonly title: string;
  readonly claim: Claim;
  /** How it differs from the paper: data, sizes, schedule. */
  readonly setting: string;
  readonly plans: { readonly full: P; readonly quick: P };
  measure(bench: Bench, plan: P): Promise<R>;
  judge(result: R): readonly Check[];
  show(result: R): Shown;
}

/** All checks, some or none. */
export function verdictOf(checks: readonly Check[]): Verdict {
  const held = checks.filter(({ holds }) => holds).length;
  const outcome =
    held === 0 ? "not reproduced" : held === checks.length ? "reproduced" : "partly reproduced";
  return { outcome, checks };
}
