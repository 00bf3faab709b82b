import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { planTrain, type TrainRequest } from "../plan.ts";
import { quietUi } from "../testing.ts";
import { compose } from "./index.ts";
import { forTokens, recipeFor } from "./recipe.ts";

const scratch = mkdtempSync(join(tmpdir(), "tensorlane-few-tunes-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const tune = (i: number, body: string) => `X:${i}\nT:No. ${i}\nM:2/4\nL:1/8\nK:G\n${body}|]\n\n`;

async function trainOn(name: string, text: string, request: TrainRequest = {}) {
  const [data, out] = [join(scratch, `${name}.abc`), join(scratch, name)];
  writeFileSync(data, text);
  const extra = { hidden: 8, ...request.extra };
  const asked = { epochs: 1, quick: true, ...request, data, out, extra };
  const { ui, said } = quietUi();
  return { out, said, result: await compose.train(await planTrain(compose, asked), ui) };
}

test("a book of few tunes trains as it is, in fewer streams", async () => {
  const few = Array.from({ length: 12 }, (_, i) => tune(i, `GABc|dcB${"cdefgabCDEFG"[i]}|G2B2`));
  const { out, result } = await trainOn("few", few.join(""));
  expect(result.status).toBe("finished");
  expect(result.train.validationMeasure).toMatch(/nats; the least is kept/);
  expect(Number(result.train.steps)).toBeGreaterThan(1);
  const asking = { data: "", models: [], seed: 1, quick: false, extra: {} };
  const usual = recipeFor("abc", "lstm", asking);
  expect(forTokens(usual, asking, 100_000)).toMatchObject({ rows: 16, steps: 64 });
  expect(forTokens(usual, asking, 751)).toMatchObject({ rows: 1, steps: 64 });
  expect(() => forTokens(usual, { ...asking, batch: 16 }, 751)).toThrow(/751 tokens; 16 streams/);

  // What was asked for and does not fit leaves nothing behind, and gives up no run.
  const { predict } = compose;
  await expect(trainOn("wide", few.join(""), { batch: 99 })).rejects.toThrow(/99 streams/);
  expect(existsSync(join(scratch, "wide"))).toBe(false);
  const over = { batch: 99, overwrite: true };
  await expect(trainOn("few", few.join(""), over)).rejects.toThrow(/99 streams/);
  const wish = { count: 1, seed: 1 };
  const { ui, written } = quietUi();
  await expect(predict(out, [], { extra: { ...wish, length: 10 } }, ui)).rejects.toThrow(
    /--length is for piano rolls/,
  );
  await predict(out, [], { extra: wish }, ui);
  expect(written.join("")).toMatch(/^X:1\n/);
}, 60_000);

test("too few tunes are told with those that were left out", async () => {
  const same = Array.from({ length: 5 }, (_, i) => tune(i, "GABc|dcBA"));
  const text = [...same, ...Array.from({ length: 6 }, (_, i) => tune(9, `G4|${"ABcdef"[i]}4`))];
  text.push("X:20\nT:Broken\nM:what\nK:G\nG4|\n");
  await expect(trainOn("lacking", text.join(""))).rejects.toThrow(
    /holds 7 tunes to learn from, at least 10 are needed: of 12 tunes, 1 cannot be read \("Broken"\) and 4 occur again/,
  );
});
