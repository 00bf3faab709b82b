#!/usr/bin/env node
// Committed as plain JavaScript so that the command works right after `npm ci` in a clone, where nothing
// is built yet. In an installed package there are no sources and this only starts dist/main.js.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const cli = dirname(dirname(fileURLToPath(import.meta.url)));

/** Packages that the command is made of, as they lie in a clone. */
const packages = ["core", "tasks", "cli"].map((name) => join(dirname(cli), name));
const inClone = existsSync(join(cli, "src", "main.ts"));
const stampFile = join(cli, "dist", ".built");

/** Changes whenever a source is edited, added or removed: their number and the newest time among them. */
function stampOfSources() {
  let count = 0;
  let newest = 0;
  const see = (path) => {
    count++;
    newest = Math.max(newest, statSync(path).mtimeMs);
  };
  for (const folder of packages) {
    see(join(folder, "tsconfig.json"));
    see(join(folder, "package.json"));
    for (const entry of readdirSync(join(folder, "src"), {
      recursive: true,
      withFileTypes: true,
    })) {
      if (!entry.isFile() || /\.test\.ts$/.test(entry.name)) continue;
      see(join(entry.parentPath ?? entry.path, entry.name));
    }
  }
  return `${count} files, newest ${newest}`;
}

function isBuilt(stamp) {
  const outputs = ["core/dist/index.js", "tasks/dist/index.js", "cli/dist/main.js"];
  if (!outputs.every((path) => existsSync(join(dirname(cli), path)))) return false;
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp;
}

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Runs `body` in one process at a time; others wait, and take over from one that died. */
function exclusively(body) {
  const lock = join(cli, "dist", ".building");
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (ownerIsGone(lock)) rmSync(lock, { force: true });
      else sleep(50);
    }
  }
  try {
    body();
  } finally {
    rmSync(lock, { force: true });
  }
}

function ownerIsGone(lock) {
  try {
    const owner = Number(readFileSync(lock, "utf8"));
    // An empty file: its owner is between creating and writing it.
    if (owner > 0) process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH" || error.code === "ENOENT";
  }
}

/** The compiler's own command, or undefined where development packages are not installed. */
function compiler() {
  try {
    const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
    const { bin } = JSON.parse(readFileSync(manifest, "utf8"));
    return join(dirname(manifest), bin.tsc);
  } catch {
    return undefined;
  }
}

function build() {
  const tsc = compiler();
  if (tsc === undefined) {
    fail("this clone is not built and the TypeScript compiler is missing: run `npm ci` first.");
  }
  exclusively(() => {
    const stamp = stampOfSources();
    if (isBuilt(stamp)) return;
    process.stderr.write("building the TypeScript sources (once, and after changes) ...\n");
    const run = spawnSync(process.execPath, [tsc, "-b", cli], {
      cwd: dirname(dirname(cli)),
      encoding: "utf8",
    });
    if (run.status !== 0) {
      process.stderr.write(`${run.stdout ?? ""}${run.stderr ?? ""}`);
      fail(`building failed${run.error ? `: ${run.error.message}` : "; see the errors above"}.`);
    }
    writeFileSync(stampFile, stamp);
  });
}

class BuildFailure extends Error {}

function fail(message) {
  throw new BuildFailure(message);
}

try {
  // TENSORLANE_BUILD=0: take what is built, however old.
  const mayBuild = inClone && process.env.TENSORLANE_BUILD !== "0";
  if (mayBuild && !isBuilt(stampOfSources())) build();
  const { main } = await import("../dist/main.js");
  // Not process.exit: output that is still on its way into a pipe would be cut off.
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const known = error instanceof BuildFailure;
  process.stderr.write(`error: ${known ? error.message : (error?.stack ?? String(error))}\n`);
  process.exitCode = 1;
}
