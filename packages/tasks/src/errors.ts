import { closest, distance } from "fastest-levenshtein";

/** A mistake in what the user asked for or handed in: shown without a stack trace, exit code 2. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Says that `given` is no known `kind`, lists the known ones and names the nearest. */
export function unknownName(kind: string, given: string, known: readonly string[]): UserError {
  const nearest = nearestName(given, known);
  const suggestion = nearest === undefined ? "" : ` Did you mean "${nearest}"?`;
  const list = known.length === 0 ? "none is available" : known.join(", ");
  return new UserError(`unknown ${kind} "${given}".${suggestion}\nKnown: ${list}`);
}

/** The known name that `given` is most likely a slip of, if any is near enough to be worth saying. */
export function nearestName(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const lower = given.toLowerCase();
  const prefixed = known.filter((name) => name.toLowerCase().startsWith(lower));
  if (lower !== "" && prefixed.length === 1) return prefixed[0];
  const nearest = closest(lower, known as string[]);
  const limit = Math.max(2, Math.ceil(nearest.length * 0.4));
  return distance(lower, nearest.toLowerCase()) <= limit ? nearest : undefined;
}
