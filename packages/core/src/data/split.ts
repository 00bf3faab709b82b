/** Rows [start, end). */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

export interface ChronologicalSplit {
  readonly train: RowRange;
  readonly validation: RowRange;
  readonly test: RowRange;
}

export interface SplitOptions {
  /** Share of rows before the test part (rounded down), or a count of rows above 1; default 0.8. */
  readonly train?: number | undefined;
  /** Share of the training part, or a count of rows above 1, cut from its end for validation; default 0. */
  readonly validation?: number | undefined;
}

/**
 * Splits rows in time order: the past trains, the rows just before the test part choose the epoch.
 *
 * @example chronologicalSplit(2016, { train: 0.8, validation: 0.125 }) // 1411 + 201 + 404 rows
 */
export function chronologicalSplit(rows: number, options: SplitOptions = {}): ChronologicalSplit {
  const { train = 0.8, validation = 0 } = options;
  const before = count("train", train, rows);
  const held = count("validation", validation, before);
  if (before < 1 || before > rows || held < 0 || held >= before)
    throw new RangeError(
      `split of ${rows} rows: train ${train} (${before} rows), validation ${validation} (${held} rows) leaves nothing to train on`,
    );
  return {
    train: { start: 0, end: before - held },
    validation: { start: before - held, end: before },
    test: { start: before, end: rows },
  };
}

function count(name: string, part: number, of: number): number {
  if (!(part >= 0 && Number.isFinite(part)))
    throw new RangeError(`split: ${name} = ${part}; give a share below 1 or a count of rows`);
  return part > 1 ? Math.floor(part) : Math.floor(part * of);
}

/**
 * First rows of all windows of `span` rows that lie wholly in `range`, every `stride` rows.
 *
 * @example windowStarts({ start: 1612, end: 2016 }, 15) // Int32Array [1612 .. 2001]
 */
export function windowStarts(range: RowRange, span: number, stride = 1): Int32Array {
  const length = Math.max(0, Math.floor((range.end - range.start - span) / stride) + 1);
  return Int32Array.from({ length }, (_, i) => range.start + i * stride);
}
