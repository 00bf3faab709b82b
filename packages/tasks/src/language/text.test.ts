import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { openText, readCorpus, readWith } from "./text.ts";
import { tokensOf, UNKNOWN, Vocabulary } from "./vocabulary.ts";
import { windowLoader } from "./windows.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-language-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const read = async (path: string, unit: "character" | "word" = "character", limit = 1e9) =>
  readCorpus(await openText(path), unit, limit);

describe("vocabulary", () => {
  test.each(["character", "word"] as const)("%ss are the text when joined", (unit) => {
    const text = fc.string({ unit: "grapheme", maxLength: 60 });
    const spaced = fc.array(text).map((parts) => parts.join(" "));
    fc.assert(
      fc.property(spaced, (given) => {
        expect(tokensOf(given, unit).join("")).toBe(given);
        const vocabulary = Vocabulary.of(unit, given);
        expect(vocabulary.decode(vocabulary.encode(given))).toBe(given);
      }),
    );
  });

  test("words carry the space before them; signs and line breaks stand alone", () => {
    const tokens = ["To", " be", ",", " or", "\n", "not", " ", " don't"];
    expect(tokensOf("To be, or\nnot  don't", "word")).toEqual(tokens);
  });

  test("ids take as little memory as can be", () => {
    expect(Vocabulary.of("character", "abc").encode("cab")).toEqual(Uint8Array.of(2, 0, 1));
    const many = new Vocabulary(
      "word",
      Array.from({ length: 300 }, (_, i) => String(i)),
    );
    expect(many.encode("299")).toEqual(Uint16Array.of(299));
  });

  test("rare words are unknown, unseen characters an error", () => {
    const words = Vocabulary.of("word", "a a a b b c", 3);
    expect(words.tokens).toEqual([UNKNOWN, " a", " b"]);
    expect(words.decode(words.encode(" b c"))).toBe(` b${UNKNOWN}`);
    expect(() => Vocabulary.of("character", "abc").encode("a\u00e9b\u00e9", "the prompt")).toThrow(
      /^the prompt has a character that the model never saw: "é" \(U\+00E9, 2 times\)\. It knows "abc"/,
    );
  });
});

describe("texts", () => {
  test("of a file, plain or gzipped, are the same", async () => {
    const text = "naïve – 漢字 😀\n".repeat(50);
    const plain = await read(file("a.txt", text));
    const packed = await read(file("a.txt.gz", gzipSync(text)));
    expect(plain.vocabulary.decode(plain.ids)).toBe(text);
    expect(packed.ids).toEqual(plain.ids);
    const words = await read(file("a.txt", text), "word");
    expect(words.vocabulary.decode(words.ids)).toBe(text);
  });

  test("longer than a piece are not cut within words", async () => {
    const text = Array.from({ length: 300_000 }, (_, i) => `word${i % 13}`).join(" ");
    const { ids, vocabulary } = await read(file("long.txt", text), "word");
    expect(ids.length).toBe(300_000);
    // "word0" is there without the space before it, too: as the first one.
    expect(vocabulary.size).toBe(1 + 13 + 1);
  });

  test("of a folder are its text files in order; others are named", async () => {
    file("tree/b/two.ts", "two");
    file("tree/a.ts", "one");
    file("tree/picture.bin", Uint8Array.of(0xff, 0xfe, 0));
    file("tree/.hidden/x", "no");
    file("tree/node_modules/x.js", "no");
    const { ids, vocabulary, source } = await read(join(scratch, "tree"));
    expect(vocabulary.decode(ids)).toBe("one\ntwo\n");
    expect(source.notes).toEqual(["left out, not UTF-8 text: picture.bin"]);
    for (const n of [1, 2, 3, 4]) file(`tree/sound${n}.bin`, Uint8Array.of(0xff));
    const { source: more } = await read(join(scratch, "tree"));
    expect(more.notes).toEqual([
      "left out, not UTF-8 text: picture.bin, sound1.bin, sound2.bin and 2 more",
    ]);
  });

  test("have no byte-order marks, also where files were joined to one", async () => {
    const { vocabulary, ids } = await read(file("marked.txt", "\uFEFFab\n\uFEFFba"));
    expect([vocabulary.tokens, ids.length]).toEqual([["\n", "a", "b"], 5]);
  });

  test.each([
    ["in a piece", 7, [0xe9, 65], 7],
    ["behind letters of several bytes", 7, [0xe2, 0x82, 0xac, 0xc3, 0xa9, 0xff], 12],
    ["in the second piece", 2 ** 20 - 1, [0xc3, 0xa9, 0xf6, 65], 2 ** 20 + 1],
    ["cut at the end of a piece", 2 ** 20 - 1, [0xe9, 65], 2 ** 20 - 1],
    ["at the end, a letter that is not whole", 4, [0xe2, 0x82], 4],
  ])("tell the first wrong byte: %s", async (name, before, bytes, at) => {
    const path = file("wrong.txt", Buffer.concat([Buffer.alloc(before, "a"), Buffer.from(bytes)]));
    const value = bytes[at - before]!.toString(16);
    await expect(read(path), name).rejects.toThrow(`(byte ${at}, 0x${value}, is wrong)`);
  });

  test("that cannot be read say why", async () => {
    await expect(read(file("empty.txt", ""))).rejects.toThrow(/empty\.txt is empty/);
    await expect(read(file("latin.txt", Uint8Array.of(65, 0xe9, 66)))).rejects.toThrow(
      /latin\.txt is not text in UTF-8/,
    );
    await expect(openText(join(scratch, "nowhere.txt"))).rejects.toThrow(/does not exist/);
    mkdirSync(join(scratch, "void"), { recursive: true });
    await expect(openText(join(scratch, "void"))).rejects.toThrow(/holds no text file/);
    const other = await openText(file("other.txt", "abz"));
    await expect(readWith(Vocabulary.of("character", "abc"), other)).rejects.toThrow(/"z"/);
  });
});

test("windows carry each stream on, and every pass cuts elsewhere", async () => {
  const ids = Uint8Array.from({ length: 250 }, (_, i) => i);
  const [rows, steps] = [3, 10];
  const loader = windowLoader({ ids, rows, steps, seed: 2 });
  const starts: number[] = [];
  for (const pass of [0, 1, 2]) {
    let before: Int32Array | undefined;
    for await (const { fields, index } of loader.epoch(pass)) {
      const [tokens, targets] = [fields.tokens!.data, fields.targets!.data] as Int32Array[];
      expect([...fields.keep!.data]).toEqual(new Array(rows).fill(index === 0 ? 0 : 1));
      for (let at = 0; at < rows * steps; at++) expect(targets[at]).toBe(tokens[at]! + 1);
      for (let row = 0; row < rows; row++) {
        // The token after the last one of the window before.
        if (before) expect(tokens[row * steps]).toBe(before[(row + 1) * steps - 1]);
      }
      if (!before) starts.push(tokens[0]!);
      before = targets;
    }
  }
  expect(loader.length).toBe(8);
  expect(new Set(starts).size).toBeGreaterThan(1);
  expect(() => windowLoader({ ids, rows: 10, steps: 30, seed: 1 })).toThrow(
    /250 tokens; 10 streams of 30 steps need 301/,
  );
});
