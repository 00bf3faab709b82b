#!/usr/bin/env node
// Ours beside PyTorch, in turns. `npm run bench -- --help` says what it can do; bench/README.md how to read it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machineFacts } from "./machine.js";
import { measureRow, median } from "./measure.js";
import { help, readOptions } from "./options.js";
import { probes, rows } from "./rows/index.js";
import { pytorchSettings, startOurs, startPytorch } from "./sides.js";

const options = readOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}
const say = (line) => process.stderr.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
const path = join(folder, "row.safetensors");

/** PyTorch's processes, one for each setting, started when they are first needed. */
class Peers {
  /** @param {readonly import("./pytorch/settings.js").Setting[]} settings */
  constructor(settings) {
    this.settings = settings;
    /** @type {Map<string, import("./side.js").Side>} */
    this.sides = new Map();
    /** @type {Map<string, string>} the chosen setting's name by family, in a quick run */
    this.chosen = new Map();
  }

  all() {
    return this.settings.map((setting) => {
      const side = this.sides.get(setting.name) ?? startPytorch(setting);
      this.sides.set(setting.name, side);
      return side;
    });
  }

  /** @param {import("./rows/index.js").Row} row */
  for(row) {
    const name = this.chosen.get(row.family);
    return name ? [this.sides.get(name)] : this.all();
  }

  async end() {
    for (const side of this.sides.values()) await side.end();
  }
}

/** The rows, those first by which a quick run chooses PyTorch's settings. */
function inOrder(selected) {
  const isProbe = ({ row }) => Object.values(probes).includes(row.name);
  return [...selected.filter(isProbe), ...selected.filter((entry) => !isProbe(entry))];
}

async function measureRows(selected, ours, peers) {
  const results = [];
  for (const { row, kind } of inOrder(selected)) {
    say(`${row.name}, ${kind}`);
    const sides = peers.for(row);
    const result = await measureRow(row, kind, ours, sides, { seconds: options.seconds, path, say });
    if (options.quick && result.setting) peers.chosen.set(row.family, result.setting);
    say(`  ${inWords(result)}`);
    results.push(result);
  }
  return results.sort((a, b) => order(a) - order(b));
}
const order = ({ name, kind }) =>
  2 * rows.findIndex((row) => row.name === name) + (kind === "train" ? 0 : 1);

function inWords({ ours, pytorch, ratio, check }) {
  if (pytorch === null) return `ours ${ours.toFixed(2)} ms, nothing to compare with`;
  const numbers = check.ok ? "same numbers" : `DIFFERENT NUMBERS, off by ${check.error.toExponential(1)}`;
  return `ours ${ours.toFixed(2)} ms, PyTorch ${pytorch.toFixed(2)} ms: ${ratio.toFixed(2)} x, ${numbers}`;
}

/** GFLOP/s of a large square product: the most that either side's library reaches on this machine. */
async function gemmPeak(side) {
  const size = 2048;
  const { times } = await side.ask("gemm", { size, count: 8 });
  return (2 * size ** 3) / Math.min(...times) / 1e6;
}

async function main() {
  const selected = rows
    .flatMap((row) => ["train", "inference"].map((kind) => ({ row, kind })))
    .filter(({ row, kind }) => options.rows.test(`${row.name} ${kind}`));
  if (selected.length === 0) throw new Error(`--rows ${options.rows} matches none of the rows`);
  const ours = startOurs();
  const info = await ours.ask("info");
  const { settings, reference } = pytorchSettings(info.threads, say, options);
  const peers = new Peers(settings);
  try {
    const results = await measureRows(selected, ours, peers);
    const peer = peers.sides.get(results.find(({ setting }) => setting)?.setting);
    const facts = machineFacts(info, await peer?.ask("info"));
    const gemm = { ours: await gemmPeak(ours), pytorch: peer ? await gemmPeak(peer) : null };
    return { machine: { ...facts, referenceBlas: reference, gemmGflops: gemm }, rows: results };
  } finally {
    await peers.end();
    await ours.end();
  }
}

try {
  const result = await main();
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
