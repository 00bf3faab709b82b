import type { data } from "tensorlane";
import { escapeHtml } from "../report/index.ts";
import { CLASSES } from "./treebank.ts";

/** Colour of a judgement: from orange (negative) over grey to blue (positive). */
const colors = ["#c04f00", "#e5a06f", "#9aa3ad", "#6fa9d1", "#0067a8"] as const;
const signs = ["--", "-", "0", "+", "++"] as const;

const ROW = 34;
const RADIUS = 11;
const WORD_GAP = 14;
/** Mean advance of a letter at 12 pixels; a generous one, since the reader's font is not known. */
const LETTER = 6.9;

/**
 * A tree as SVG, the root on top and the words in a row below, every node with the class that the network
 * gives it (`judged`, by node); a dashed ring marks those where the data have another label.
 */
export function drawTree(tree: data.BinaryTree, judged: readonly number[]): string {
  const { words, left, right, labels } = tree;
  const heights = words.map(() => 0);
  const x: number[] = [];
  let end = 0;
  for (const word of words) {
    const width = Math.max(2 * RADIUS, word.length * LETTER);
    x.push(end + width / 2);
    end += width + WORD_GAP;
  }
  for (const [i, child] of left.entries()) {
    heights.push(1 + Math.max(heights[child], heights[right[i]]));
    x.push((x[child] + x[right[i]]) / 2);
  }
  const top = heights.at(-1)!;
  const y = heights.map((height) => (top - height) * ROW + RADIUS + 2);
  const lines = [...left.entries()].flatMap(([i, child]) =>
    [child, right[i]].map((to) => line(x[words.length + i], y[words.length + i], x[to], y[to])),
  );
  const nodes = judged.map((said, node) => circle(x[node], y[node], said, labels[node]));
  const [width, height] = [Math.ceil(end), top * ROW + 2 * RADIUS + 24];
  const texts = words.map(
    (word, i) =>
      `<text x="${x[i].toFixed(1)}" y="${height - 6}" text-anchor="middle" font-size="12" fill="var(--ink,#16191d)">${escapeHtml(word)}</text>`,
  );
  const alt = `Parse tree of "${words.join(" ")}", judged ${CLASSES[judged.at(-1)!]}`;
  return (
    `<div class="scroll" tabindex="0"><svg role="img" aria-label="${escapeHtml(alt)}" width="${width}" ` +
    `height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif">` +
    `${lines.join("")}${nodes.join("")}${texts.join("")}</svg></div>`
  );
}

const line = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1}" x2="${x2.toFixed(1)}" y2="${y2}" stroke="var(--grid,#e3e6ea)" stroke-width="1.5"/>`;

function circle(x: number, y: number, said: number, truth: number): string {
  const wrong = truth >= 0 && truth !== said;
  const title = `${CLASSES[said]}${wrong ? `; the data say ${CLASSES[truth]}` : ""}`;
  const ring = wrong ? ` stroke="var(--ink,#16191d)" stroke-width="2" stroke-dasharray="3 2"` : "";
  return (
    `<g><title>${title}</title><circle cx="${x.toFixed(1)}" cy="${y}" r="${RADIUS}" fill="${colors[said]}"${ring}/>` +
    `<text x="${x.toFixed(1)}" y="${y + 4}" text-anchor="middle" font-size="11" fill="${said === 1 || said === 2 || said === 3 ? "#16191d" : "#ffffff"}">${signs[said]}</text></g>`
  );
}
