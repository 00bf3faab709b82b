// What is not a step: compiling, peak memory, start-up. Each in fresh processes.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { rows } from "./rows/index.js";
import { python, startOurs, startPytorch } from "./sides.js";

const rowOf = (name) => rows.find((row) => row.name === name);
const compiled = ["ResNet-50 (4)", "LSTM T50 N64 I128 H256", "LSTM T500 N64 I128 H256"].map(rowOf);
const weighed = ["AlexNet (8)", "ResNet-50 (4)", "LSTM T100 N64 I128 H256"].map(rowOf);
const STEPS = 4;
const STARTS = 5;

/** Trace, gradient and session, the fastest of a few fresh processes. PyTorch's eager mode compiles nothing. */
async function compileTime(row, { path }) {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < STARTS; i++) {
    const ours = startOurs();
    await ours.ask("load", { row, kind: "train", path, write: true });
    best = Math.min(best, (await ours.ask("compile")).ms);
    await ours.end();
  }
  const name = `compile the training step of ${row.name}`;
  return { name, unit: "ms", ours: best, pytorch: null, ratio: null };
}

/** The most that a process held at a time while it trained, weights read from a file. */
async function peakMemory(row, { path, setting }) {
  const writer = startOurs();
  await writer.ask("load", { row, kind: "train", path, write: true });
  await writer.end();
  const peakOf = async (side, fields) => {
    await side.ask("load", { row, kind: "train", path });
    await side.ask("time", { count: STEPS, ...fields });
    const { bytes } = await side.ask("memory");
    await side.end();
    return bytes / 2 ** 20;
  };
  const ours = await peakOf(startOurs(), {});
  const variant = "contiguous eager";
  const pytorch = setting ? await peakOf(startPytorch(setting), { variant }) : null;
  const ratio = pytorch && pytorch / ours;
  return { name: `peak memory training ${row.name}`, unit: "MiB", ours, pytorch, ratio };
}

/** From nothing to a first result and the end of the process, the fastest of a few. */
function startUp({ setting }) {
  const cli = fileURLToPath(new URL("../packages/cli/bin/tensorlane.js", import.meta.url));
  const root = fileURLToPath(new URL("..", import.meta.url));
  const sum =
    'import { evaluate, ops, tensor } from "tensorlane"; await evaluate(ops.sum(tensor([1, 2], [2])));';
  const script = (code) => [process.execPath, ["--input-type=module", "-e", code]];
  const commands = {
    library: script('import "tensorlane";'),
    result: script(sum),
    cli: [process.execPath, [cli, "--version"]],
    ...(setting && {
      torch: [python, ["-c", "import torch"]],
      torchResult: [python, ["-c", "import torch; torch.tensor([1., 2.]).sum()"]],
    }),
  };
  const best = {};
  for (let i = 0; i < STARTS; i++) {
    for (const [name, [command, args]] of Object.entries(commands)) {
      const start = performance.now();
      const env = { ...process.env, TENSORLANE_BUILD: "0", ...setting?.env };
      const { status, stderr } = spawnSync(command, args, { cwd: root, env, encoding: "utf8" });
      if (status !== 0) throw new Error(`start-up of ${name} failed: ${stderr}`);
      best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, performance.now() - start);
    }
  }
  const row = (name, ours, pytorch = null) => {
    return { name, unit: "ms", ours, pytorch, ratio: pytorch && pytorch / ours };
  };
  return [
    row("start: import the library", best.library, best.torch),
    row("start: until a first result", best.result, best.torchResult),
    row("start: tensorlane --version, beside import torch", best.cli, best.torch),
  ];
}

/**
 * @param {{ path: string, say: (line: string) => void, setting?: import("./pytorch/settings.js").Setting }} context
 */
export async function measureOthers(context) {
  const results = [];
  for (const row of compiled) results.push(await compileTime(row, context));
  for (const row of weighed) results.push(await peakMemory(row, context));
  results.push(...startUp(context));
  for (const { name, unit, ours, pytorch } of results) {
    const theirs = pytorch === null ? "" : `, PyTorch ${pytorch.toFixed(0)} ${unit}`;
    context.say(`${name}: ${ours.toFixed(0)} ${unit}${theirs}`);
  }
  return results;
}
