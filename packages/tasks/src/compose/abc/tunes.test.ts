import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { data } from "tensorlane";
import { describe, expect, test } from "vitest";
import { countBars } from "./bars.ts";
import { TuneTokens } from "./corpus.ts";
import { entriesOf, TuneGrammar } from "./grammar.ts";
import { Copies, qualityOf } from "./quality.ts";
import { notesOf, scoreSvg, warningsOf } from "./score.ts";
import { EIGHTH, END, kindOf, ticksOf, withUnit } from "./tokens.ts";
import { readTuneBook, type Tune, tuneText } from "./tune.ts";

/** Written for these tests. */
const jig = `X:7
T:The Tester's Jig
% a remark
M:6/8
L:1/4
K:G
D/2|"G"G/2A/2B/2 "D"d c/2|"G"B/2G/2G/2 G D/2|\\
"C"e/2d/2c/2 "D"B/2A/2F/2|"G"G3/2-G:| |:B/2|
(3A/2B/2c/2 B/2 A/2G/2F/2|[1"G"G3/2 G B/2:|[2 [GB]3/2 [G/2B/2]z/2||
`;

const only = (text: string): Tune => readTuneBook(text).tunes[0]!;

describe("a tune in ABC", () => {
  const tune = only(jig);

  test("becomes tokens for the unit of an eighth, without line breaks and remarks", () => {
    expect(tune.title).toBe("The Tester's Jig");
    expect(tune.tokens.slice(0, 12).join("~")).toBe('M:6/8~K:G~D~|~"G"~G~A~B~ ~"D"~d2~ ');
    expect(tune.tokens.filter((token) => kindOf(token) === "line").join(" ")).toBe(
      "| | | | :: | | :| ||",
    );
    expect(tune.tokens.slice(-5)).toEqual(["[GB]3", " ", "[GB]", "z", "||"]);
  });

  test("is the same tune again when written and read", () => {
    expect(only(tuneText(tune))).toEqual(tune);
    expect(notesOf(tuneText(tune)).length).toBe(notesOf(jig).length);
    const vocabulary = TuneTokens.of([tune]);
    const ids = vocabulary.encode([tune]);
    expect(Array.from(ids, (id) => vocabulary.tokens[id])).toEqual([END, ...tune.tokens, END]);
  });

  test("that occurs twice is taken once, and one that is not understood is named", () => {
    const strange = jig.replace("D/2|", "?|").replace("Tester's", "Stranger's");
    const book = readTuneBook(`${jig}\n${jig.replace("X:7", "X:8")}\n${strange}`);
    expect([book.tunes.length, book.twice, book.leftOut]).toEqual([1, 1, ["The Stranger's Jig"]]);
  });

  test("is judged by abcjs, drawn and played", () => {
    expect(warningsOf(tuneText(tune))).toEqual([]);
    expect(warningsOf("X:1\nK:G\nG $ A|\n").join()).toContain("Unknown character");
    const before = Object.getOwnPropertyDescriptor(globalThis, "document");
    const svg = scoreSvg(tuneText(tune));
    expect(svg).toMatch(/^<svg xmlns=.*viewBox.*The Tester/s);
    expect(Object.getOwnPropertyDescriptor(globalThis, "document")).toEqual(before);
    // The first note, a D, and the G after it on the beat.
    const [first, second] = notesOf(tuneText(tune));
    expect([first!.pitch, second!.pitch, first!.start]).toEqual([62, 67, 0]);
    expect(second!.start).toBeCloseTo(first!.seconds, 6);
  });
});

test("lengths are written in the shortest form", () => {
  expect(withUnit("^c'3/2", 2 * EIGHTH)).toBe("^c'3");
  expect(withUnit("A//", EIGHTH)).toBe("A/4");
  expect(withUnit("[G2B2]/2", EIGHTH)).toBe("[GB]");
  expect(withUnit("A/7", EIGHTH)).toBeUndefined();
  expect(ticksOf("z3/2")).toBe(1.5 * EIGHTH);
});

describe("bars", () => {
  const count = (body: string, metre = "4/4") =>
    countBars(only(`X:1\nM:${metre}\nL:1/8\nK:G\n${body}\n`).tokens);

  test.each([
    ["whole bars", "GABc dedB|dedB dedB|c2ec B2dB|A2F2 G4|]", 4, 4],
    ["a bar too long", "GABc dedBA|G8|]", 2, 1],
    ["a bar too short amidst", "G8|G6|G8|]", 3, 2],
    ["a pick-up", "D2|G8|G8|]", 3, 3],
    ["a pick-up and its other part at a repeat", "D2|G8|G6:|", 3, 3],
    ["a last bar that is no other part", "D2|G8|G5:|", 3, 2],
    ["a bar cut by a double line", "G8|G6||D2|G8|G8|]", 5, 5],
    ["a pick-up without its other part", "G8|G8||D2|G8|G8|]", 5, 4],
    ["two endings", "D2|G8|[1 G6:|[2 G6||", 4, 4],
    ["triplets", "(3GAB c2 (3dcB A2|(4GABc d5|]", 2, 2],
    ["another metre", "G8|[M:6/8]G6|GAB c3|]", 3, 3],
  ])("%s", (_, body, bars, right) => {
    expect(count(body)).toEqual({ bars, right });
  });
});

test("the grammar allows what is right and refuses what is not", () => {
  const tune = only("X:1\nM:2/4\nL:1/8\nK:G\nD|G2 (3ABc|d2 G2:|G4|G3|]\n");
  const tokens = [END, ...new Set([...tune.tokens, "K:D", "M:6/8", "[1", "[2", '"G"', "d4", "||"])];
  const entries = entriesOf(tokens);
  const after = (written: readonly string[]) => {
    const grammar = new TuneGrammar(entries);
    for (const token of written) {
      const id = tokens.indexOf(token);
      expect(grammar.allows(id), `${token} after ${written.join(" ")}`).toBe(true);
      grammar.push(id);
    }
    return tokens.filter((_, id) => grammar.allows(id)).sort();
  };
  expect(after([])).toEqual(["M:2/4", "M:6/8"]);
  expect(after(["M:2/4"])).toEqual(["K:D", "K:G"]);
  const begun = ["M:2/4", "K:G", "D", "|", "G2"];
  expect(after(begun)).toContain("(3");
  expect(after(begun)).not.toContain("|");
  expect(after(begun)).not.toContain("d4");
  expect(after([...begun, "(3", "A"])).toEqual(['"G"', "A", "B", "D", "c"]);
  expect(after([...begun, "d2"])).toEqual(["|"]);
  // The pick-up is an eighth: three others may end the section.
  const ended = [...begun, "d2", "|", "G3"];
  expect(after(ended)).toEqual(expect.arrayContaining([":|", "||", "A"]));
  expect(after(ended)).not.toContain("|");
  expect(after([...ended, ":|"])).toContain(END);
});

test("whatever is drawn by the grammar is valid and has bars that add up", () => {
  const signs = ["|", "|:", ":|", "::", "||", "|]", "[1", "[2", "(3", "(4", " ", "-", '"G"'];
  const notes = ["G", "A2", "B3", "c/2", "d4", "e6", "z", "f3/2", "g8"];
  const heads = ["M:4/4", "M:6/8", "M:3/4", "K:G", "[M:2/4]", "[K:D]"];
  const tokens = [END, ...heads, ...signs, ...notes];
  const entries = entriesOf(tokens);
  for (let seed = 0; seed < 60; seed++) {
    const { integer } = data.randomStream(seed, 1);
    const grammar = new TuneGrammar(entries);
    const written: string[] = [];
    while (written.at(-1) !== END && written.length < 3000) {
      const allowed = tokens.flatMap((_, id) => (grammar.allows(id) ? [id] : []));
      expect(allowed.length, written.slice(-30).join("~")).toBeGreaterThan(0);
      // Ends are taken where they can be, once there is some music.
      const ends = written.length > 60 && allowed.includes(0);
      const id = ends ? 0 : allowed[integer(allowed.length)]!;
      grammar.push(id);
      written.push(tokens[id]!);
    }
    const tune = { title: "", tokens: written };
    const { bars, right } = countBars(written);
    expect([right, warningsOf(tuneText(tune))], tuneText(tune)).toEqual([bars, []]);
  }
});

test.each([
  "Salt & <Pepper>",
  "<img src=x onerror=alert(1)>",
  "\"quoted\" and 'so'",
  "100 % pure",
  "]]> --> </svg>",
])("a title is text, in the score and in ABC: %s", (title) => {
  const abc = tuneText({ title, tokens: ["M:2/4", "K:G", "G4", "|"] });
  expect(warningsOf(abc)).toEqual([]);
  const svg = scoreSvg(abc);
  const label = (pattern: RegExp) =>
    pattern.exec(svg)?.[1]?.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
  expect(label(/<title>(.*?)<\/title>/)).toBe(`Sheet Music for "${title}"`);
  expect(label(/ aria-label="(.*?)"/)).toBe(`Sheet Music for "${title}"`);
  // Nothing but what is written here may begin with an angle bracket, nor an ampersand be alone.
  expect(svg.match(/<(?!\/?(svg|title|g|text|tspan|path|line)\b)/g)).toBeNull();
  expect(svg.match(/&(?!#\d+;)/g)).toBeNull();
});

test("a title of several lines is one line of ABC", () => {
  const abc = tuneText({ title: " A\nK:D\r\n%%x\u2028y\u0000 ", tokens: ["M:2/4", "K:G", "G4"] });
  expect(abc).toBe("X:1\nT:A K:D \\%\\%x y\nM:2/4\nL:1/8\nK:G\nG4\n");
});

test("copies are found bar by bar, whatever their chords", () => {
  const bars = Array.from({ length: 10 }, (_, i) => `${"GABcdefgab"[i]}8`);
  const [known, mine] = [`${bars.join("|")}|]`, `"C"${bars.slice(1).join('|"D"')}|A8|]`];
  const tune = (body: string) => only(`X:1\nM:4/4\nL:1/8\nK:G\n${body}\n`);
  const copies = new Copies([tune(known)]);
  expect(copies.runs(tune(mine))).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 1]);
  const quality = qualityOf([tune(mine)], copies);
  expect(quality).toMatchObject({ longestRun: 9, copiedPhrases: 2 / 3, valid: 1, bars: 1 });
});

const nottingham = fileURLToPath(
  new URL("../../../../../../shared/data/music/nottingham_cleaned.abc.gz", import.meta.url),
);

describe.skipIf(!existsSync(nottingham))("the Nottingham tunes (skipped without the data)", () => {
  const text = existsSync(nottingham) ? gunzipSync(readFileSync(nottingham)).toString("utf8") : "";
  const book = readTuneBook(text);

  test("are read, but for a few, and are the same when written and read again", () => {
    expect(book.tunes.length + book.leftOut.length + book.twice).toBe(1034);
    expect(book.leftOut.length).toBeLessThanOrEqual(20);
    for (const tune of book.tunes) expect(only(tuneText(tune)).tokens).toEqual(tune.tokens);
  });

  test("sound as before to abcjs, which plays parts and repeats of a few in another order", () => {
    const pieces = text.split(/^(?=X:)/m).filter((piece) => piece.startsWith("X:"));
    const sound = (abc: string) =>
      JSON.stringify(notesOf(abc).map((note) => [note.pitch, note.start.toFixed(3)]));
    let [same, all] = [0, 0];
    for (const piece of pieces.filter((_, i) => i % 10 === 0)) {
      const [tune] = readTuneBook(piece).tunes;
      if (tune === undefined) continue;
      all++;
      // Names of parts, and a field that abcjs takes for notes.
      const plain = piece.replace(/^[PRY]:.*\n/gm, "");
      same += Number(sound(plain) === sound(tuneText(tune)));
    }
    expect(same / all).toBeGreaterThan(0.95);
  });

  test("have bars that add up, but for typing errors", () => {
    const counts = book.tunes.map(({ tokens }) => countBars(tokens));
    const bars = counts.reduce((sum, one) => sum + one.bars, 0);
    const right = counts.reduce((sum, one) => sum + one.right, 0);
    expect(right / bars).toBeGreaterThan(0.997);
  });
});
