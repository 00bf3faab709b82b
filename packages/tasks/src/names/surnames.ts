import { data } from "tensorlane";
import { dataEntry, obtainFile } from "tensorlane/node";
import { textOf } from "../forecast/data/table.ts";

/** A name and the number of its language. */
export interface Surname {
  readonly name: string;
  readonly label: number;
}

/** Names of several languages in three parts, of which no two share a name. */
export interface SurnameSet {
  readonly id: string;
  readonly title: string;
  readonly languages: readonly string[];
  readonly notes: readonly string[];
  readonly train: readonly Surname[];
  readonly validation: readonly Surname[];
  readonly test: readonly Surname[];
}

/** Cuts the names into parts; not the training's seed, so that all are scored on one test part. */
const SPLIT_SEED = 1;

/** The surnames of 18 languages. */
export async function loadSurnames(): Promise<SurnameSet> {
  const entry = dataEntry("surnames");
  const lists = new Map<string, readonly string[]>();
  for (const { role } of entry.files) {
    const { bytes } = await obtainFile(entry, role);
    lists.set(role, textOf(bytes).split(/\r?\n/));
  }
  return splitNames("surnames", entry.title, lists);
}

/**
 * Eight tenths of the names to learn from, a tenth to choose the epoch by, a tenth to be scored on, of each language
 * alike. Names that several languages have stand in all of them, always in the same part.
 */
export function splitNames(
  id: string,
  title: string,
  lists: ReadonlyMap<string, readonly string[]>,
): SurnameSet {
  const languages = [...lists.keys()].sort();
  const owners = new Map<string, number[]>();
  let lines = 0;
  for (const [label, language] of languages.entries()) {
    for (const line of lists.get(language)!) {
      const name = line.trim().normalize("NFC");
      if (name === "") continue;
      lines++;
      const labels = owners.get(name) ?? [];
      if (!labels.includes(label)) owners.set(name, [...labels, label]);
    }
  }
  const parts: Record<"train" | "validation" | "test", Surname[]> = {
    ...{ train: [], validation: [], test: [] },
  };
  const order = shuffled([...owners]);
  const placed = languages.map(() => 0);
  for (const [name, labels] of order) {
    // Each language's names take turns by its own count: eight, one, one.
    const turn = placed[labels[0]]++ % 10;
    const part = turn === 4 ? "validation" : turn === 9 ? "test" : "train";
    for (const label of labels) parts[part].push({ name, label });
  }
  const shared = [...owners.values()].filter((labels) => labels.length > 1).length;
  return {
    ...{ id, title, languages, ...parts },
    notes: [
      `${lines} lines hold ${owners.size} different names: names that a language repeats count once, so that none is ` +
        "both learnt and tested.",
      `${shared} names belong to several languages; they stand in one part, once for each language, so that not all can ` +
        "be told rightly.",
      "The languages are of very different size: the accuracy is mostly that of the largest, the balanced accuracy (the " +
        "mean of all languages' own) counts each alike.",
    ],
  };
}

function shuffled<T>(values: T[]): T[] {
  const random = data.randomStream(SPLIT_SEED);
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}
