import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { longestContext, NGram } from "./ngram.ts";
import { openText, readCorpus } from "./text.ts";

const mirror = fileURLToPath(new URL("../../../../../shared/data", import.meta.url));
const missing = existsSync(mirror) ? "" : ` (skipped: ${mirror} is not there)`;

test("Witten-Bell by hand", () => {
  // "abac": after a came b and c, once each.
  const model = new NGram(Uint8Array.of(0, 1, 0, 2), 3, 1);
  // Empty context: seen 4 times, 3 different; p(b) = (1 + 3 / 3) / (4 + 3).
  const b = 2 / 7;
  // Behind a: (1 + 2 p(b)) / (2 + 2).
  const text = Uint8Array.of(0, 1);
  expect(model.probability(text, 1)).toBeCloseTo((1 + 2 * b) / 4, 12);
  expect(model.probability(text, 0)).toBeCloseTo((2 + 1) / 7, 12);
});

test("probabilities of all tokens add up to 1, behind any context", () => {
  const ids = Uint8Array.from({ length: 400 }, (_, i) => (i * i + 3 * i) % 7);
  const model = new NGram(ids, 8, 3);
  for (const context of [[], [1], [4, 0], [0, 4, 3], [7, 7, 7], [3, 3, 0, 4]]) {
    const all = Array.from({ length: 8 }, (_, token) =>
      model.probability(Uint8Array.of(...context, token), context.length),
    );
    expect(all.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    expect(Math.min(...all)).toBeGreaterThan(0);
  }
});

test("contexts are as long as one exact number can hold", () => {
  expect(longestContext(65)).toBe(5);
  expect(longestContext(10_000)).toBe(2);
  expect((10_000 + 1) ** 3).toBeLessThan(Number.MAX_SAFE_INTEGER);
  expect(longestContext(2 ** 40)).toBe(1);
});

test.skipIf(missing)(`the published figures of Tiny Shakespeare${missing}`, async () => {
  process.env.TENSORLANE_DATA_MIRROR = mirror;
  const { ids, vocabulary } = await readCorpus(
    await openText("tiny-shakespeare"),
    "character",
    Number.POSITIVE_INFINITY,
  );
  expect([ids.length, vocabulary.size]).toEqual([1_115_394, 65]);
  const end = Math.floor(0.9 * ids.length);
  const nats = [0, 1, 2, 3, 5].map((context) =>
    new NGram(ids.subarray(0, end), 65, context).score(ids, end, ids.length).toFixed(3),
  );
  // From the data's own notes, computed by another program.
  expect(nats).toEqual(["3.347", "2.486", "2.049", "1.774", "1.698"]);
});
