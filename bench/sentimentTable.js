// README's table of sentiment figures, made from the committed results: `node bench/sentimentTable.js` prints it.
import { readFileSync } from "node:fs";

const file = new URL("results/sentiment.json", import.meta.url);
const { machine, models, baselines } = JSON.parse(readFileSync(file, "utf8"));
const line = (cells) => `| ${cells.join(" | ")} |`;
const percent = (part) => (100 * part).toFixed(1);
const scores = ({ accuracy, binary }) => [percent(accuracy), percent(binary)];
const lines = [
  line(["Stanford Sentiment Treebank", "5 classes, %", "binary, %", "parameters", "trained in"]),
  line(Array(5).fill("---")),
  ...Object.entries(models).map(([name, row]) =>
    line([name, ...scores(row), row.parameters, `${row.seconds.toFixed(0)} s`]),
  ),
  ...Object.entries(baselines).map(([name, row]) => line([name, ...scores(row), "-", "-"])),
];
const { cpu, cores, node } = machine;
process.stdout.write(
  `${lines.join("\n")}\n\nSeed 1, ${cores} cores of ${cpu.trim()}, Node ${node}.\n`,
);
