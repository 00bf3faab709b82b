import type { Progress, ProgressValues } from "@tensorlane/tasks";
import { SingleBar } from "cli-progress";

/** "4.92", "0.00031", "12,345": enough digits to see training move, no more. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value)) return String(value);
  if (size >= 1000) return value.toFixed(0);
  if (size >= 0.001) return value.toPrecision(4);
  return value.toExponential(2);
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const valueTexts = (values: ProgressValues): string[] =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === "number" ? shortNumber(value) : value}`);

/** The remaining time at the mean pace so far; unknown before anything is done. */
export function remaining(startMs: number, nowMs: number, done: number, total: number): number {
  return done <= 0 ? Number.NaN : (((nowMs - startMs) / done) * (total - done)) / 1000;
}

/** A progress display that somebody prints beside. */
export interface LiveProgress extends Progress {
  /** Prints a line above the bar. */
  interject(line: string): void;
}

/** A bar that redraws itself on a terminal. */
export function liveBar(
  stream: NodeJS.WriteStream,
  label: string,
  total: number,
  onStop: () => void,
): LiveProgress {
  let values: ProgressValues = {};
  const start = Date.now();
  const bar = new SingleBar({
    stream,
    // Signals are the command's own business.
    gracefulExit: false,
    hideCursor: true,
    // A line printed above leaves the bar's own line empty until it is drawn again.
    forceRedraw: true,
    fps: 8,
    linewrap: false,
    format: (_options, { progress, value }) => {
      const left = remaining(start, Date.now(), value, total);
      const texts = [
        `${Math.floor(100 * progress)} %`,
        `${shortNumber(value)}/${shortNumber(total)}`,
        ...valueTexts(values),
        value >= total ? duration((Date.now() - start) / 1000) : `ETA ${duration(left)}`,
      ].join("  ");
      const room = (stream.columns || 80) - label.length - texts.length - 4;
      if (room < 8) return `${label} ${texts}`;
      const size = Math.min(30, room);
      const filled = Math.round(size * Math.min(1, progress));
      return `${label} ${"█".repeat(filled)}${"░".repeat(size - filled)}  ${texts}`;
    },
  });
  bar.start(total, 0);
  let stopped = false;
  return {
    update(done, next = {}) {
      values = { ...values, ...next };
      bar.update(done);
    },
    interject(line) {
      // The bar returns to the saved place when it stops: save the new one (ESC 7), a line further down.
      stream.write(`\r\u001b[2K${line}\n\u001b7`);
    },
    stop(summary) {
      if (stopped) return;
      stopped = true;
      bar.stop();
      if (summary !== undefined) stream.write(`${label}: ${summary}\n`);
      onStop();
    },
  };
}

/** Lines for files and pipes: at most about twenty, however many updates come. */
export function plainLines(
  stream: NodeJS.WritableStream,
  label: string,
  total: number,
  onStop: () => void,
): LiveProgress {
  const start = Date.now();
  let values: ProgressValues = {};
  let shown = -1;
  let stopped = false;
  return {
    update(done, next = {}) {
      values = { ...values, ...next };
      const part = Math.floor((20 * done) / total);
      if (part <= shown || done <= 0) return;
      shown = part;
      const left = remaining(start, Date.now(), done, total);
      const end = done >= total ? [] : [`ETA ${duration(left)}`];
      const parts = [`${shortNumber(done)}/${shortNumber(total)}`, ...valueTexts(values), ...end];
      stream.write(`${label}: ${parts.join(", ")}\n`);
    },
    interject(line) {
      stream.write(`${line}\n`);
    },
    stop(summary) {
      if (stopped) return;
      stopped = true;
      if (summary !== undefined) stream.write(`${label}: ${summary}\n`);
      onStop();
    },
  };
}
