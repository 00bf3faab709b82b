import { UserError } from "@tensorlane/tasks";

/** What the command needs from the core beyond data, kept narrow: the one place to wire new parts of it. */
export interface EngineReport {
  readonly name: string;
  readonly version: string;
  readonly threads: number;
  readonly providers: readonly string[];
  readonly zeroCopy: boolean;
  readonly reason: string;
}

export interface LayerReport {
  readonly name: string;
  readonly type: string;
  readonly outputShape: readonly (number | string)[];
  readonly parameters: number;
  readonly macs: number;
  readonly memory: number;
}

export interface SummaryReport {
  readonly parameters: number;
  readonly macs: number;
  readonly activationBytes: number;
  readonly layers: readonly LayerReport[];
}

interface CoreFace {
  readonly defaultEngine?: () => Promise<{ readonly info: EngineReport }>;
  readonly summarizeModel?: (
    model: string,
    options: { input?: readonly number[]; variant?: string },
  ) => Promise<SummaryReport>;
  readonly modelIds?: () => readonly string[];
}

const core = async (): Promise<CoreFace> => (await import("tensorlane")) as CoreFace;

/** The engine that this process would compute with, and why. */
export async function engineReport(): Promise<EngineReport> {
  const { defaultEngine } = await core();
  if (defaultEngine === undefined) throw new UserError("this build has no engine to ask.");
  return (await defaultEngine()).info;
}

export async function modelIds(): Promise<readonly string[]> {
  return (await core()).modelIds?.() ?? [];
}

export async function summarize(
  model: string,
  options: { input?: readonly number[]; variant?: string },
): Promise<SummaryReport> {
  const { summarizeModel } = await core();
  if (summarizeModel === undefined) throw new UserError("this build cannot summarise models yet.");
  return summarizeModel(model, options);
}
