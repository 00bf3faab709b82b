import { againstReferences, type BleuCounts, corpusBleu, gramsOf } from "./bleu.ts";
import type { CaptionSet } from "./captions.ts";
import { wordsOf } from "./words.ts";

type Words = readonly string[];

const captionsAt = ({ pictures }: CaptionSet, index: number): Words[] =>
  pictures[index].captions.map(wordsOf);

/** The most frequent words of the training captions, as many as a caption has on average. */
export function frequentWords(set: CaptionSet): Words {
  const captions = Array.from(set.train, (index) => captionsAt(set, index)).flat();
  const counts = new Map<string, number>();
  for (const word of captions.flat()) counts.set(word, (counts.get(word) ?? 0) + 1);
  const length = Math.round(captions.flat().length / captions.length);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.slice(0, length).map(([word]) => word);
}

/** The training caption that suits the validation pictures best by BLEU-4 (then 3, 2, 1), said of every picture. */
export function bestForAll(set: CaptionSet): Words {
  const judges = Array.from(set.validation, (index) => againstReferences(captionsAt(set, index)));
  const all = Array.from(set.train, (index) => captionsAt(set, index)).flat();
  const different = new Map(all.map((words) => [words.join(" "), words]));
  return best([...different.values()], (words) => {
    const grams = gramsOf(words);
    return judges.map((judge) => judge(grams));
  });
}

/** For each picture: the nearest training picture by the cosine of their features, and what was said of that one. */
export function nearestCaptions(
  set: CaptionSet,
  train: readonly Float32Array[],
  asked: readonly Float32Array[],
): { readonly neighbour: number; readonly words: Words }[] {
  const known = train.map(unit);
  return asked.map((features) => {
    const own = unit(features);
    const near = known.map((one) => one.reduce((sum, value, i) => sum + value * own[i], 0));
    const neighbour = set.train[near.indexOf(Math.max(...near))];
    return { neighbour, words: typical(captionsAt(set, neighbour)) };
  });
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}

/** Of several captions the one that agrees best with the others. */
function typical(captions: readonly Words[]): Words {
  if (captions.length === 1) return captions[0];
  return best(captions, (words) => {
    const others = captions.filter((other) => other !== words);
    return [againstReferences(others)(gramsOf(words))];
  });
}

/** The candidate of the best BLEU-4; of those with equal ones (often 0) that of the best BLEU-3, and so on. */
function best(candidates: readonly Words[], countsOf: (words: Words) => BleuCounts[]): Words {
  let chosen = candidates[0];
  let most: readonly number[] = [];
  for (const words of candidates) {
    const { scores } = corpusBleu(countsOf(words));
    const differing = [3, 2, 1, 0].find((n) => scores[n] !== (most[n] ?? -1));
    if (differing !== undefined && scores[differing] > (most[differing] ?? -1)) {
      [chosen, most] = [words, scores];
    }
  }
  return chosen;
}
