// One row: both sides load the same weights, show the same numbers, and then take turns.
import { compare } from "./check.js";
import { passes } from "./floor.js";

const sorted = (values) => [...values].sort((a, b) => a - b);
/** @param {readonly number[]} values @param {number} q */
export const quantile = (values, q) => {
  const at = (values.length - 1) * q;
  const [low, high] = [Math.floor(at), Math.ceil(at)];
  const list = sorted(values);
  return list[low] + (list[high] - list[low]) * (at - low);
};
export const median = (values) => quantile(values, 0.5);

/**
 * @typedef {import("./side.js").Side} Side
 * @typedef {import("./rows/index.js").Row} Row
 * @typedef {{ seconds: number, path: string, say: (line: string) => void }} Options
 */

/** Milliseconds of a step, the best of a few after one to warm up. */
async function probe(side, fields, seconds) {
  const [first] = await side.time(1, fields);
  const count = Math.max(1, Math.min(5, Math.floor((seconds * 1000) / first)));
  return Math.min(first, ...(await side.time(count, fields)));
}

/** Bytes from which a process is ended: PyTorch keeps what it compiled for a row, up to 4 GB, and there are several. */
const LARGE = 1.5 * 2 ** 30;

/** Lets a side forget its row; its process starts anew when it is needed again. @param {Side} side */
async function letGo(side) {
  await side.ask("close");
  const { bytes } = await side.ask("memory");
  if (bytes > LARGE) await side.end();
}

/** The fastest (side, variant) of all that PyTorch offers for this row; the others are let go. */
async function fastest(peers, row, kind, { seconds, path, say }) {
  let best;
  for (const peer of peers) {
    const { variants } = await peer.ask("load", { row, kind, path });
    for (const variant of variants) {
      const ms = await probe(peer, { variant }, seconds / 10);
      say(`    ${peer.name}, ${variant}: ${ms.toFixed(1)} ms`);
      if (best && ms >= best.ms) continue;
      if (best && best.peer !== peer) await letGo(best.peer);
      best = { peer, variant, ms };
    }
    if (best.peer === peer) await peer.ask("keep", { variant: best.variant });
    else await letGo(peer);
  }
  return best;
}

/** Both in turn, A B A B, each for about as long. */
export async function takeTurns(ours, peer, fields, seconds) {
  const turns = { ours: [], peer: [] };
  const [mine] = await ours.time(1);
  await peer.time(1, fields);
  const budget = seconds * 1000;
  const countFor = (ms) => Math.max(1, Math.min(200, Math.round(budget / 10 / ms)));
  let counts = [countFor(mine), 1];
  const end = performance.now() + budget;
  while (turns.ours.length < 3 || performance.now() < end) {
    turns.ours.push(await ours.time(counts[0]));
    turns.peer.push(await peer.time(counts[1], fields));
    counts = [countFor(median(turns.ours.at(-1))), countFor(median(turns.peer.at(-1)))];
  }
  return turns;
}

/** Half the spread of the middle half of the turns' ratios: what a ratio may differ by without a reason. */
function noiseOf(turns) {
  const ratios = turns.ours.map((times, i) => median(turns.peer[i]) / median(times));
  return (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2 / median(ratios);
}

const FLOPS = 2;

/**
 * @param {Row} row @param {"train" | "inference" | "data"} kind @param {Side} ours
 * @param {readonly Side[]} peers PyTorch under several settings; none where it is not there
 * @param {Options} options
 */
export async function measureRow(row, kind, ours, peers, options) {
  const { seconds, path } = options;
  const { work, way } = await ours.ask("load", { row, kind, path, write: true, seconds });
  const { optimizer } = row;
  const result = {
    name: row.name,
    kind,
    way,
    optimizer,
    work,
    ours: null,
    pytorch: null,
    ratio: null,
  };
  const finish = (times) => {
    result.ours = median(times);
    result.oursMin = Math.min(...times);
    const flops = (work?.macs ?? 0) * FLOPS * passes[kind];
    if (flops > 0) result.gflops = flops / result.oursMin / 1e6;
    return result;
  };
  if (peers.length === 0) {
    await ours.time(1);
    const times = await ours.time(3);
    while (times.reduce((a, b) => a + b) < seconds * 500) times.push(...(await ours.time(3)));
    await ours.ask("close");
    return { ...finish(times), check: null };
  }
  const best = await fastest(peers, row, kind, options);
  const { peer, variant } = best;
  // Timing has trained the network: the numbers are compared on the weights of the file.
  const { variants } = await peer.ask("load", { row, kind, path });
  const others = variants.filter((other) => other !== variant);
  const { tolerance } = row;
  const check = await compare(kind, ours, peer, { variant }, { path, others, tolerance });
  await peer.ask("keep", { variant });
  const turns = await takeTurns(ours, peer, { variant }, seconds);
  await ours.ask("close");
  await letGo(peer);
  finish(turns.ours.flat());
  const theirs = turns.peer.flat();
  result.pytorch = median(theirs);
  result.pytorchMin = Math.min(...theirs);
  result.ratio = result.pytorch / result.ours;
  result.noise = noiseOf(turns);
  return { ...result, turns: turns.ours.length, setting: peer.name, variant, check };
}
