/**
 * What reference/generate.py emits and this library does not have yet: reported as skipped, by name, and
 * listed at the end of the run. Taking an entry out of a list is all it takes to run its cases.
 */
const later = {
  kinds: [],
  nets: [],
} satisfies Record<string, readonly string[]>;

export type PendingGroup = keyof typeof later;
export const pending: Readonly<Record<PendingGroup, readonly string[]>> = later;

/** Why a case is skipped; undefined where it is not. */
export const whyPending = (group: PendingGroup, name: string): string | undefined =>
  pending[group].includes(name) ? `pending: ${name} comes with convolutional networks` : undefined;
