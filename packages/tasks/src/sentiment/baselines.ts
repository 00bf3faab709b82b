import type { data } from "tensorlane";
import { CLASSES, rootLabel } from "./treebank.ts";

/** Log-probabilities of the classes, up to a constant. */
export type Judge = (words: readonly string[]) => readonly number[];

/**
 * Multinomial naive Bayes over words, or over words and pairs of neighbours, with add-one smoothing: learnt from
 * whole sentences, without regard to capitals.
 */
export function naiveBayes(trees: readonly data.BinaryTree[], pairs: boolean): Judge {
  const counts = new Map<string, Float64Array>();
  const classes = new Float64Array(CLASSES.length);
  const totals = new Float64Array(CLASSES.length);
  for (const tree of trees) {
    const label = rootLabel(tree);
    classes[label]++;
    for (const feature of featuresOf(tree.words, pairs)) {
      const own = counts.get(feature) ?? new Float64Array(CLASSES.length);
      counts.set(feature, own);
      own[label]++;
      totals[label]++;
    }
  }
  return (words) => {
    const known = featuresOf(words, pairs).flatMap((feature) => counts.get(feature) ?? []);
    return CLASSES.map((_, label) => {
      const prior = Math.log((classes[label] + 1) / (trees.length + CLASSES.length));
      const divisor = totals[label] + counts.size;
      return known.reduce((sum, own) => sum + Math.log((own[label] + 1) / divisor), prior);
    });
  };
}

function featuresOf(words: readonly string[], pairs: boolean): string[] {
  const lower = words.map((word) => word.toLowerCase());
  if (!pairs) return lower;
  return [...lower, ...lower.slice(1).map((word, i) => `${lower[i]} ${word}`)];
}
