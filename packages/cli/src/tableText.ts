import { styleText } from "node:util";
import {
  bestRows,
  type Column,
  columnLabel,
  formatCell,
  isNumeric,
  type Table,
} from "@tensorlane/tasks";
import Table3 from "cli-table3";

type Style = Parameters<typeof styleText>[0];

export const styled = (style: Style, text: string, color: boolean): string =>
  color ? styleText(style, text, { validateStream: false }) : text;

/**
 * A table without vertical lines: numbers to the right, the best in bold (or starred without colour).
 * Where it is wider than `room` columns, a table of numbers goes on below, and of any other the widest
 * text column is cut.
 */
export function tableText(
  table: Table,
  color: boolean,
  room: number = Number.POSITIVE_INFINITY,
): string {
  const parts = partsThatFit(table, room);
  return parts
    .map((columns, i) => {
      const { caption, notes, ...rest } = table;
      const first = i === 0 && caption !== undefined ? { caption } : {};
      const last = i === parts.length - 1 && notes !== undefined ? { notes } : {};
      return partText({ ...rest, columns, ...first, ...last }, color, room);
    })
    .join("\n\n");
}

/** The columns, with the first repeated in every part, where all others are numbers that do not fit. */
function partsThatFit(table: Table, room: number): (readonly Column[])[] {
  const [head, ...others] = table.columns;
  if (head === undefined || !others.every((column) => isNumeric(table, column))) {
    return [table.columns];
  }
  // One more for a star.
  const [name = 0, ...widths] = naturalWidths(table).map((one) => one + 1);
  const parts: Column[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const [i, column] of others.entries()) {
    used += widths[i]!;
    if (used > room || parts.length === 0) {
      parts.push([head]);
      used = name + widths[i]!;
    }
    parts.at(-1)!.push(column);
  }
  return parts.length === 0 ? [table.columns] : parts;
}

function partText(table: Table, color: boolean, room: number): string {
  const numeric = table.columns.map((column) => isNumeric(table, column));
  const best = table.columns.map((column) => bestRows(table, column));
  const starred = !color && best.some((rows) => rows.size > 0);
  const none = "";
  const drawing = new Table3({
    head: table.columns.map((column) => styled("bold", columnLabel(column), color)),
    colAligns: numeric.map((right) => (right ? "right" : "left")),
    colWidths: columnWidths(table, numeric, room),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: {
      ...{ top: none, "top-mid": none, "top-left": none, "top-right": none },
      ...{ bottom: none, "bottom-mid": none, "bottom-left": none, "bottom-right": none },
      ...{ left: none, "left-mid": none, mid: none, "mid-mid": none, right: none },
      ...{ "right-mid": none, middle: none },
    },
  });
  for (const [index, row] of table.rows.entries()) {
    drawing.push(
      table.columns.map((column, place) => {
        const text = formatCell(column, row.cells[column.key]);
        const named = place === 0 && row.kind !== undefined && row.kind !== "model";
        if (named) return `${text} ${styled("dim", `(${row.kind})`, color)}`;
        const wins = best[place]!.has(index);
        if (wins && color) return styled("bold", text, true);
        // Columns keep their alignment whether or not a value carries a star.
        if (starred && table.columns[place]!.best !== undefined) return text + (wins ? "*" : " ");
        return text;
      }),
    );
  }
  const lines = drawing
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
  const ruled = [lines[0]!, styled("dim", "-".repeat(width(lines)), color), ...lines.slice(1)];
  return [
    ...(table.caption === undefined ? [] : [styled("bold", table.caption, color)]),
    ...ruled,
    ...(starred ? ["* best of the column"] : []),
    ...(table.notes ?? []).map((note) => styled("dim", note, color)),
  ].join("\n");
}

const gap = 2;

/** What each column takes uncut, the gap after it included. */
function naturalWidths(table: Table): number[] {
  return table.columns.map((column, place) => {
    const cells = table.rows.map(({ kind, cells }) => {
      const named = place === 0 && kind !== undefined && kind !== "model";
      return formatCell(column, cells[column.key]).length + (named ? kind.length + 3 : 0);
    });
    return Math.max(columnLabel(column).length, ...cells) + gap;
  });
}

/** Widths only where a column must be cut: the others take what they need. */
function columnWidths(table: Table, numeric: readonly boolean[], room: number): (number | null)[] {
  const widths = naturalWidths(table);
  const excess = widths.reduce((sum, one) => sum + one, 0) - gap - room;
  const widest = widths.reduce(
    (best, one, i) => (!numeric[i] && one > widths[best]! ? i : best),
    0,
  );
  const least = 12;
  return widths.map((one, i) =>
    excess > 0 && i === widest ? Math.max(least, one - excess) : null,
  );
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the colour codes themselves
const colors = /\u001b\[[\d;]*m/g;
const width = (lines: readonly string[]): number =>
  Math.max(...lines.map((line) => line.replaceAll(colors, "").length));
