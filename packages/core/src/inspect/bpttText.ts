import type { Bptt, BpttLoop } from "./bptt.ts";

/** Steps shown of a long loop: evenly spaced, the first and the last among them. */
const ROWS = 16;

/**
 * A report of back-propagation through time as plain text: a table for each loop.
 *
 * @example
 * process.stdout.write(inspect.bpttText(await inspect.bptt(model, loss)));
 */
export function bpttText({ loss, loops, outside }: Bptt): string {
  const others = Object.entries(outside).map(([name, norm]) => `  ${name} ${short(norm)}`);
  return `${[
    `loss ${short(loss)}`,
    ...(others.length > 0 ? ["", "gradient outside of loops", ...others] : []),
    ...loops.flatMap((loop) => ["", ...tableOf(loop)]),
  ].join("\n")}\n`;
}

function tableOf(loop: BpttLoop): string[] {
  const radii = Object.entries(loop.spectralRadius).map(([name, r]) => `${name} ${r.toFixed(4)}`);
  const columns: [string, ArrayLike<number>][] = [
    ["dE/dS_k", loop.state],
    ...(loop.jacobian ? [[`dS_${loop.step}/dS_k`, loop.jacobian] as [string, Float32Array]] : []),
    ...Object.entries(loop.gradients),
  ];
  const widths = columns.map(([title]) => Math.max(title.length, 9));
  const line = (step: string, cells: readonly string[]) =>
    [step.padStart(5), ...cells.map((cell, i) => cell.padStart(widths[i]))].join("  ");
  const count = Math.min(ROWS, loop.steps);
  const steps = Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * (loop.steps - 1)) / (count - 1)),
  );
  return [
    `${loop.name}: ${loop.steps} steps${loop.reverse ? ", from the last to the first" : ""}`,
    ...(radii.length > 0 ? [`spectral radius: ${radii.join(", ")}`] : []),
    line(
      "k",
      columns.map(([title]) => title),
    ),
    ...steps.map((k) =>
      line(
        String(k),
        columns.map(([, values]) => short(values[k])),
      ),
    ),
  ];
}

const short = (value: number): string => (value === 0 ? "0" : value.toExponential(2));
