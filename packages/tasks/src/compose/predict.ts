import { extname } from "node:path";
import { UserError } from "../errors.ts";
import { checkSampling, type Sampling } from "../language/index.ts";
import { Report } from "../report/index.ts";
import { RunFolder, writeFileAtomic } from "../runFolder.ts";
import type { CommandResult, Extra, PredictOptions, TaskUi } from "../task.ts";
import { counted } from "../wording.ts";
import { notesOf, scoreSvg, warningsOf } from "./abc/score.ts";
import { tuneText } from "./abc/tune.ts";
import { checkHead, type TuneWish, writeTunes } from "./abc/writing.ts";
import { addRoll, addTunes } from "./report.ts";
import { rollText } from "./roll/rolls.ts";
import { knownSteps, rollNotes, writeRoll } from "./roll/writing.ts";
import { loadRunState, type RunState } from "./runState.ts";
import { midiFile } from "./sound/midi.ts";
import type { Note } from "./sound/note.ts";
import { waveFile } from "./sound/wave.ts";

interface PredictExtra extends Sampling {
  readonly key?: string;
  readonly metre?: string;
  readonly title?: string;
  readonly count: number;
  /** Of a roll. */
  readonly length?: number;
  readonly seed: number;
  readonly free?: boolean;
}

/** A piece, ready to be written in every form that it has. */
interface Piece {
  /** As the data are written: ABC, or a line of a roll. */
  readonly text: string;
  readonly title: string;
  readonly notes: readonly Note[];
  /** Missing for rolls: they have no bars to draw. */
  readonly score?: string;
}

/** Composes pieces and writes them as text, or in the form that the file's ending asks for. */
export async function predict(
  dir: string,
  inputs: readonly string[],
  { out, extra }: PredictOptions,
  ui: TaskUi,
): Promise<CommandResult> {
  if (inputs.length > 0) {
    throw new UserError(
      `compose takes no input, received ${inputs.length}: say what to write by --key and --metre.`,
    );
  }
  const wish = wishOf(extra);
  checkSampling(wish);
  const folder = await RunFolder.open(dir);
  const state = await loadRunState(folder);
  checkWish(state, wish, out);
  const { pieces, html, facts } =
    state.form === "abc" ? await tunes(state, wish, ui) : await rolls(state, wish, ui);
  const text = pieces.map((piece) => piece.text).join("\n");
  const paths = out === undefined ? [] : await writePieces(out, pieces, text, html);
  if (out === undefined) ui.write(text);
  for (const path of paths) ui.notice(`written: ${path}`);
  return {
    dir: folder.dir,
    ...(ui.signal.aborted && { status: "interrupted" }),
    text,
    seed: wish.seed,
    ...facts,
    ...(out !== undefined && { paths }),
  };
}

/** Steps of a roll, unless told otherwise. */
const LENGTH = 200;

const forms = [".abc", ".txt", ".mid", ".wav", ".svg", ".html"];

/** Refuses what the model or the form cannot do, before anything is composed. */
function checkWish(state: RunState, { key, metre, length }: PredictExtra, out?: string): void {
  if (state.form === "abc" && length !== undefined) {
    throw new UserError(
      "--length is for piano rolls: a tune in ABC ends where the model ends it; leave it out.",
    );
  }
  if (state.form === "abc")
    checkHead(state.vocabulary, { ...(key && { key }), ...(metre && { metre }) });
  else if (key !== undefined || metre !== undefined) {
    throw new UserError(
      "a model of piano rolls knows neither keys nor metres: leave out --key and --metre.",
    );
  }
  const ending = out === undefined ? ".txt" : extname(out).toLowerCase();
  const known = forms.filter((form) => state.form === "abc" || ![".abc", ".svg"].includes(form));
  if (!known.includes(ending)) {
    throw new UserError(`--out ${out}: the file must end in one of ${known.join(", ")}.`);
  }
}

interface Composed {
  readonly pieces: readonly Piece[];
  readonly html: Report;
  readonly facts: CommandResult;
}

async function tunes(
  { model, vocabulary }: Extract<RunState, { form: "abc" }>,
  wish: PredictExtra,
  ui: TaskUi,
): Promise<Composed> {
  const { length: _, ...asked } = wish;
  const written = await writeTunes(model, vocabulary, { ...asked, signal: ui.signal } as TuneWish);
  const html = new Report({ title: wish.title ?? "Tunes" });
  addTunes(html, written);
  const pieces = written.map((tune, i) => {
    const text = tuneText(tune, i + 1);
    return { text, title: tune.title, notes: notesOf(text), score: scoreSvg(text) };
  });
  const warnings = pieces.flatMap(({ text }) => warningsOf(text));
  for (const warning of warnings) ui.warn(warning);
  const unended = written.filter(({ ended }) => !ended).length;
  if (unended > 0 && !ui.signal.aborted)
    ui.warn(`cut off, since they did not end: ${counted(unended, "tune")}.`);
  return { pieces, html, facts: { tunes: pieces.length, warnings } };
}

async function rolls(
  { model, counts }: Extract<RunState, { form: "roll" }>,
  { count, title = "Piano roll", free, length = LENGTH, ...asked }: PredictExtra,
  ui: TaskUi,
): Promise<Composed> {
  const html = new Report({ title });
  const pieces: Piece[] = [];
  for (let i = 0; i < count; i++) {
    const wish = { ...asked, length, seed: asked.seed + i, signal: ui.signal };
    const known = free ? {} : { known: knownSteps(counts) };
    const roll = await writeRoll(model, { ...wish, ...known });
    addRoll(html, roll);
    pieces.push({ text: `${rollText(roll)}\n`, title, notes: rollNotes(roll) });
  }
  return { pieces, html, facts: { rolls: count, steps: length } };
}

/** Writes all pieces into one file, or one file each where the form holds only one. */
async function writePieces(
  out: string,
  pieces: readonly Piece[],
  text: string,
  html: Report,
): Promise<string[]> {
  const ending = extname(out).toLowerCase();
  if (ending === ".html" || ending === ".abc" || ending === ".txt") {
    await writeFileAtomic(out, ending === ".html" ? html.html() : text);
    return [out];
  }
  const paths: string[] = [];
  for (const [i, piece] of pieces.entries()) {
    const path = pieces.length === 1 ? out : `${out.slice(0, -ending.length)}-${i + 1}${ending}`;
    await writeFileAtomic(path, contentOf(piece, ending));
    paths.push(path);
  }
  return paths;
}

function contentOf({ notes, title, score }: Piece, ending: string): string | Uint8Array {
  if (ending === ".mid") return midiFile(notes, title);
  return ending === ".wav" ? waveFile(notes) : score!;
}

const wishOf = (extra: Extra): PredictExtra => extra as unknown as PredictExtra;
