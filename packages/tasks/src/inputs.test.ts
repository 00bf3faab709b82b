import { expect, test } from "vitest";
import { UserError } from "./errors.ts";
import { checkEnding, readInputs } from "./inputs.ts";
import { quietUi } from "./testing.ts";

const number = (text: string): number => {
  if (text === "bug") throw new TypeError("a mistake");
  if (/^\d+$/.test(text)) return Number(text);
  throw new UserError(`${text} is no number.`);
};

test("inputs that cannot be read take nothing from the others, and are told", async () => {
  const { ui, said } = quietUi();
  expect(await readInputs(["1", "x", "3"], number, ui)).toEqual({
    given: ["1", "3"],
    values: [1, 3],
    left: { failed: [{ input: "x", reason: "x is no number." }] },
  });
  expect(said).toEqual(["left out: x is no number."]);
  expect(await readInputs(["1"], number, ui)).toEqual({ given: ["1"], values: [1], left: {} });
});

test("without any that can be read it is an error; a mistake of ours always is", async () => {
  const { ui } = quietUi();
  await expect(readInputs(["x"], number, ui)).rejects.toThrow(/^x is no number\.$/);
  await expect(readInputs(["x", "y"], number, ui)).rejects.toThrow(
    /none of 2 inputs .*\n {2}x is no number\.\n {2}y is no/,
  );
  await expect(readInputs(["1", "bug"], number, ui)).rejects.toThrow(TypeError);
});

test("a file's ending says what is in it", () => {
  for (const out of [undefined, "a", "a.csv", "b/c.CSV"]) checkEnding(out, "it is CSV", [".csv"]);
  expect(() => checkEnding("x.html", "it is CSV", [".csv", ".txt"])).toThrow(
    "--out x.html: it is CSV, so the file must end in .csv or .txt.",
  );
});
