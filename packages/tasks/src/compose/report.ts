import type { FitResult } from "tensorlane";
import { escapeHtml, lossCurves, Report } from "../report/index.ts";
import { notesOf, scoreSvg } from "./abc/score.ts";
import { tuneText } from "./abc/tune.ts";
import { type WrittenTune, writeTunes } from "./abc/writing.ts";
import { type Evaluation, SAMPLING } from "./evaluation.ts";
import type { Recipe } from "./recipe.ts";
import { rollFigure } from "./roll/figure.ts";
import type { Roll } from "./roll/rolls.ts";
import { knownSteps, rollNotes, writeRoll } from "./roll/writing.ts";
import type { RunState } from "./runState.ts";
import type { Note } from "./sound/note.ts";
import { waveFile } from "./sound/wave.ts";

export interface ReportInput {
  readonly recipe: Recipe;
  readonly fit: FitResult;
  readonly parameters: number;
  readonly seconds: number;
  readonly title: string;
  readonly warnings: readonly string[];
  readonly command: string;
  readonly state: RunState;
  readonly evaluation: Evaluation;
}

/** Pieces shown, and steps of a roll. */
const [SHOWN, ROLL_STEPS] = [4, 160];

/** The HTML report of a training run, with pieces to read and to hear. */
export async function buildReport(input: ReportInput): Promise<string> {
  const { recipe, fit, parameters, seconds, title, warnings, command, state, evaluation } = input;
  const { model, memory, rows, steps, epochs, lr, optimizer } = recipe;
  const report = new Report({
    title: `Compose: ${title}`,
    subtitle: `${model.kind}, against ${state.form === "abc" ? "counting" : "simple rules and published results"}`,
    notices: warnings.map((text) => ({ kind: "warning" as const, text })),
    footer: command,
  });
  report.section("Results");
  for (const table of evaluation.tables) report.table(table);
  report.section("Pieces it wrote");
  if (state.form === "abc") {
    const wish = { ...SAMPLING, count: SHOWN };
    addTunes(report, await writeTunes(state.model, state.vocabulary, wish));
  } else {
    const wish = { ...SAMPLING, length: ROLL_STEPS, known: knownSteps(state.counts) };
    addRoll(report, await writeRoll(state.model, wish));
  }
  report.section("Training").plot(
    lossCurves({
      curves: [
        {
          name: model.kind,
          train: fit.history.map(({ loss }) => loss),
          validation: fit.history.map(({ validation }) => validation!.loss!),
          best: (fit.bestEpoch ?? 0) + 1,
        },
      ],
      label: state.form === "abc" ? "cross entropy per token" : "negative log-likelihood per step",
      unit: "nats",
    }),
    "Training is measured with dropout, validation without. The epoch with the least validation loss is kept; the test part takes no part in the choice.",
  );
  report.section("Settings").facts({
    layers: `${model.layers} x ${model.hidden}`,
    dropout: model.dropout,
    "weight dropout": model.weightDropout,
    ...(memory > 0 && { "steps recalled": memory }),
    parameters,
    "pieces x steps": `${rows} x ${steps}`,
    epochs,
    optimizer,
    "learning rate": lr,
    seconds: seconds.toFixed(1),
  });
  return report.html();
}

/** Tunes as scores that can be heard, with their ABC below. */
export function addTunes(report: Report, tunes: readonly WrittenTune[]): void {
  for (const tune of tunes) {
    const abc = tuneText(tune);
    report.raw(`<figure>${scoreSvg(abc)}${player(notesOf(abc))}</figure>`);
    report.raw(
      `<details><summary>ABC</summary><pre style="white-space:pre-wrap">${escapeHtml(abc)}</pre></details>`,
    );
  }
}

/** A roll as a picture that can be heard. */
export function addRoll(report: Report, roll: Roll): void {
  report.plot(rollFigure(roll), "Keys that sound in each step; written from silence.");
  report.raw(player(rollNotes(roll)));
}

/** Seconds that a page plays: the sound is part of it, 43 kB a second. */
export const PLAYED = 90;

/** A player of the sound's beginning, and how much that is where it is not all. */
export function player(notes: readonly Note[]): string {
  const played = notes
    .filter(({ start }) => start < PLAYED)
    .map((note) => ({ ...note, seconds: Math.min(note.seconds, PLAYED - note.start) }));
  const end = notes.reduce((last, { start, seconds }) => Math.max(last, start + seconds), 0);
  const sound = Buffer.from(waveFile(played)).toString("base64");
  return (
    `<audio controls preload="metadata" src="data:audio/wav;base64,${sound}"></audio>` +
    (end > PLAYED
      ? `<p>The first ${PLAYED} of ${Math.round(end)} seconds; a file by <code>--out piece.wav</code> has all.</p>`
      : "")
  );
}
