import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyTree } from "./testing.ts";
import { formatTree, readTrees, TreeError, treeOfWords } from "./trees.ts";
import { TreePacks } from "./trees-packs.ts";
import { depthProfile, leastSteps, scheduleTrees } from "./trees-schedule.ts";

describe("reading trees", () => {
  test("nodes are numbered words first, children before parents", () => {
    const [tree] = readTrees("(3 (2 It) (4 (3 (3 works) (2 well)) (2 .)))\r\n\n");
    expect(tree.words).toEqual(["It", "works", "well", "."]);
    expect([...tree.left]).toEqual([1, 4, 0]);
    expect([...tree.right]).toEqual([2, 3, 5]);
    expect([...tree.labels]).toEqual([2, 3, 2, 2, 3, 4, 3]);
  });

  test("a tree of one word, extra spaces, no-break spaces inside a word", () => {
    const [tree] = readTrees(" ( 2   8\u00a01\\/2 ) ");
    expect(tree.words).toEqual(["8\u00a01\\/2"]);
    expect([tree.left.length, [...tree.labels]]).toEqual([0, [2]]);
  });

  test("what is written reads back", () => {
    fc.assert(
      fc.property(anyTree(20), (tree) => {
        expect(readTrees(formatTree(tree))[0]).toEqual(tree);
      }),
    );
  });

  test("a tree deeper than the call stack", () => {
    const words = Array.from({ length: 50_000 }, (_, i) => `w${i}`);
    const line = formatTree(treeOfWords(words, "right"));
    expect(readTrees(line)[0].words.length).toBe(50_000);
  });

  test.each([
    ["2 It", 1, 1, /expected "\(", found "2 It"/],
    ["\n(2 (3 a)", 2, 9, /line ends, but the bracket of column 1 is open/],
    ["(2 a) (2 b)", 1, 7, /expected the end of the line, found "\(2 b\)"/],
    ["(x a)", 1, 2, /expected a label.* from 0 to 4; found "x"/],
    ["(5 a)", 1, 2, /from 0 to 4; found "5"/],
    ["((2 a) (2 b))", 1, 2, /expected a label.*found "\(\(?2 a/],
    ["(2 a b)", 1, 6, /expected "\)" after a word, found "b\)"/],
    ["(2 (2 a))", 1, 9, /a single child; expected a word or two/],
    ["(2)", 1, 3, /neither a word nor children/],
    ["(2 (2 a) (2 b) (2 c))", 1, 16, /a third child; the trees are binary/],
    ["(2 (2 a) b)", 1, 10, /a word beside a child/],
    ["()", 1, 2, /expected a label/],
  ])("%j is refused with its place", (text, line, column, message) => {
    const attempt = () => readTrees(text, { source: "my.txt", classes: 5 });
    expect(attempt).toThrow(TreeError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(`my.txt:${line}:${column}: `);
  });

  test("trees for plain words", () => {
    expect(formatTree(treeOfWords([..."abcd"], "balanced"))).toBe(
      "(0 (0 (0 a) (0 b)) (0 (0 c) (0 d)))",
    );
    expect(formatTree(treeOfWords([..."abc"]))).toBe("(0 (0 a) (0 (0 b) (0 c)))");
    expect(() => treeOfWords([])).toThrow(/no words/);
  });
});

describe("scheduling", () => {
  const forest = fc.array(anyTree(15), { minLength: 1, maxLength: 12 });

  test("children come first, chunks are no wider than asked, and their number is the least", () => {
    fc.assert(
      fc.property(forest, fc.integer({ min: 1, max: 9 }), (trees, width) => {
        const { order } = scheduleTrees(trees, width);
        const done = trees.map(({ left }) => new Int32Array(left.length).fill(-1));
        for (const [step, chunk] of order.entries()) {
          expect(chunk.length).toBeLessThanOrEqual(width);
          for (const { tree, inner } of chunk) {
            const { left, right, words } = trees[tree];
            for (const child of [left[inner], right[inner]].filter((c) => c >= words.length)) {
              const at = done[tree][child - words.length];
              expect(at).toBeGreaterThanOrEqual(0);
              expect(at).toBeLessThan(step);
            }
            expect(done[tree][inner]).toBe(-1);
            done[tree][inner] = step;
          }
        }
        expect(done.every((steps) => steps.every((step) => step >= 0))).toBe(true);
        expect(order.length).toBe(leastSteps(trees.map(depthProfile), width));
      }),
    );
  });

  test("no state is overwritten before its parent has read it", () => {
    fc.assert(
      fc.property(forest, fc.integer({ min: 1, max: 9 }), (trees, width) => {
        const { order, slots } = scheduleTrees(trees, width);
        const places = new Map<number, string>();
        const slotOf = new Map<string, number>();
        for (const chunk of order) {
          for (const { tree, inner } of chunk) {
            const { left, right, words } = trees[tree];
            for (const child of [left[inner], right[inner]].filter((c) => c >= words.length)) {
              const key = `${tree} ${child - words.length}`;
              expect(places.get(slotOf.get(key)!)).toBe(key);
            }
          }
          for (const { tree, inner, slot } of chunk) {
            expect(slot).toBeLessThan(slots);
            slotOf.set(`${tree} ${inner}`, slot);
            if (slot >= 0) places.set(slot, `${tree} ${inner}`);
          }
        }
      }),
    );
  });

  test("a width below 1 is refused", () => {
    expect(() => scheduleTrees([], 0)).toThrow(/width must be a whole number from 1/);
  });
});

describe("packs", () => {
  const trees = Array.from({ length: 23 }, (_, i) =>
    treeOfWords(Array.from({ length: 1 + (i % 7) }, (_, k) => `${i}.${k}`)),
  );
  const token = (word: string) => Number(word.split(".")[0]);

  test("every pass holds every tree once, in packs of about one size, drawn by seed and pass", () => {
    const packs = new TreePacks({ trees, token, batchSize: 5, width: 3, passes: 3, seed: 7 });
    const passes = [0, 1, 2].map((pass) =>
      Array.from({ length: packs.length }, (_, pack) => packs.members(pack, pass)),
    );
    for (const pass of passes) {
      expect(pass.flat().toSorted((a, b) => a - b)).toEqual([...trees.keys()]);
      expect(Math.max(...pass.map((members) => members.length))).toBe(5);
    }
    expect(passes[0]).not.toEqual(passes[1]);
    expect(packs.members(2, 1)).toEqual(passes[1][2]);
    expect(() => packs.get([0])).not.toThrow();
    const batch = packs.get([0]);
    expect(() => packs.fill(batch, [0], 3)).toThrow(/made for 3 passes, asked for pass 4/);
  });

  test("rows of a batch lead to the trees' own words and labels", () => {
    const labelled = readTrees("(1 (2 0.0) (3 (4 0.1) (0 0.2)))\n(4 1.0)");
    const packs = new TreePacks({ trees: labelled, token, batchSize: 2, width: 2 });
    const { tokens, label, counted, root } = packs.get([0]);
    for (const { tree, rows } of packs.rowsOf(0)) {
      const { words, labels } = labelled[tree];
      expect(words.map((_, i) => tokens.data[rows[i]])).toEqual(words.map(token));
      expect([...rows].map((row) => label.data[row])).toEqual([...labels]);
    }
    expect([...(counted.data as Float32Array)].reduce((a, b) => a + b)).toBe(6);
    expect([...(root.data as Int32Array)]).toEqual(packs.rowsOf(0).map(({ rows }) => rows.at(-1)));
  });

  test("nodes without a label are not counted", () => {
    const packs = new TreePacks({ trees: [treeOfWords(["0.0", "0.1"])], token, batchSize: 1 });
    expect((packs.get([0]).counted.data as Float32Array).every((weight) => weight === 0)).toBe(
      true,
    );
  });

  test("no trees are refused", () => {
    expect(() => new TreePacks({ trees: [], token, batchSize: 5 })).toThrow(/no trees/);
    expect(() => new TreePacks({ trees, token, batchSize: 0 })).toThrow(/from 1/);
  });
});

const treebank = fileURLToPath(new URL("../../../../../shared/data/sentiment/", import.meta.url));

describe.skipIf(!existsSync(treebank))("the Stanford Sentiment Treebank", () => {
  const read = (part: string) =>
    readTrees(gunzipSync(readFileSync(`${treebank}${part}.txt.gz`)).toString(), { classes: 5 });

  test.each([
    ["train", 8544, 318_582],
    ["dev", 1101, 41_447],
    ["test", 2210, 82_600],
  ])("%s: %i trees of %i nodes in all, which write back", (part, count, nodes) => {
    const trees = read(part);
    expect(trees.length).toBe(count);
    expect(trees.reduce((sum, { labels }) => sum + labels.length, 0)).toBe(nodes);
    const again = readTrees(trees.map((tree) => formatTree(tree)).join("\n"));
    expect(again).toEqual(trees);
  });

  test("packs of 25 trees hold little padding", () => {
    const packs = new TreePacks({ trees: read("train"), token: () => 0, batchSize: 25, seed: 1 });
    const { steps, slots, trees } = packs.capacity;
    expect([packs.length, trees, steps]).toEqual([342, 25, 30]);
    expect(slots).toBeLessThan(90);
    const nodes = (318_582 - 8544) / 2;
    expect(nodes / (packs.length * steps * packs.width)).toBeGreaterThan(0.94);
  });
});
