import { type Extra, optionName, type TaskOption, UserError } from "@tensorlane/tasks";
import { type Command, InvalidArgumentError } from "commander";

/** Parsers for Commander: a bad value is a usage error that names the option. */
export const positiveInteger = (text: string): number => {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("It must be a whole number, 1 or more.");
};

export const seedNumber = (text: string): number => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 0xffff_ffff) return value;
  throw new InvalidArgumentError("It must be a whole number from 0 to 4294967295.");
};

export const positiveNumber = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("It must be a number greater than 0, such as 0.001 or 1e-3.");
};

export const nameList = (text: string): string[] => {
  const names = text.split(",").map((name) => name.trim());
  if (names.every((name) => name !== "")) return names;
  throw new InvalidArgumentError("It must be one name, or several with commas between them.");
};

/** The values of a task's own options that were given on the command line. */
export function givenExtra(command: Command, options: readonly TaskOption[] = []): Extra {
  const extra: Record<string, unknown> = {};
  for (const option of options) {
    const name = optionName(option.flags);
    if (command.getOptionValueSource(name) !== "cli") continue;
    const value: unknown = command.getOptionValue(name);
    try {
      extra[name] =
        typeof value === "string" && option.parse !== undefined ? option.parse(value) : value;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(`option '${option.flags}' received "${String(value)}": ${reason}`);
    }
  }
  return extra;
}

export const examples = (lines: readonly string[]): string =>
  lines.length === 0 ? "" : `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
