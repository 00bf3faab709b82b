/** A fall of the ratio that is never blamed on anybody: versions of the system, the hour, the neighbours. */
const ALWAYS_ALLOWED = 0.1;

/** Noise that would explain more than this says nothing: measure again, longer or on a quieter machine. */
const MOST_EXPLAINED = 0.5;

const percent = (part) => `${(100 * part).toFixed(0)} %`;

/**
 * The rule: a row has regressed where its ratio is below the committed one by more than 10 % plus twice the
 * noise of both measurements (half the interquartile range of the ratio over turns), but never by half. A row that computed
 * other numbers than PyTorch fails at once, and so does one that has nothing to show where the committed one has a
 * ratio: a guard without PyTorch guards nothing. Ratios, not times: both sides ran on the same machine in the same
 * minute.
 *
 * @param {readonly any[]} committed @param {readonly any[]} measured @returns {string[]} what regressed
 */
export function regressions(committed, measured) {
  return measured.flatMap((row) => {
    const label = `${row.name}, ${row.kind}`;
    if (row.check && !row.check.ok) return [`${label}: other numbers than PyTorch's`];
    const before = committed.find(({ name, kind }) => name === row.name && kind === row.kind);
    if (before?.ratio == null) return [];
    if (row.ratio == null) return [`${label}: no ratio, it was ${before.ratio.toFixed(2)}`];
    const noise = ALWAYS_ALLOWED + 2 * ((before.noise ?? 0) + (row.noise ?? 0));
    const allowed = Math.min(noise, MOST_EXPLAINED);
    if (row.ratio >= before.ratio * (1 - allowed)) return [];
    const fell = `${before.ratio.toFixed(2)} -> ${row.ratio.toFixed(2)}`;
    return [`${label}: ratio ${fell}, more than the ${percent(allowed)} that noise explains`];
  });
}
