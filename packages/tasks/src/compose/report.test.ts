import { expect, test } from "vitest";
import { PLAYED, player } from "./report.ts";
import { RATE } from "./sound/wave.ts";

/** A note every two seconds. */
const notes = (seconds: number) =>
  Array.from({ length: seconds / 2 }, (_, i) => ({
    ...{ pitch: 60, start: 2 * i, seconds: 2, velocity: 90 },
  }));

test("a page plays a short piece as a whole, and the beginning of a long one, and says so", () => {
  const lengthOf = (html: string) => {
    const sound = Buffer.from(/base64,([^"]+)"/.exec(html)![1]!, "base64");
    return (sound.length - 44) / 2 / RATE;
  };
  const [short, long] = [player(notes(20)), player(notes(2 * PLAYED))];
  expect(lengthOf(short)).toBeCloseTo(20, 0);
  expect(short).not.toContain("first");
  expect(lengthOf(long)).toBeCloseTo(PLAYED, 0);
  expect(long).toContain(`The first ${PLAYED} of ${2 * PLAYED} seconds`);
});
