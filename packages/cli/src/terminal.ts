import type { Progress, Table, TaskUi } from "@tensorlane/tasks";
import { type LiveProgress, liveBar, plainLines } from "./progress.ts";
import { styled, tableText } from "./tableText.ts";

/** Whether colours and a moving bar make sense on a stream. */
function isLive(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && process.env.TERM !== "dumb";
}

/** Columns of a terminal; a pipe has room for everything. */
const roomOf = (stream: NodeJS.WriteStream): number =>
  (isLive(stream) && stream.columns) || Number.POSITIVE_INFINITY;

const hasColor = (stream: NodeJS.WriteStream): boolean =>
  isLive(stream) && (process.env.NO_COLOR ?? "") === "";

/** How tasks speak in a terminal or a pipe. */
export class Terminal implements TaskUi {
  readonly signal: AbortSignal;
  /** Where the product and tables go, and where remarks and progress go. */
  readonly #out: NodeJS.WriteStream;
  #log: NodeJS.WriteStream;
  #progress: LiveProgress | undefined;

  /** `json`: standard output is kept for one JSON object; everything for people goes to standard error. */
  constructor(signal: AbortSignal, json: boolean) {
    this.signal = signal;
    this.#out = json ? process.stderr : process.stdout;
    this.#log = this.#out;
  }

  /** Standard output is kept for the product (`predict`); remarks and progress go to standard error. */
  keepOutputForProduct(): void {
    this.#log = process.stderr;
  }

  notice(text: string): void {
    this.#line(this.#log, text);
  }

  warn(text: string): void {
    const label = styled(["bold", "yellow"], "warning:", hasColor(process.stderr));
    this.#line(process.stderr, `${label} ${text}`);
  }

  error(text: string): void {
    const label = styled(["bold", "red"], "error:", hasColor(process.stderr));
    this.#line(process.stderr, `${label} ${text}`);
  }

  progress(label: string, total: number): Progress {
    this.#progress?.stop();
    const make = isLive(this.#log) ? liveBar : plainLines;
    const progress: LiveProgress = make(this.#log, label, total, () => {
      if (this.#progress === progress) this.#progress = undefined;
    });
    this.#progress = progress;
    return progress;
  }

  table(table: Table): void {
    this.#line(this.#out, `\n${tableText(table, hasColor(this.#out), roomOf(this.#out))}\n`);
  }

  write(text: string): void {
    this.#out.write(text);
  }

  /** Ends a bar that is still on the screen, and gives the cursor back. */
  close(): void {
    this.#progress?.stop();
  }

  /** A line above the bar, if there is one on the screen. */
  #line(stream: NodeJS.WriteStream, line: string): void {
    if (this.#progress !== undefined && isLive(stream)) this.#progress.interject(line);
    else stream.write(`${line}\n`);
  }
}
