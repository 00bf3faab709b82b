/** A value in a table; `null` and `undefined` print as a dash (not measured). */
export type Cell = string | number | null | undefined;

export interface Column {
  readonly key: string;
  readonly label: string;
  /** Written after the label, in brackets: "km/h", "s". */
  readonly unit?: string;
  /** Decimals of numbers in this column; without it numbers are printed as they are. */
  readonly digits?: number;
  /** Which value is the best one and is highlighted. */
  readonly best?: "min" | "max";
}

export interface Row {
  readonly cells: Readonly<Record<string, Cell>>;
  /**
   * What the row is. Published rows are quoted, not measured here, and never win the highlight:
   * their protocol may differ in what the paper does not say.
   */
  readonly kind?: "model" | "baseline" | "published";
}

/** One table for both the terminal and the report. */
export interface Table {
  readonly caption?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** Lines under the table: sources, counting rules. */
  readonly notes?: readonly string[];
}

/** The text of one cell. */
export function formatCell(column: Column, cell: Cell): string {
  if (cell === null || cell === undefined) return "-";
  if (typeof cell === "string") return cell;
  if (!Number.isFinite(cell)) return String(cell);
  return column.digits === undefined ? String(cell) : cell.toFixed(column.digits);
}

/** Whether every value present in the column is a number, so that it is aligned to the right. */
export function isNumeric(table: Table, column: Column): boolean {
  const present = table.rows.map((row) => row.cells[column.key]).filter((cell) => cell != null);
  return present.length > 0 && present.every((cell) => typeof cell === "number");
}

/** The label with its unit. */
export function columnLabel(column: Column): string {
  return column.unit === undefined ? column.label : `${column.label} (${column.unit})`;
}

/**
 * Indices of the rows that hold the best value of a column. Values are compared as printed, so that two
 * rows that read the same are highlighted alike; nothing is highlighted where there is nothing to beat.
 */
export function bestRows(table: Table, column: Column): ReadonlySet<number> {
  if (column.best === undefined) return new Set();
  const values = table.rows.map((row) => {
    const cell = row.cells[column.key];
    if (row.kind === "published" || typeof cell !== "number" || !Number.isFinite(cell)) return NaN;
    return Number(formatCell(column, cell));
  });
  const present = values.filter((value) => !Number.isNaN(value));
  if (present.length < 2) return new Set();
  const best = column.best === "min" ? Math.min(...present) : Math.max(...present);
  if (present.every((value) => value === best)) return new Set();
  return new Set(values.flatMap((value, row) => (value === best ? [row] : [])));
}
