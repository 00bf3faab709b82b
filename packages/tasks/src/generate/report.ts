import {
  type LanguageModel,
  probabilities,
  StepModel,
  type Vocabulary,
} from "../language/index.ts";
import { escapeHtml, heatMap, lossCurves, Report } from "../report/index.ts";
import type { Table } from "../table.ts";
import { cellStates } from "./cells.ts";
import { plural, shareOfUnknown, type Text } from "./corpus.ts";
import type { Recipe } from "./recipe.ts";
import type { Trained } from "./training.ts";
import { defaultPrompt, samples } from "./writing.ts";

export interface ReportInput {
  readonly text: Text;
  readonly recipe: Recipe;
  readonly trained: Trained;
  readonly seconds: number;
  readonly table: Table;
  readonly warnings: readonly string[];
  readonly command: string;
}

/** Tokens of a sample, and of the passage whose surprises are shown. */
const SAMPLE = { character: 600, word: 150 } as const;

/** How the samples of a report are drawn. */
const drawings = [
  { label: "temperature 0.5", temperature: 0.5 },
  { label: "temperature 0.8", temperature: 0.8 },
  { label: "temperature 1", temperature: 1 },
  { label: "temperature 1, nucleus of 0.9", temperature: 1, topP: 0.9 },
] as const;

/** The HTML report of a training run. */
export async function buildReport(input: ReportInput): Promise<string> {
  const { text, recipe, trained, seconds, table, warnings, command } = input;
  const { vocabulary, source, ids, split } = text;
  const report = new Report({
    title: `Generate: ${source.title}`,
    subtitle: `${recipe.model.kind} over ${plural(vocabulary.unit)}, against counting and published results`,
    notices: warnings.map((warning) => ({ kind: "warning" as const, text: warning })),
    footer: command,
  });
  report.section("Results").table(table);
  report.section("Samples");
  await addSamples(report, trained.model, vocabulary);
  report.section("What surprises the model");
  await addSurprises(report, input);
  report.section("What single units keep track of");
  await addCells(report, input);
  report.section("Training");
  const { fit } = trained;
  report.plot(
    lossCurves({
      curves: [
        {
          name: recipe.model.kind,
          train: fit.history.map(({ loss }) => loss),
          validation: fit.history.map(({ validation }) => validation!.loss!),
          best: (fit.bestEpoch ?? 0) + 1,
        },
      ],
      label: `cross entropy per ${vocabulary.unit}`,
      unit: "nats",
    }),
    "Training is measured with dropout, validation without. The epoch with the least validation loss is kept; the test part takes no part in the choice.",
  );
  const parts = { training: split.train, validation: split.validation, test: split.test };
  report.section("Data and settings").facts({
    data: source.id,
    [plural(vocabulary.unit)]: ids.length,
    different: vocabulary.size,
    ...Object.fromEntries(
      Object.entries(parts).map(([name, { start, end }]) => [name, end - start]),
    ),
    ...(vocabulary.unknown !== undefined && {
      "unknown words": `${(100 * shareOfUnknown(text)).toFixed(2)} %`,
    }),
  });
  const { model, rows, steps, epochs, lr } = recipe;
  report.facts({
    layers: `${model.layers} x ${model.hidden}`,
    input: model.embedding > 0 ? `vectors of ${model.embedding}` : "one-hot",
    ...(model.softmax && { softmax: model.softmax }),
    dropout: `${model.dropout}${model.variational ? ", one mask a window" : ""}`,
    "weight dropout": model.weightDropout,
    parameters: trained.parameters,
    "streams x steps": `${rows} x ${steps}`,
    epochs,
    "learning rate": lr,
    seconds: seconds.toFixed(1),
  });
  for (const note of source.notes) report.text(note);
  return report.html();
}

async function addSamples(
  report: Report,
  model: LanguageModel,
  vocabulary: Vocabulary,
): Promise<void> {
  const length = SAMPLE[vocabulary.unit];
  const prompt = defaultPrompt(vocabulary);
  const wishes = drawings.map(({ label: _, ...how }) => ({ prompt, length, seed: 1, ...how }));
  const texts = await samples(model, vocabulary, wishes);
  for (const [i, { label }] of drawings.entries()) {
    report.raw(`<h3>${escapeHtml(label)}</h3>${passage(escapeHtml(texts[i]!))}`);
  }
}

/** A passage of the test part, each token shaded by how many bits it came as a surprise. */
async function addSurprises(report: Report, { text, trained }: ReportInput): Promise<void> {
  const { ids, split, vocabulary } = text;
  const length = Math.min(SAMPLE[vocabulary.unit], split.test.end - split.test.start);
  const from = Math.max(1, split.test.start);
  const step = await StepModel.create(trained.model);
  const marks: string[] = [];
  // Read from a little before, so that the first tokens are not surprises by themselves.
  for (let at = Math.max(1, from - 200); at < Math.min(from + length, split.test.end); at++) {
    const logits = await step.next([ids[at - 1]!]);
    if (at < from) continue;
    const bits = -Math.log2(probabilities(logits)[ids[at]!]!);
    const token = vocabulary.tokens[ids[at]!]!;
    marks.push(tinted("var(--shade)", Math.min(80, 8 * bits), `${bits.toFixed(1)} bits`, token));
  }
  step.release();
  report.text("The beginning of the test part: the darker, the less the model expected it.");
  report.raw(passage(marks.join("")));
}

/** Tokens over which units are compared; only the first ones are shown. */
const COMPARED = 2000;

/** The units that follow something in the text, and the text in the colours of their states. */
async function addCells(report: Report, { text, trained }: ReportInput): Promise<void> {
  const { ids, split, vocabulary } = text;
  const { start, end } = split.test;
  const part = ids.subarray(start, Math.min(start + COMPARED, end));
  const { followers, map } = await cellStates(trained.model, vocabulary, part);
  const shown = Math.min(SAMPLE[vocabulary.unit], part.length);
  for (const { what, unit, correlation, states } of followers) {
    report.text(`**${unit}** follows ${what}: correlation ${correlation.toFixed(2)}.`);
    const largest = Math.max(...states.map(Math.abs)) || 1;
    const spans = states.slice(0, shown).map((state, at) => {
      const colour = state > 0 ? "var(--series-2)" : "var(--series-1)";
      const title = state.toFixed(2);
      return tinted(colour, (70 * Math.abs(state)) / largest, title, vocabulary.tokens[part[at]!]!);
    });
    report.raw(passage(spans.join("")));
  }
  report.plot(
    heatMap({
      values: map.names.flatMap((_, row) => [
        ...map.values.subarray(row * part.length, row * part.length + shown),
      ]),
      rows: map.names.length,
      columns: shown,
      label: "state",
      rowLabel: "unit",
      columnLabel: vocabulary.unit,
      rowNames: map.names,
      center: 0,
    }),
    "States of the units that follow the position in the line most closely, along the same passage.",
  );
}

/** A token on a background of so many percent of a colour. */
const tinted = (colour: string, percent: number, title: string, token: string): string =>
  `<span style="background:color-mix(in srgb,${colour} ${percent.toFixed(0)}%,transparent)" ` +
  `title="${title}">${escapeHtml(token)}</span>`;

const passage = (html: string): string =>
  `<pre style="white-space:pre-wrap;background:var(--soft);padding:0.75rem 1rem">${html}</pre>`;
