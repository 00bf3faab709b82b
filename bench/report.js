// Markdown and SVG of a result, for people; the JSON is what everything else reads.
import { bars } from "@tensorlane/tasks/report";

const number = (value, digits) => (value == null ? "-" : value.toFixed(digits));
const ms = (value) => number(value, value < 10 ? 2 : value < 100 ? 1 : 0);

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} lines */
const table = (head, lines) =>
  [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** What was measured, on what, with which versions: every claim repeats it. */
export function machineInWords({ machine }) {
  const { cpu, cores, instructions, node, onnxruntime, pytorch, date } = machine;
  const isa = instructions.length > 0 ? ` (${instructions.join(", ")})` : "";
  const ours = `${cores} cores of ${cpu}${isa}, Node ${node}, ONNX Runtime ${onnxruntime}`;
  const theirs = pytorch
    ? `PyTorch ${pytorch.torch} (${pytorch.reports} by its own report, oneDNN ${pytorch.onednn}, ${pytorch.blas.join(" + ")})`
    : "no PyTorch";
  return `${ours}; ${theirs}; ${date}. ${ratesInWords(machine)}`;
}

/** The most that products, convolutions and copies reach. */
function ratesInWords({ gemmGflops, convGflops, copies = [] }) {
  const products = Object.entries(gemmGflops)
    .filter(([, value]) => value)
    .map(([side, value]) => `${value.toFixed(0)} (${side})`);
  const convolution = convGflops ? `, of a convolution ${convGflops.toFixed(0)}` : "";
  const size = (bytes) => `${bytes / 2 ** 20} MB`;
  const speeds = copies.map(({ bytes, gigabytes }) => `${gigabytes.toFixed(0)} (${size(bytes)})`);
  const copying = speeds.length > 0 ? ` GB/s of copying: ${speeds.join(", ")}.` : "";
  return `GFLOP/s of a 1024 x 1024 matrix product: ${products.join(", ")}${convolution}.${copying}`;
}

const peak = ({ gemmGflops, convGflops = 0 }) =>
  Math.max(gemmGflops.ours, gemmGflops.pytorch ?? 0, convGflops);

const share = (part, whole) => `${((100 * part) / whole).toFixed(0)} %`;

const checkInWords = (check) => {
  if (!check) return "-";
  return check.ok ? check.error.toExponential(0) : `DIFFERENT: ${check.error?.toExponential(1)}`;
};

/** @param {{ machine: any, rows: readonly any[], others?: readonly any[] }} result */
export function benchTable({ machine, rows, others = [] }) {
  const best = peak(machine);
  const lines = rows.map((row) => [
    row.name,
    row.way ? `${row.kind}, ${row.way}` : row.kind,
    ms(row.ours),
    ms(row.pytorch),
    number(row.ratio, 2),
    row.noise === undefined ? "-" : `${(100 * row.noise).toFixed(0)} %`,
    row.gflops ? `${row.gflops.toFixed(0)} (${share(row.gflops, best)})` : "-",
    row.floor ? share(row.floor, row.ours) : "-",
    row.setting ? `${row.setting}; ${row.variant}` : "-",
    checkInWords(row.check),
  ]);
  const head = [
    "row",
    "kind",
    "ours, ms",
    "PyTorch, ms",
    "ratio",
    "±",
    "GFLOP/s (of the most)",
    "of the floor",
  ];
  const parts = [table([...head, "PyTorch's best", "differs by"], lines)];
  if (others.length > 0) {
    const amounts = others.map((row) => [
      row.name,
      row.unit,
      number(row.ours, 1),
      number(row.pytorch, 1),
      number(row.ratio, 2),
    ]);
    parts.push(table(["beside that", "unit", "ours", "PyTorch", "ratio"], amounts));
  }
  return parts.join("\n\n");
}

const timesInWords = ({ name, ours, pytorch, ratio }) =>
  `${name}: ${ms(ours)} ms, PyTorch ${ms(pytorch)} ms, ratio ${number(ratio, 2)}.`;

/** README's shorter table: one line a network, and what is not a network below. @param {{ rows: readonly any[] }} result */
export function readmeTable(result) {
  const networks = result.rows.filter(({ kind }) => kind !== "data");
  const names = [...new Set(networks.map(({ name }) => name))];
  const cells = (name, kind) => {
    const row = result.rows.find((entry) => entry.name === name && entry.kind === kind);
    return row ? [`${ms(row.ours)} / ${ms(row.pytorch)}`, number(row.ratio, 2)] : ["-", "-"];
  };
  const head = ["ms, ours / PyTorch", "training step", "ratio", "inference", "ratio"];
  const lines = names.map((name) => [name, ...cells(name, "train"), ...cells(name, "inference")]);
  const others = result.rows.filter(({ kind }) => kind === "data").map(timesInWords);
  return `${[table(head, lines), ...others, machineInWords(result)].join("\n\n")}\n`;
}

/** @param {any} result */
export const benchMarkdown = (result) =>
  `# Beside PyTorch\n\nWritten by \`npm run bench\`. Ratio: PyTorch's time over ours, above 1 we are faster. ` +
  "Inference by the fastest of the exported file and the graph compiled in place, with constant weights; `replicas`: a copy " +
  "of the network for each core, where that is faster than one on all. The floor is the least time for the row's " +
  "arithmetic at the highest rate measured and for the bytes it must move (bench/floor.js); the share is " +
  "the floor's of our time. Both count a convolution's multiplications as its definition has them: minimal filtering " +
  "needs fewer, hence shares above 100 %.\n\n" +
  `${benchTable(result)}\n\n${machineInWords(result)}\n`;

/** Ratios as bars; nothing where there is none. @param {readonly any[]} rows */
export function benchPlot(rows) {
  const items = rows
    .filter(({ ratio }) => ratio !== null)
    .map(({ name, kind, ratio }) => ({ name: `${name}, ${kind}`, value: ratio }));
  return items.length > 0 ? bars({ items, label: "times as fast as PyTorch" }).wide : undefined;
}

/** @param {Record<string, readonly any[]>} families */
export function scalingMarkdown(families, machine) {
  const parts = Object.entries(families).map(([along, rows]) => {
    const lines = rows.map(({ name, ours, pytorch, ratio }) => [
      name,
      ms(ours),
      ms(pytorch),
      number(ratio, 2),
    ]);
    return `## Along ${along}\n\n${table(["training step", "ours, ms", "PyTorch, ms", "ratio"], lines)}`;
  });
  return `# Scaling of cost\n\nWritten by \`npm run bench -- --scaling\`.\n\n${parts.join("\n\n")}\n\n${machineInWords({ machine })}\n`;
}

/** @param {readonly any[]} peers */
export function peersMarkdown(peers, machine) {
  const lines = peers.map(({ name, kind, library, ours, peer, ratio, cannot }) => [
    name,
    kind,
    library,
    ms(ours),
    cannot ? `cannot: ${cannot}` : ms(peer),
    number(ratio, 1),
  ]);
  const head = ["row", "kind", "library", "ours, ms", "theirs, ms", "ratio"];
  return `# Beside other libraries for JavaScript\n\nWritten by \`npm run bench -- --peers\`.\n\n${table(head, lines)}\n\n${machineInWords({ machine })}\n`;
}
