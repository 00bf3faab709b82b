import type { CommandResult } from "@tensorlane/tasks";
import { exitCodes, explain, type Failure } from "./failure.ts";
import { onInterrupt } from "./interrupt.ts";
import { buildProgram } from "./program.ts";
import { loadTasks } from "./registry.ts";
import { Terminal } from "./terminal.ts";

/** Runs one command line and gives its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const debug = (process.env.TENSORLANE_DEBUG ?? "") !== "";
  const end = argv.indexOf("--");
  // Known before parsing, since a usage error must be JSON too.
  const json = argv.slice(0, end < 0 ? argv.length : end).includes("--json");
  const interruption = onInterrupt(() => {
    terminal.warn("stopping: the step is finished and saved first (Ctrl-C again ends at once)");
  });
  const terminal = new Terminal(interruption.signal, json);
  leaveQuietly(process.stdout);
  leaveQuietly(process.stderr);
  showWarnings(terminal, debug);
  let result: CommandResult | undefined;
  try {
    const program = buildProgram(await loadTasks(), terminal, (value) => {
      result = value;
    });
    if (argv.length === 0) {
      program.outputHelp();
      return exitCodes.ok;
    }
    await program.parseAsync(argv, { from: "user" });
    terminal.close();
    if (json && result !== undefined) printJson(result);
    const stopped = result?.status === "interrupted";
    if (stopped) return interruption.code() ?? exitCodes.interrupted;
    // Some inputs gave no result: the others' stand, but nobody should take them for all.
    return result?.failed === undefined ? exitCodes.ok : exitCodes.usage;
  } catch (error) {
    terminal.close();
    const failure = explain(error, debug);
    report(failure, terminal, error);
    const code = interruption.signal.aborted ? (interruption.code() ?? failure.code) : failure.code;
    if (json && code !== exitCodes.ok) {
      const message = error instanceof Error ? error.message : String(error);
      printJson({ error: { name: failure.name, message }, exitCode: code });
    }
    return code;
  } finally {
    interruption.release();
  }
}

function report(failure: Failure, terminal: Terminal, error: unknown): void {
  if (failure.message !== undefined) terminal.error(failure.message);
  if (failure.stack !== undefined) process.stderr.write(`${failure.stack}\n`);
  let cause = error instanceof Error ? error.cause : undefined;
  while (failure.stack !== undefined && cause instanceof Error) {
    process.stderr.write(`caused by ${cause.stack}\n`);
    cause = cause.cause;
  }
}

const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

/** A reader that has seen enough (`| head`) is no error. */
function leaveQuietly(stream: NodeJS.WriteStream): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(141);
  });
}

/** Our own process warnings (a slower engine, say) in the command's form; Node's are for developers. */
function showWarnings(terminal: Terminal, debug: boolean): void {
  process.removeAllListeners("warning");
  process.on("warning", (warning) => {
    if (debug) process.stderr.write(`${warning.stack ?? warning.message}\n`);
    else if (warning.name === "Warning") terminal.warn(warning.message);
  });
}
