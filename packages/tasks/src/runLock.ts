import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "./errors.ts";
import { errorCode, unwritable } from "./files.ts";

/** Names the process that trains in a folder. */
const lockFile = ".training";

/** How long a process that was just killed may take to disappear, in milliseconds. */
const DYING = 3000;

async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
  // On Linux a dead process keeps its number until its parent asks for it: state Z, after the name.
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return !/\) [ZX]/.test(status);
}

/** Whether a process still runs after the time that a killed one takes to go. */
async function keepsRunning(pid: number): Promise<boolean> {
  for (let waited = 0; waited < DYING; waited += 100) {
    if (!(await isRunning(pid))) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return true;
}

const mark = (): string => `${process.pid} ${hostname()}`;

/** Takes a folder for this process; what a killed one left is taken over. */
export async function claimFolder(dir: string): Promise<void> {
  const path = join(dir, lockFile);
  const mine = mark();
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await writeFile(path, mine, { flag: "wx" });
      return;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw unwritable(path, error);
    }
    const owner = await readFile(path, "utf8").catch(() => undefined);
    if (owner === mine) return;
    if (owner === undefined) continue;
    const [pid, host] = owner.split(" ");
    if (owner !== "" && (host !== hostname() || (await keepsRunning(Number(pid))))) {
      throw new UserError(
        `another process (${pid} on ${host}) is training in ${dir}; wait for it or choose another ` +
          `--out. If it is gone, remove ${path}.`,
      );
    }
    await rm(path, { force: true });
  }
  throw new UserError(`${dir} is being taken by other processes; try again.`);
}

/** Lets go of a folder that this process took. */
export async function releaseFolder(dir: string): Promise<void> {
  const path = join(dir, lockFile);
  const owner = await readFile(path, "utf8").catch(() => undefined);
  if (owner === mark()) await rm(path, { force: true });
}
