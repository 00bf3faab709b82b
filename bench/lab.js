#!/usr/bin/env node
// Measures experiments of the lab in full, keeps their results, and writes docs/lab.md from all that are kept.
//
//   npm run bench:lab -- degradation vanishing     (some need the network, or TENSORLANE_DATA_MIRROR)
//   npm run bench:lab -- degradation --out DIR     (goes on with the experiments that DIR holds)
//   npm run bench:lab                              (only writes the page)
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { experimentById, experiments, labPage } from "@tensorlane/tasks/lab";
import { runIn } from "./command.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const command = join(root, "packages/cli/bin/tensorlane.js");
const kept = (id) => join(root, `bench/results/lab/${id}.json`);

const ids = process.argv.slice(2);
const at = ids.indexOf("--out");
const given = at < 0 ? undefined : ids.splice(at, 2)[1];
const folder = given ?? mkdtempSync(join(tmpdir(), "tensorlane-lab-"));
for (const id of ids) {
  const out = join(folder, experimentById(id).id);
  const line = ["lab", "run", id, ...runIn(out)];
  const { status } = spawnSync(process.execPath, [command, ...line], { stdio: "inherit" });
  if (status !== 0) throw new Error(`${id} ended with status ${status}`);
  copyFileSync(join(out, "results.json"), kept(id));
}
if (given === undefined) rmSync(folder, { recursive: true, force: true });

const entries = experiments.map((experiment) => {
  const path = kept(experiment.id);
  const record = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
  return { experiment, record };
});
writeFileSync(join(root, "docs/lab.md"), labPage(entries));
