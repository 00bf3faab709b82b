import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import { UserError } from "../../errors.ts";

/** The bytes, unpacked where they are gzip. */
export function unpack(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    const { message } = error as Error;
    throw new UserError(`the gzip data are damaged (${message}); obtain the file again`);
  }
}

/** The text of a file, unpacked, without a byte order mark. */
export function textOf(bytes: Uint8Array): string {
  const plain = unpack(bytes);
  // What spreadsheets call "Unicode text".
  const wide = new Map([
    ["255,254", "utf-16le"],
    ["254,255", "utf-16be"],
  ]).get(plain.subarray(0, 2).join());
  return new TextDecoder(wide ?? "utf-8").decode(plain);
}

/** The cells of a CSV text, quotes and line ends taken care of. */
export function cellsOf(text: string, delimiter = ","): string[][] {
  return parse(text, {
    bom: true,
    delimiter,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
}

/**
 * A matrix of numbers from CSV; any cell that is no number is an error naming its place.
 *
 * @example numbersOf("a,b\n1,2\n", "speeds.csv", true) // { names: ["a", "b"], rows: 1, columns: 2, values }
 */
export function numbersOf(text: string, file: string, header: boolean) {
  const cells = cellsOf(text);
  const names = header ? (cells.shift() ?? []) : (cells[0] ?? []).map((_, i) => String(i));
  const columns = names.length;
  if (cells.length === 0 || columns === 0) throw new UserError(`${file} holds no rows of numbers`);
  const values = new Float32Array(cells.length * columns);
  for (const [row, line] of cells.entries()) {
    if (line.length !== columns)
      throw new UserError(`${file}, data row ${row}: ${line.length} cells, expected ${columns}`);
    for (const [column, cell] of line.entries()) {
      const value = cell === "" ? Number.NaN : Number(cell);
      if (Number.isNaN(value))
        throw new UserError(
          `${file}, data row ${row}, column ${names[column]}: "${cell}" is no number`,
        );
      values[row * columns + column] = value;
    }
  }
  return { names, rows: cells.length, columns, values };
}

/** Columns of a table by their names; says which are missing. */
export function columnIndex(header: readonly string[], names: readonly string[], file: string) {
  return names.map((name) => {
    const at = header.indexOf(name);
    if (at === -1)
      throw new UserError(`${file} has no column "${name}"; it has: ${header.join(", ")}`);
    return at;
  });
}
