import { extname } from "node:path";
import { UserError } from "./errors.ts";
import type { TaskUi } from "./task.ts";
import { counted } from "./wording.ts";

/** An input of `predict` that gave no result, and why. */
export interface Failed {
  readonly input: string;
  readonly reason: string;
}

/** What was made of those inputs that could be read, in their order. */
export interface Read<T> {
  readonly given: readonly string[];
  readonly values: readonly T[];
  /** For the command's result: nothing where all could be read, otherwise `failed`, which makes the exit code 2. */
  readonly left: { readonly failed?: readonly (Failed & Record<string, string>)[] };
}

/**
 * Reads each input of `predict`. One that is no use does not take the others' results away: it is told, and left out.
 * Throws where none can be read.
 *
 * @example const { given, values, left } = await readInputs(inputs, (text, i) => treeOf(text, i), ui);
 */
export async function readInputs<T>(
  inputs: readonly string[],
  read: (input: string, index: number) => T | Promise<T>,
  ui: TaskUi,
): Promise<Read<T>> {
  const [given, values]: [string[], T[]] = [[], []];
  const failed: { input: string; reason: string }[] = [];
  let first: UserError | undefined;
  for (const [i, input] of inputs.entries()) {
    try {
      values.push(await read(input, i));
      given.push(input);
    } catch (error) {
      // Only what the user can mend: our own mistakes are told as such.
      if (!(error instanceof UserError)) throw error;
      first ??= error;
      failed.push({ input, reason: error.message });
    }
  }
  if (first && inputs.length === 1) throw first;
  if (first && given.length === 0) {
    const list = failed.map(({ reason }) => `  ${reason}`).join("\n");
    throw new UserError(`none of ${counted(inputs.length, "input")} can be read:\n${list}`);
  }
  for (const { reason } of failed) ui.warn(`left out: ${reason}`);
  return { given, values, left: failed.length > 0 ? { failed } : {} };
}

/** Refuses a file whose ending promises another form than the one written; a name without an ending promises none. */
export function checkEnding(
  out: string | undefined,
  what: string,
  endings: readonly string[],
): void {
  const ending = out === undefined ? "" : extname(out).toLowerCase();
  if (ending === "" || endings.includes(ending)) return;
  throw new UserError(`--out ${out}: ${what}, so the file must end in ${endings.join(" or ")}.`);
}
