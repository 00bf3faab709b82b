import type { Blocks, Images } from "./layout.ts";

/** Images of which phases[r][s] holds rows r, r + h, … and columns s, s + w, …; one alone holds whole rows. */
export function interleaved(
  blocks: Blocks,
  phases: readonly (readonly string[])[],
  [n, c, height, width]: Images,
): string {
  if (phases.length === 1 && phases[0].length === 1) return phases[0][0];
  const rows = phases.map((row) => {
    if (row.length === 1) return row[0];
    const cells = (n * c * height * width) / (phases.length * row.length * blocks.size);
    const parts = row.map((name) => blocks.reshape(name, [cells, 1, blocks.size]));
    return blocks.concat(parts, 1);
  });
  return interleavedRows(blocks, rows, [n, c, height, width]);
}

/** Images of which rows[r] holds rows r, r + h, …. */
export function interleavedRows(
  blocks: Blocks,
  rows: readonly string[],
  [n, c, height, width]: Images,
): string {
  const line = width * blocks.size;
  const lines = (n * c * height * width) / (line * rows.length);
  const parts = rows.map((name) => blocks.reshape(name, [lines, 1, line]));
  return blocks.reshape(blocks.concat(parts, 1), [n, c, height, width]);
}
