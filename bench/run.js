#!/usr/bin/env node
// Ours beside PyTorch, in turns. `npm run bench -- --help` says what it can do; bench/README.md how to read it.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { COPIED, floorOf } from "./floor.js";
import { regressions } from "./guard.js";
import { machineFacts } from "./machine.js";
import { measureRow } from "./measure.js";
import { help, readOptions } from "./options.js";
import { measureOthers } from "./others.js";
import { measurePeers } from "./peers/index.js";
import { likely } from "./pytorch/settings.js";
import { benchMarkdown, benchPlot, peersMarkdown, readmeTable, scalingMarkdown } from "./report.js";
import { probes, rows, scaling } from "./rows/index.js";
import { Side } from "./side.js";
import { Peers, pytorchSettings, startOurs } from "./sides.js";

const options = readOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}
const results = fileURLToPath(new URL("results", import.meta.url));
const committed = () => {
  const file = join(results, "bench.json");
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  throw new Error(`no committed result ${file} yet: a full run (npm run bench) writes it`);
};
// Read before anything is measured, so that a missing one does not cost a run.
const before = options.guard ? committed() : undefined;
if (options.table) {
  process.stdout.write(readmeTable(committed()));
  process.exit(0);
}
const say = (line) => process.stderr.write(`${line}\n`);
const folder = mkdtempSync(join(tmpdir(), "tensorlane-bench-"));
const path = join(folder, "row.safetensors");

/** When a quick run has to be through with its rows, so that it ends within 5 minutes even on a busy machine. */
const QUICK_MS = 270_000;
if (options.quick) Side.patience = 60_000;
/** @type {{ name: string, kind: string }[]} */
const notMeasured = [];

/** First the rows by which a quick run chooses PyTorch's settings, last slow ones and those that it misses most easily. */
function inOrder(selected) {
  const rank = ({ row }) => {
    if (Object.values(probes).includes(row.name)) return 0;
    const slow = row.network === "vgg16" || row.steps > 100;
    return slow || row.numLayers > 1 || row.bidirectional ? 2 : 1;
  };
  return selected.toSorted((a, b) => rank(a) - rank(b));
}

async function measureRows(selected, ours, peers) {
  const results = [];
  /** Milliseconds that the slowest row of each family took, so that none is begun that cannot be finished. */
  const longest = {};
  for (const { row, kind } of inOrder(selected)) {
    const start = performance.now();
    if (options.quick && start + (longest[row.family] ?? 0) > QUICK_MS) {
      say(`WARNING: no time left for ${row.name}, ${kind}: not measured`);
      notMeasured.push({ name: row.name, kind });
      continue;
    }
    say(`${row.name}, ${kind}`);
    const sides = peers.for(row);
    const result = await measureRow(row, kind, ours, sides, {
      seconds: options.seconds,
      path,
      say,
    });
    if (options.quick && result.setting) peers.chosen.set(row.family, result.setting);
    say(`  ${inWords(result)}`);
    results.push(result);
    longest[row.family] = Math.max(longest[row.family] ?? 0, performance.now() - start);
  }
  // As they were asked for, which is not how they were measured.
  const place = (result) =>
    selected.findIndex(({ row, kind }) => row.name === result.name && kind === result.kind);
  return results.sort((a, b) => place(a) - place(b));
}

function inWords({ ours, pytorch, ratio, check }) {
  if (pytorch === null) return `ours ${ours.toFixed(2)} ms, nothing to compare with`;
  const numbers = check.ok
    ? "same numbers"
    : `DIFFERENT NUMBERS, off by ${check.error?.toExponential(1)}`;
  return `ours ${ours.toFixed(2)} ms, PyTorch ${pytorch.toFixed(2)} ms: ${ratio.toFixed(2)} x, ${numbers}`;
}

/** What each kind of work reaches at most on this machine; the best of a second. */
async function rateOf(side, what, fields, amount) {
  const { times } = await side.ask(what, { ...fields, seconds: Math.min(1, options.seconds) });
  return amount / Math.min(...times) / 1e6;
}

/** GFLOP/s of a large square product. */
const gemmRate = (side) => rateOf(side, "gemm", { size: 1024 }, 2 * 1024 ** 3);

/** GFLOP/s of a product and a convolution, and GB/s of copies. */
async function ownRates(ours) {
  const image = { batch: 8, channels: 128, size: 28 };
  const flops = 2 * image.batch * image.channels ** 2 * 9 * image.size ** 2;
  const copies = [];
  for (const bytes of COPIED) {
    copies.push({ bytes, gigabytes: await rateOf(ours, "copy", { bytes }, 2 * bytes) });
  }
  return {
    gemm: await gemmRate(ours),
    conv: await rateOf(ours, "convolution", image, flops),
    copies,
  };
}

/** Each row with the least time that it can take, and the work that this is computed from. */
function withFloors(measured, machine) {
  const { gemmGflops, convGflops, copies } = machine;
  const gflops = Math.max(gemmGflops.ours, gemmGflops.pytorch ?? 0, convGflops);
  return measured.map(({ optimizer, work, ...row }) =>
    work ? { ...row, work, floor: floorOf(row.kind, optimizer, work, { gflops, copies }) } : row,
  );
}

/** Cost along one size at a time: training steps only. */
async function measureScaling(ours, peers) {
  const result = {};
  for (const [along, family] of Object.entries(scaling)) {
    const selected = family.map((row) => ({ row, kind: "train" }));
    result[along] = await measureRows(selected, ours, peers);
  }
  return result;
}

async function measure(selected, ours, peers) {
  if (options.scaling) return { scaling: await measureScaling(ours, peers) };
  if (options.peers) {
    return { peers: await measurePeers(ours, { path, say, seconds: options.seconds }) };
  }
  return { rows: await measureRows(selected, ours, peers) };
}

function selectRows() {
  const selected = rows
    .flatMap((row) => (row.kinds ?? ["train", "inference"]).map((kind) => ({ row, kind })))
    .filter(({ row, kind }) => options.rows.test(`${row.name} ${kind}`));
  if (selected.length === 0) throw new Error(`--rows ${options.rows} matches none of the rows`);
  return selected;
}

async function main() {
  const selected = selectRows();
  const ours = startOurs();
  const info = await ours.ask("info");
  const { settings, reference } = pytorchSettings(info.threads, say, options);
  const peers = new Peers(options.quick ? likely(settings) : settings);
  try {
    const measured = await measure(selected, ours, peers);
    const compared = measured.rows ?? Object.values(measured.scaling ?? {}).flat();
    const first = compared.find((row) => row.setting);
    const setting = settings.find(({ name }) => name === first?.setting);
    const peer = first && peers.get(first.setting);
    const facts = machineFacts(info, await peer?.ask("info"));
    const { gemm, conv, copies } = await ownRates(ours);
    const gemmGflops = { ours: gemm, pytorch: peer ? await gemmRate(peer) : null };
    const machine = { ...facts, referenceBlas: reference, gemmGflops, convGflops: conv, copies };
    if (measured.rows) measured.rows = withFloors(measured.rows, machine);
    // Who selects rows, or is in a hurry, does not ask for compile times and start-ups.
    const extra = notMeasured.length > 0 ? { notMeasured } : {};
    if (!measured.rows || (options.quick && !options.others) || !options.everything)
      return { machine, ...measured, ...extra };
    return { machine, ...measured, others: await measureOthers({ path, say, setting }) };
  } finally {
    await peers.end();
    await ours.end();
  }
}

/** What a result is called, and its pages for people. */
function pagesOf(result) {
  const { machine } = result;
  if (result.scaling) {
    const families = Object.values(result.scaling).flat();
    const page = scalingMarkdown(result.scaling, machine);
    return { name: "scaling", pages: { "scaling.md": page, "scaling.svg": benchPlot(families) } };
  }
  if (result.peers) {
    return { name: "peers", pages: { "peers.md": peersMarkdown(result.peers, machine) } };
  }
  const pages = { "bench.md": benchMarkdown(result), "bench.svg": benchPlot(result.rows) };
  return { name: "bench", pages };
}

/** Writes the result for machines and for people. */
function write(result, out) {
  mkdirSync(out, { recursive: true });
  const { name, pages } = pagesOf(result);
  writeFileSync(join(out, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  for (const [file, text] of Object.entries(pages)) {
    if (text === undefined) say(`WARNING: no ratio to draw, ${file} is not written`);
    else writeFileSync(join(out, file), text);
  }
  say(`written: ${join(out, `${name}.json`)}`);
}

try {
  const result = await main();
  const { out = !options.quick && options.everything && !options.guard ? results : undefined } =
    options;
  if (out) write(result, out);
  if (options.guard) {
    const failures = regressions(before.rows, result.rows);
    for (const line of failures) say(`REGRESSION ${line}`);
    if (failures.length > 0) process.exitCode = 1;
    else say("guard: no ratio fell beyond noise");
  }
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(Object.values(pagesOf(result).pages)[0]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
