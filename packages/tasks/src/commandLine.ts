import { optionName } from "./plan.ts";
import type { Task, TaskOption, TrainOptions } from "./task.ts";

/**
 * The command line that trains the same again: what was asked for, without what is standard anyway.
 *
 * @example commandLine(names, options) // "tensorlane train names --data surnames --model bilstm --epochs 3 --seed 1"
 */
export function commandLine(task: Task, options: TrainOptions): string {
  const { data, models, epochs, batch, lr, seed, quick, extra } = options;
  const common = { data, model: models.join(","), epochs, batch, lr };
  const own = (task.options?.train ?? []).flatMap((option) =>
    flagOf(option, extra[optionName(option.flags)]),
  );
  return [
    `tensorlane train ${task.name}`,
    ...Object.entries(common).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name} ${quoted(String(value))}`],
    ),
    ...own,
    `--seed ${seed}`,
    ...(quick ? ["--quick"] : []),
  ].join(" ");
}

function flagOf({ flags, default: standard }: TaskOption, value: unknown): string[] {
  if (value === undefined || value === standard) return [];
  const flag = /--[\w-]+/.exec(flags)![0];
  // "--no-phrases" is given where `phrases` is false.
  if (flag.startsWith("--no-")) return value === false ? [flag] : [];
  if (typeof value === "boolean") return value ? [flag] : [];
  const text = Array.isArray(value) ? value.join(",") : String(value);
  return [`${flag} ${quoted(text)}`];
}

/** An argument as a shell reads it. */
const quoted = (text: string): string =>
  /^[\w./:,+=@%-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
