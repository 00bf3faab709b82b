// What the examples 06 to 11 read: real data from a mirror, the cache or the network. Where there is none of
// them, data made here stand in, and that is said.
import { gunzipSync } from "node:zlib";
import { data } from "tensorlane";
import { DataError, dataEntry, obtainFile } from "tensorlane/node";

type Read = (role: string) => Promise<Uint8Array>;

async function realOrMade<T>(id: string, real: (read: Read) => Promise<T>, make: () => T) {
  const entry = dataEntry(id);
  try {
    return await real(async (role) => {
      const { bytes } = await obtainFile(entry, role);
      return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
    });
  } catch (error) {
    // A damaged file stays an error.
    if (!(error instanceof DataError) || ["hash", "size"].includes(error.code)) throw error;
    console.log(`NOT REAL: made up in place of ${entry.title}, because ${error.message}`);
    return make();
  }
}

/** 10,000 images of digits, 28 x 28 from 0 to 1, and what they show. */
export const digits = () =>
  realOrMade(
    "mnist",
    async (read) => ({
      pixels: Float32Array.from((await read("testImages")).subarray(16), (ink) => ink / 255),
      labels: Int32Array.from((await read("testLabels")).subarray(8)),
    }),
    drawnDigits,
  );

/** Digits as a clock shows them, in seven strokes, here and there in noise. */
function drawnDigits() {
  const random = data.randomStream(1);
  const strokes = ["012456", "25", "02346", "02356", "1235", "01356", "013456", "025", "0123456"];
  strokes.push("012356");
  const labels = Int32Array.from({ length: 10_000 }, () => random.integer(10));
  const pixels = Float32Array.from({ length: 10_000 * 784 }, () => 0.4 * random.uniform());
  for (const [n, label] of labels.entries()) {
    const corner = n * 784 + random.integer(6) * 28 + random.integer(12);
    for (const stroke of strokes[label]!) {
      // 0, 3 and 6 lie across, from top to bottom; the others stand left and right of their gaps.
      const across = Number(stroke) % 3 === 0;
      const row = across ? Number(stroke) * 3 : Number(stroke) > 3 ? 10 : 1;
      const column = across || "14".includes(stroke) ? 0 : 8;
      for (let i = 0; i < 8; i++) {
        pixels[corner + (across ? row * 28 + i : (row + i) * 28 + column)]! += 0.6;
      }
    }
  }
  return { pixels, labels };
}

/** Surnames of six languages, at most 900 of each, in small letters and mixed. */
export async function surnames(): Promise<{ languages: string[]; names: [string, number][] }> {
  const lists = await realOrMade(
    "surnames",
    async (read) => {
      const chosen = ["Arabic", "English", "German", "Italian", "Japanese", "Russian"];
      const list = async (role: string) =>
        new TextDecoder()
          .decode(await read(role))
          .toLowerCase()
          .split(/\r?\n/);
      return Promise.all(chosen.map(async (role) => ({ role, list: await list(role) })));
    },
    inventedNames,
  );
  const names = lists.flatMap(({ list }, language) => {
    const plain = new Set(list.filter((name) => /^[a-z]{2,14}$/.test(name)));
    return [...plain].slice(0, 900).map((name): [string, number] => [name, language]);
  });
  const order = data.permutation(names.length, 1, 0);
  return { languages: lists.map(({ role }) => role), names: Array.from(order, (i) => names[i]!) };
}

/** Names of six languages that nobody speaks: each has its own consonants and its own ending. */
function inventedNames() {
  const random = data.randomStream(2);
  const kinds = ["lhqt-i", "wrdk-ton", "schb-er", "zlnp-ini", "kmty-moto", "vgnr-ov"];
  return kinds.map((kind, i) => {
    const [consonants, ending] = kind.split("-") as [string, string];
    const syllable = () => consonants[random.integer(4)]! + "aeiou"[random.integer(5)]!;
    const name = () => syllable() + syllable() + syllable() + ending;
    return { role: `invented ${i + 1}`, list: Array.from({ length: 400 }, name) };
  });
}

/** A long text. */
export const text = () =>
  realOrMade(
    "tiny-shakespeare",
    async (read) => new TextDecoder().decode(await read("text")),
    talk,
  );

/** Small talk in which each is always called the same: the word before a noun tells it, and is told by it. */
function talk(): string {
  const random = data.randomStream(3);
  const of = (words: string) => words.split(" ")[random.integer(words.split(" ").length)]!;
  const line = () =>
    `${of("Anna Bruno Clara David")} ${of("sees hears likes meets")} the ` +
    `${of("old-king young-sailor tired-gardener happy-dog").replace("-", " ")} in ` +
    `${of("Rome Delft Oslo")}.`;
  return Array.from({ length: 9000 }, line).join("\n");
}
