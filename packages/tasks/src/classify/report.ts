import type { Fitted } from "../fitting.ts";
import { bars, escapeHtml, heatMap, lossCurves, Report } from "../report/index.ts";
import type { Table } from "../table.ts";
import type { ImageSet } from "./data/set.ts";
import { type Predictions, ranking, type Scores, worstClasses } from "./evaluation.ts";
import type { Picture } from "./images/pixelTools.ts";
import { pngOf } from "./images/png.ts";
import type { PictureSource } from "./images/pool.ts";
import type { Schedule } from "./recipes.ts";

export interface ReportInput {
  readonly set: ImageSet;
  readonly model: string;
  readonly trained: Fitted;
  readonly schedule: Schedule;
  readonly predictions: Predictions;
  readonly scores: Scores;
  readonly table: Table;
  readonly warnings: readonly string[];
  readonly parameters: number;
  readonly command: string;
}

/** Wrong predictions shown as pictures. */
const SHOWN = 24;
/** Classes named in a plot at most: down its side, and slanting below it. */
const NAMED = 43;
const ACROSS = 20;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** The HTML report of a training run. */
export function buildReport(input: ReportInput): string {
  const { set, model, table, warnings, command, scores } = input;
  const report = new Report({
    title: `Classify: ${set.title}`,
    subtitle: `${model}: ${percent(1 - scores.top1Error)} of ${scores.count} test images recognised`,
    notices: warnings.map((text) => ({ kind: "warning" as const, text })),
    footer: command,
  });
  report.section("Results").table(table);
  addClasses(report, scores);
  report.section("Worst mistakes");
  addMistakes(report, input);
  report.section("Training");
  addCurves(report, input);
  report.section("Data and settings");
  addFacts(report, input);
  return report.html();
}

function addClasses(report: Report, scores: Scores): void {
  report.section("Classes");
  const worst = worstClasses(scores).slice(0, NAMED);
  report.plot(
    bars({
      items: worst.map(({ name, accuracy, count }) => ({
        name,
        value: 100 * accuracy,
        note: `of ${count}`,
      })),
      label: "recognised",
      unit: "%",
      digits: 1,
    }),
    "Part of each class's test images that was recognised, the worst class first.",
  );
  const names = scores.classes.map(({ name }) => name);
  const shown = {
    ...(names.length <= NAMED && { rowNames: names }),
    ...(names.length <= ACROSS && { columnNames: names }),
  };
  report.plot(
    heatMap({
      values: scores.confusion.flatMap((row, truth) =>
        // What is right would outshine every mistake.
        row.map((count, guess) => (guess === truth ? Number.NaN : count)),
      ),
      rows: names.length,
      columns: names.length,
      label: "mistakes",
      unit: "images",
      rowLabel: "true class",
      columnLabel: "predicted class",
      ...shown,
    }),
    "Which class (row) was taken for which (column); the diagonal, what is right, is left blank.",
  );
}

function addMistakes(report: Report, { set, predictions, scores }: ReportInput): void {
  if (scores.mistakes.length === 0) {
    report.text("There are none.");
    return;
  }
  const shown = scores.mistakes.filter(
    (row) => "picture" in set.sources[predictions.indices[row]!]!,
  );
  if (shown.length === 0) {
    report.text("The set is too large for memory, so its pictures are not shown here.");
    return;
  }
  report.text("Test images that the network was surest about and wrong.");
  const cards = shown.slice(0, SHOWN).map((row) => {
    const index = predictions.indices[row]!;
    const truth = set.classes[set.labels[index]!]!;
    const [guess = 0] = ranking(predictions, row);
    const sure = predictions.probabilities[row * predictions.classes + guess]!;
    const words = `${set.classes[guess]} (${percent(sure)}), truly ${truth}`;
    const { picture } = set.sources[index] as Extract<PictureSource, { picture: Picture }>;
    return (
      `<div style="width:8.5rem"><img src="${pngOf(picture)}" alt="${escapeHtml(`${set.nameOf(index)}: ${words}`)}" ` +
      'style="width:8.5rem;height:8.5rem;object-fit:contain;image-rendering:pixelated">' +
      `<p style="margin:.2rem 0 0;font-size:.8rem"><strong>${escapeHtml(set.classes[guess]!)}</strong> ${percent(sure)}<br>` +
      `truly ${escapeHtml(truth)}<br>${escapeHtml(set.nameOf(index))}</p></div>`
    );
  });
  report.raw(`<div style="display:flex;flex-wrap:wrap;gap:1rem">${cards.join("")}</div>`);
}

function addCurves(report: Report, { model, trained: { fit } }: ReportInput): void {
  const best = (fit.bestEpoch ?? 0) + 1;
  report.plot(
    lossCurves({
      curves: [
        {
          name: model,
          train: fit.history.map(({ loss }) => loss),
          validation: fit.history.map(({ validation }) => validation!.loss!),
          best,
        },
      ],
      label: "cross entropy",
      log: true,
    }),
    "Training pictures are varied at random and seen while the weights still change; validation pictures are not.",
  );
  const percents = (share: number | undefined) => 100 * (share ?? Number.NaN);
  report.plot(
    lossCurves({
      curves: [
        {
          name: model,
          train: fit.history.map(({ metrics }) => percents(metrics.error)),
          validation: fit.history.map(({ validation }) => percents(validation?.error)),
          best,
        },
      ],
      label: "error",
      unit: "%",
    }),
    "The epoch with the least validation error is kept; the test part takes no part in the choice.",
  );
}

function addFacts(report: Report, input: ReportInput): void {
  const { set, model, trained, schedule, parameters } = input;
  report.facts({
    data: set.id,
    classes: set.classes.length,
    "training images": set.train.length,
    "validation images": set.validation.length,
    "test images": set.test.length,
    "validation part": set.split,
    skipped: set.skipped.length,
  });
  report.facts({
    model,
    parameters,
    epochs: trained.fit.history.length,
    "best epoch": (trained.fit.bestEpoch ?? 0) + 1,
    optimiser: schedule.optimizer,
    "highest rate": schedule.lr,
    batch: schedule.batch,
    "weight decay": schedule.weightDecay,
    seconds: trained.seconds.toFixed(1),
  });
  const notes = set.notes.map((note) => `- ${note}`);
  const skipped = set.skipped
    .slice(0, 50)
    .map(({ path, reason }) => `- skipped ${path}: ${reason}`);
  if (notes.length + skipped.length > 0) report.text([...notes, ...skipped].join("\n"));
}
