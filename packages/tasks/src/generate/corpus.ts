import { data } from "tensorlane";
import { UserError } from "../errors.ts";
import {
  type Corpus,
  openText,
  readCorpus,
  readWith,
  type Unit,
  type Vocabulary,
} from "../language/index.ts";
import type { TaskUi } from "../task.ts";

/** Fewer tokens make no training, validation and test part. */
const LEAST = 100;

export const DEFAULT_VOCABULARY = 10_000;

/** A text with its parts: the last 10 % is the test, the end of what is before it chooses the epoch. */
export interface Text extends Corpus {
  readonly split: data.ChronologicalSplit;
}

/** Words for tokens: "characters", "words". */
export const plural = (unit: Unit): string => `${unit}s`;

/** Reads a text to train on, and says all that must be known about it. */
export async function loadText(
  source: string,
  unit: Unit,
  limit: number,
  ui: TaskUi,
): Promise<Text> {
  return announced(await readCorpus(await openText(source), unit, limit), ui);
}

/** Reads a text with the vocabulary of a model. */
export async function loadWith(vocabulary: Vocabulary, source: string, ui: TaskUi): Promise<Text> {
  return announced(await readWith(vocabulary, await openText(source)), ui);
}

function announced(corpus: Corpus, ui: TaskUi): Text {
  const { source, vocabulary, ids } = corpus;
  if (ids.length < LEAST) {
    throw new UserError(
      `${source.id} has ${ids.length} ${plural(vocabulary.unit)}; at least ${LEAST} are needed.`,
    );
  }
  for (const note of source.notes) ui.notice(note);
  const unknown = shareOfUnknown(corpus);
  ui.notice(
    `${source.title}: ${ids.length} ${plural(vocabulary.unit)}, ${vocabulary.size} different` +
      (unknown > 0 ? `; ${(100 * unknown).toFixed(2)} % are unknown words` : ""),
  );
  return {
    ...corpus,
    split: data.chronologicalSplit(ids.length, { train: 0.9, validation: 0.05 }),
  };
}

/** Share of words that are not in the vocabulary. */
export function shareOfUnknown({ vocabulary: { unknown }, ids }: Corpus): number {
  if (unknown === undefined) return 0;
  let count = 0;
  for (const id of ids) count += Number(id === unknown);
  return count / ids.length;
}
