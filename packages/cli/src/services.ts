import { type Network, type Task, UserError, unknownName } from "@tensorlane/tasks";
import type { EngineInfo, inspect } from "tensorlane";

/** The engine that this process would compute with, and why. */
export async function engineReport(): Promise<EngineInfo> {
  const { defaultEngine } = await import("tensorlane");
  return (await defaultEngine()).info;
}

/** A network and where it comes from: the task that trains it, or `models`, the library's own. */
export interface Found {
  readonly task: string;
  readonly network: Network;
}

/** The library's architectures for images: `--input` is channels x height x width. */
async function classics(): Promise<readonly Network[]> {
  const { models } = await import("tensorlane");
  return models.architectures.map(({ build, ...record }) => ({
    ...record,
    build: (input, variant) => {
      if (input.length !== 3) {
        throw new UserError(
          `${record.id} reads images of channels x height x width, such as ${record.input.join("x")}; ` +
            `received ${input.join("x")}.`,
        );
      }
      const model = build({ inChannels: input[0]!, ...(variant !== undefined && { variant }) });
      return { model, inputs: [input] };
    },
  }));
}

/**
 * A network by its id, or by `task/id` where several tasks have one of that name.
 */
export async function findNetwork(name: string, tasks: ReadonlyMap<string, Task>): Promise<Found> {
  const all: Found[] = [];
  for (const task of tasks.values()) {
    for (const network of (await task.networks?.()) ?? []) all.push({ task: task.name, network });
  }
  // A task that trains an architecture shows it as the task builds it.
  const known = new Set(all.map(({ network }) => network.id));
  for (const network of await classics()) {
    if (!known.has(network.id)) all.push({ task: "models", network });
  }
  const full = ({ task, network }: Found): string => `${task}/${network.id}`;
  const found = all.filter((one) => name === one.network.id || name === full(one));
  if (found.length === 0) {
    throw unknownName("model", name, [...new Set(all.map(({ network }) => network.id))]);
  }
  if (found.length > 1) {
    throw new UserError(
      `several tasks have a model "${name}": name one of ${found.map(full).join(", ")}.`,
    );
  }
  return found[0]!;
}

/** Parameters, multiply-adds and memory of a network, layer by layer. */
export async function summarize(
  { id, input, variants = [], build }: Network,
  options: {
    readonly input?: readonly number[];
    readonly variant?: string;
    readonly batch: number;
  },
): Promise<{ readonly report: inspect.Summary; readonly notices: readonly string[] }> {
  const { variant } = options;
  if (variant !== undefined && !variants.includes(variant)) {
    throw variants.length === 0
      ? new UserError(`${id} has no variants.`)
      : unknownName(`variant of ${id}:`, variant, variants);
  }
  const { inspect } = await import("tensorlane");
  const { model, inputs } = build(options.input ?? input, variant ?? variants[0]);
  const report = inspect.summary(model, inputs, { batch: options.batch });
  return { report, notices: inspect.notices(report) };
}
