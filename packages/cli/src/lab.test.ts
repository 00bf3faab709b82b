import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startCommand } from "../../tasks/src/testing.ts";

const dir = mkdtempSync(join(tmpdir(), "tensorlane-cli-lab-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const run = (...args: string[]) => startCommand(dir, ["lab", ...args]).ended;
const lastLine = (text: string) => JSON.parse(text.trimEnd().split("\n").at(-1)!);

// The first run may have to build.
beforeAll(async () => {
  const { code, err } = await startCommand(dir, ["--version"]).ended;
  if (code !== 0) throw new Error(err);
}, 300_000);

it("lists the experiments", async () => {
  const { code, out } = await run("list");
  expect(code).toBe(0);
  expect(out).toMatch(/^degradation +Deeper plain networks/m);
  const listed = lastLine((await run("list", "--json")).out);
  expect(listed.experiments.length).toBeGreaterThanOrEqual(10);
  for (const { id, claim } of listed.experiments) expect([id, claim.source]).not.toContain("");
});

it("runs one, with curves and a report; goes on; refuses to mix", async () => {
  const first = await run("run", "gradient-norms", "--quick", "--seed", "2", "--json");
  expect(first.err).not.toMatch(/^error/m);
  expect(first.code).toBe(0);
  const result = lastLine(first.out);
  expect(result).toMatchObject({ command: "lab run", status: "finished", quick: true, seed: 2 });
  const folder = join(dir, "runs/lab-gradient-norms");
  const written = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"));
  expect(written.verdict).toEqual(result.verdict);
  expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("<svg");
  const args = ["run", "gradient-norms", "--quick", "--seed", "2", "--resume", "--json"];
  expect(lastLine((await run(...args)).out)).toMatchObject({ status: "already finished" });
  const other = await run("run", "gradient-norms", "--resume");
  expect(other.code).toBe(2);
  expect(other.err).toMatch(/cannot resume .* with other settings.*quick was true/);
});

it("says which experiments there are", async () => {
  const { code, err } = await run("run", "inceptoin");
  expect(code).toBe(2);
  expect(err).toMatch(/unknown experiment "inceptoin"\. Did you mean "inception"\?/);
});
