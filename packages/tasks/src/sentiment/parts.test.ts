import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { data } from "tensorlane";
import { afterAll, describe, expect, test } from "vitest";
import { naiveBayes } from "./baselines.ts";
import { largest, softmax } from "./judging.ts";
import { scoresOf } from "./scores.ts";
import { PHRASES, SentenceDataset } from "./sentences.ts";
import { rootOnly, spansOf, wordsOf } from "./treebank.ts";
import { drawTree } from "./treeDrawing.ts";
import { readVectors, Vocabulary } from "./vocabulary.ts";

const folder = mkdtempSync(join(tmpdir(), "tensorlane-words-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const trees = data.readTrees(
  "(4 (3 good) (4 (2 film) (2 .)))\n(0 (1 bad) (1 (2 film) (2 .)))\n(2 (2 A) (2 film))",
);

test.each([
  ["It's fine.", ["It", "'s", "fine", "."]],
  [
    "They didn’t (really) care...",
    ["They", "did", "n't", "-LRB-", "really", "-RRB-", "care", "..."],
  ],
  ["well-made, 3.5 stars", ["well-made", ",", "3.5", "stars"]],
  ["O'Brien can't we'll", ["O'Brien", "ca", "n't", "we", "'ll"]],
  ["", []],
])("the words of %j", (text, words) => {
  expect(wordsOf(text)).toEqual(words);
});

test("spans of nodes, and trees that tell the sentence's label only", () => {
  expect(spansOf(trees[0])).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
    [1, 3],
    [0, 3],
  ]);
  expect([...rootOnly(trees[0]).labels]).toEqual([-1, -1, -1, -1, 4]);
});

describe("word vectors", () => {
  const vocabulary = Vocabulary.of(trees);
  const file = (text: string) => {
    const path = join(folder, "vectors.txt");
    writeFileSync(path, text);
    return path;
  };

  test("numbers disregard capitals; 0 is the unknown word", () => {
    expect(vocabulary.words).toEqual([".", "a", "bad", "film", "good"]);
    expect(["Film", "a", "never"].map(vocabulary.token)).toEqual([4, 2, 0]);
  });

  test("only the vocabulary's words are kept, the first of a spelling counts", async () => {
    const text = "3 2\nfilm 1 2.5\nother 3 4\nFilm 5 6\ngood -1e-2 0\n";
    const { size, vectors } = await readVectors(file(text), vocabulary);
    expect(size).toBe(2);
    expect([...vectors]).toEqual([
      [4, Float32Array.of(1, 2.5)],
      [5, Float32Array.of(-1e-2, 0)],
    ]);
  });

  test.each([
    ["film 1 2 3\ngood 1 2\n", /vectors\.txt:2: 2 numbers after the word, expected 3/],
    ["film 1 x 3\n", /vectors\.txt:1: the vector of "film" is not all numbers/],
    ["other 1 2 3\n", /no vector for any word/],
  ])("%j is refused", async (text, message) => {
    await expect(readVectors(file(text), vocabulary)).rejects.toThrow(message);
  });

  test("a file that is not there is named", async () => {
    await expect(readVectors(join(folder, "none.txt"), vocabulary)).rejects.toThrow(/none\.txt/);
  });
});

test("naive Bayes by hand", () => {
  const judge = naiveBayes(trees, false);
  // 5 words; the very positive sentence has 3, the very negative one too, the neutral one 2.
  const [negative, , neutral, , positive] = judge(["GOOD", "film", "unseen"]);
  expect(positive).toBeCloseTo(Math.log((2 / 8) * (2 / 8) * (2 / 8)), 12);
  expect(negative).toBeCloseTo(Math.log((2 / 8) * (1 / 8) * (2 / 8)), 12);
  expect(neutral).toBeCloseTo(Math.log((2 / 8) * (1 / 7) * (2 / 7)), 12);
  // Pairs join the 5 words: "good film", "film .", "bad film", "a film".
  const pairs = naiveBayes(trees, true)(["good", "film"]);
  expect(pairs[4]).toBeCloseTo(Math.log((2 / 8) * (2 / 14) ** 3), 12);
});

test("scores: five classes, positive against negative, all nodes", () => {
  const sure = (label: number) => [0, 1, 2, 3, 4].map((i) => (i === label ? 5 : 0));
  const judged = [
    Float32Array.from([3, 2, 2, 2, 3].flatMap(sure)),
    Float32Array.from(sure(4)),
    Float32Array.from(sure(2)),
  ];
  const scores = scoresOf(trees, judged);
  expect(scores.accuracy).toBeCloseTo(1 / 3);
  expect(scores.binary).toBeCloseTo(1 / 2);
  expect(scores.nodes).toBeCloseTo(3 / 5);
  expect(scores.confusion[4]).toEqual([0, 0, 0, 1, 0]);
  expect(scores.confusion[0]).toEqual([0, 0, 0, 0, 1]);
  expect(scores.loss).toBeCloseTo(Math.log(4 * Math.exp(-5) + 1) + 10 / 3, 6);
  expect(scoresOf(trees.slice(2), judged.slice(2)).binary).toBeUndefined();
});

test("softmax and the largest", () => {
  expect(softmax([1000, 1000])).toEqual([0.5, 0.5]);
  expect([largest([1, 3, 3]), largest([-2, -3])]).toEqual([1, 0]);
});

describe("sequences", () => {
  const token = Vocabulary.of(trees).token;

  test("a sentence, and phrases drawn anew in every pass", () => {
    const sentences = new SentenceDataset({ trees, token, seed: 4 });
    expect(sentences.length).toBe(3 * (1 + PHRASES));
    const all = Array.from({ length: sentences.length }, (_, i) => i);
    const [a, again, b] = [0, 0, 1].map((pass) => sentences.get(all, pass));
    expect(a).toEqual(again);
    expect(a.label.data).not.toEqual(b.label.data);
    expect([...(a.tokens.data as Int32Array).subarray(0, 3)]).toEqual([5, 4, 1]);
    expect([...(a.length.data as Int32Array).subarray(0, 3)]).toEqual([3, 3, 2]);
    expect([...(a.label.data as Int32Array).subarray(0, 3)]).toEqual([4, 0, 2]);
    for (const row of all) {
      const length = a.length.data[row] as number;
      const own = (a.tokens.data as Int32Array).subarray(3 * row, 3 * row + 3);
      expect([...own].filter((word) => word > 0).length).toBe(length);
    }
  });

  test("without a seed whole sentences only", () => {
    expect(new SentenceDataset({ trees, token }).length).toBe(3);
  });
});

test("a drawn tree has a mark for every node and a ring where the data differ", () => {
  const [tree] = data.readTrees('(4 (3 <b>) (4 (2 film) (2 "&)))');
  const svg = drawTree(tree, [3, 2, 2, 3, 4]);
  expect(svg.match(/<circle/g)).toHaveLength(5);
  expect(svg.match(/stroke-dasharray/g)).toHaveLength(1);
  expect(svg).toContain("positive; the data say very positive");
  expect(svg).toContain("&#60;b&#62;");
  expect(svg).not.toContain("<b>");
});
