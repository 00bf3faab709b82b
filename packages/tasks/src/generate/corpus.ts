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
import { counted } from "../wording.ts";

/** Fewer tokens make no training, validation and test part. */
const LEAST = 100;

export const DEFAULT_VOCABULARY = 10_000;

/** Tokens [start, end). */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/** A text with its parts, in this order. */
export interface Text extends Corpus {
  readonly split: { readonly validation: Part; readonly train: Part; readonly test: Part };
}

/** Tokens of the test and of the validation part at most: more would make no figure surer. */
const [MOST_TEST, MOST_VALIDATION] = [500_000, 100_000];

/**
 * The last 10 % of a text is the test; the first 5 % of the rest chooses the epoch (of a very long text less). A text wanders from one
 * subject to the next, so what lies just before the test says most about it and is kept for training
 * (without the 5 % before the test of Tiny Shakespeare, counting 6-grams gives 1.99 nats instead of 1.70).
 */
export function splitOf(length: number): Text["split"] {
  const test = Math.max(Math.floor(0.9 * length), length - MOST_TEST);
  const train = Math.min(Math.floor(0.05 * test), MOST_VALIDATION);
  return {
    validation: { start: 0, end: train },
    train: { start: train, end: test },
    test: { start: test, end: length },
  };
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
      `${source.id} has ${counted(ids.length, vocabulary.unit)}; at least ${LEAST} are needed.`,
    );
  }
  for (const note of source.notes) ui.notice(note);
  const unknown = shareOfUnknown(corpus);
  ui.notice(
    `${source.title}: ${counted(ids.length, vocabulary.unit)}, ${vocabulary.size} different` +
      (unknown > 0 ? `; ${(100 * unknown).toFixed(2)} % are unknown words` : ""),
  );
  return { ...corpus, split: splitOf(ids.length) };
}

/** Share of words that are not in the vocabulary. */
export function shareOfUnknown({ vocabulary: { unknown }, ids }: Corpus): number {
  if (unknown === undefined) return 0;
  let count = 0;
  for (const id of ids) count += Number(id === unknown);
  return count / ids.length;
}
