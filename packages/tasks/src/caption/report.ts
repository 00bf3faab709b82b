import type { Picture } from "../classify/images/pixelTools.ts";
import { pngOf } from "../classify/images/png.ts";
import { resizingTools } from "../classify/images/resizing.ts";
import { RESIZING_WASM } from "../classify/images/resizing.wasm.ts";
import type { Fitted } from "../fitting.ts";
import { escapeHtml, lossCurves, Report } from "../report/index.ts";
import type { Table } from "../table.ts";
import type { CaptionSet } from "./captions.ts";
import type { Description } from "./describing.ts";
import { type CaptionerSpec, GRID } from "./network.ts";
import type { Recipe } from "./recipe.ts";

const { resize } = resizingTools(RESIZING_WASM);

export interface ReportInput {
  readonly set: CaptionSet;
  readonly spec: CaptionerSpec;
  readonly recipe: Recipe;
  readonly fitted: Fitted;
  /** Of the test pictures, in their order. */
  readonly said: readonly Description[];
  /** The nearest training picture of each test picture, and its caption. */
  readonly nearest: readonly { readonly neighbour: number; readonly words: readonly string[] }[];
  readonly table: Table;
  readonly subtitle: string;
  readonly warnings: readonly string[];
  readonly parameters: number;
  readonly command: string;
}

/** Test pictures shown. */
const SHOWN = 20;

/** The HTML report of a training run. */
export function buildReport(input: ReportInput): string {
  const { set, spec, table, subtitle, warnings, command } = input;
  const report = new Report({
    title: `Captions: ${set.title}`,
    subtitle: `${spec.model}: ${subtitle}`,
    notices: warnings.map((text) => ({ kind: "warning" as const, text })),
    footer: command,
  });
  report.section("Results").table(table);
  report.section("Pictures of the test part");
  report.text(
    spec.model === "show-attend"
      ? "Below each picture: for every word where the decoder looked before it wrote the word; bright is much. Beside it what " +
          "people wrote, and what was said of the training picture with the nearest features."
      : "Beside each picture: what people wrote, and what was said of the training picture with the nearest features.",
  );
  for (const i of shownOf(set.test.length)) report.raw(card(input, i));
  report.section("Training");
  addTraining(report, input);
  return report.html();
}

/** Numbers spread evenly over the test part: the choice must not flatter. */
const shownOf = (count: number): number[] =>
  Array.from({ length: Math.min(SHOWN, count) }, (_, i) =>
    Math.floor((i * count) / Math.min(SHOWN, count)),
  );

function card({ set, said, nearest }: ReportInput, i: number): string {
  const { file, picture, captions } = set.pictures[set.test[i]];
  const { words, maps } = said[i];
  const sentence = words.join(" ");
  const neighbour = set.pictures[nearest[i].neighbour];
  const size = "width:8rem;height:8rem";
  return (
    '<div style="display:flex;flex-wrap:wrap;gap:1rem;margin:1.5rem 0 0.5rem">' +
    `<img src="${pngOf(picture)}" alt="${escapeHtml(file)}" style="${size}">` +
    `<div style="flex:1;min-width:15rem"><strong>${escapeHtml(sentence)}</strong>` +
    `<ul style="margin:.3rem 0;font-size:.85rem">${captions.map((c) => `<li>${escapeHtml(c)}</li>`).join("")}</ul></div>` +
    `<div style="width:9rem;font-size:.8rem"><img src="${pngOf(neighbour.picture)}" ` +
    `alt="${escapeHtml(neighbour.file)}" style="width:5rem;height:5rem"><br>nearest: ` +
    `${escapeHtml(nearest[i].words.join(" "))}</div></div>` +
    (maps ? attention(picture, words, maps) : "")
  );
}

function attention(
  picture: Picture,
  words: readonly string[],
  maps: readonly Float32Array[],
): string {
  const looks = words.map((word, k) => {
    const [place, share] = peak(maps[k]);
    const where = `most at row ${Math.floor(place / GRID) + 1}, column ${(place % GRID) + 1} of ${GRID}`;
    const alt = escapeHtml(`${word}: ${where} (${(100 * share).toFixed(0)} %)`);
    return (
      '<figure style="margin:0;width:4.5rem"><img style="width:4.5rem;height:4.5rem" ' +
      `src="${pngOf(lit(picture, maps[k]))}" alt="${alt}">` +
      `<figcaption style="margin:0;font-size:.8rem;text-align:center">${escapeHtml(word)}</figcaption></figure>`
    );
  });
  return `<div style="display:flex;flex-wrap:wrap;gap:.4rem">${looks.join("")}</div>`;
}

const peak = (map: Float32Array): readonly [place: number, share: number] => {
  const share = map.reduce((a, b) => Math.max(a, b));
  return [map.indexOf(share), share];
};

/** The picture, dark where the decoder did not look: from a quarter of the light to all of it at the peak. */
export function lit(picture: Picture, map: Float32Array): Picture {
  const { data, width, height, channels } = picture;
  const [, most] = peak(map);
  const shares = Uint8Array.from(map, (share) => Math.round((255 * share) / most));
  const small = { data: shares, width: GRID, height: GRID, channels: 1 };
  const light = resize(small, width, height).data;
  const area = width * height;
  const pixels = Uint8Array.from({ length: channels * area }, (_, i) =>
    Math.round(data[i] * (0.25 + (0.75 * light[i % area]) / 255)),
  );
  return { data: pixels, width, height, channels };
}

function addTraining(report: Report, input: ReportInput): void {
  const { set, spec, recipe, fitted, parameters } = input;
  const { history, bestEpoch = 0 } = fitted.fit;
  report.plot(
    lossCurves({
      curves: [
        {
          name: spec.model,
          train: history.map(({ metrics }) => metrics.nats),
          validation: history.map(({ validation }) => validation!.nats),
          best: bestEpoch + 1,
        },
      ],
      label: "cross entropy",
      unit: "nats a word",
    }),
    "Training pictures are varied at random and seen with dropout; validation pictures are not. The epoch with the least " +
      "validation loss is kept; the test part takes no part in the choice.",
  );
  report.facts({
    data: set.id,
    "training pictures": set.train.length,
    "validation pictures": set.validation.length,
    "test pictures": set.test.length,
    parts: set.split,
    "words known": spec.words - 3,
    parameters,
  });
  report.facts({
    "word vectors": spec.embedding,
    hidden: spec.hidden,
    dropout: spec.dropout,
    epochs: history.length,
    "best epoch": bestEpoch + 1,
    "pictures a step": recipe.batch,
    "learning rate": recipe.lr,
    "weight decay": recipe.weightDecay,
    seconds: fitted.seconds.toFixed(1),
  });
  if (set.notes.length > 0) report.text(set.notes.map((note) => `- ${note}`).join("\n"));
}
