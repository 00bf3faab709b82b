/** A fall of the ratio that is never blamed on anybody: versions of the system, the hour, the neighbours. */
const ALWAYS_ALLOWED = 0.1;

/**
 * The rule: a row has regressed where its ratio is below the committed one by more than 10 % plus twice the
 * noise of both measurements (half the interquartile range of the ratio over turns). A row that computed other numbers than
 * PyTorch fails at once. Ratios, not times: both sides ran on the same machine in the same minute.
 *
 * @param {readonly any[]} committed @param {readonly any[]} measured @returns {string[]} what regressed
 */
export function regressions(committed, measured) {
  return measured.flatMap((row) => {
    const label = `${row.name}, ${row.kind}`;
    if (row.check && !row.check.ok) return [`${label}: other numbers than PyTorch's`];
    const before = committed.find(({ name, kind }) => name === row.name && kind === row.kind);
    if (before?.ratio == null || row.ratio === null) return [];
    const allowed = ALWAYS_ALLOWED + 2 * ((before.noise ?? 0) + (row.noise ?? 0));
    if (row.ratio >= before.ratio * (1 - allowed)) return [];
    const fell = `${before.ratio.toFixed(2)} -> ${row.ratio.toFixed(2)}`;
    return [
      `${label}: ratio ${fell}, more than the ${(100 * allowed).toFixed(0)} % that noise explains`,
    ];
  });
}
