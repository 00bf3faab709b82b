import type { Summary } from "./summary.ts";

/**
 * A summary as a table of plain text.
 *
 * @example
 * process.stdout.write(inspect.summaryText(inspect.summary(model, [12, 207])));
 */
export function summaryText(summary: Summary): string {
  const head = ["layer", "type", "output", "parameters", "MACs", "memory"];
  const rows = summary.layers.map((layer) => [
    layer.name || "(itself)",
    layer.type,
    layer.outputShape.length > 0 ? layer.outputShape.join(" x ") : "(not used)",
    grouped(layer.parameters),
    grouped(layer.macs),
    bytes(layer.memory),
  ]);
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i].length)),
  );
  const firstNumber = 3;
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i < firstNumber ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd();
  const title = line(head);
  const inputs = summary.inputShapes.map((shape) => shape.join(" x ")).join(", ");
  const frozen = summary.parameters - summary.trainable;
  return `${[
    `${summary.model}, input ${inputs}`,
    title,
    "-".repeat(widths.reduce((sum, width) => sum + width, 2 * (widths.length - 1))),
    ...rows.map(line),
    "",
    `parameters   ${grouped(summary.parameters)}${frozen > 0 ? `, ${grouped(frozen)} of them frozen` : ""}`,
    `MACs         ${grouped(summary.macs)}`,
    `activations  ${bytes(summary.activationBytes)}`,
  ].join("\n")}\n`;
}

/** 1234567 -> 1,234,567, whatever the language of the machine. */
export const grouped = (value: number): string => String(value).replaceAll(/\B(?=(\d{3})+$)/g, ",");

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

/** 1536 -> 1.5 KiB. */
export function bytes(value: number): string {
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
