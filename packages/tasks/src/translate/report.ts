import type { Fitted } from "../fitting.ts";
import { tokensOf } from "../language/index.ts";
import { heatMap, lossCurves, Report } from "../report/index.ts";
import type { Table } from "../table.ts";
import type { PairSet } from "./pairs.ts";
import type { Scores } from "./scores.ts";
import type { Recipe, Translator } from "./translator.ts";
import type { Written } from "./writing.ts";

export interface ReportInput {
  readonly set: PairSet;
  readonly network: Translator;
  readonly recipe: Recipe;
  readonly trained: Fitted;
  readonly written: readonly Written[];
  readonly scores: Scores;
  readonly tables: readonly Table[];
  readonly warnings: readonly string[];
  readonly parameters: number;
  readonly command: string;
}

/** Test sources whose attention is drawn, and mistakes that are listed. */
const [MAPS, MISTAKES] = [4, 20];

/** The HTML report of a training run. */
export function buildReport(input: ReportInput): string {
  const { set, network, scores, tables, warnings, command } = input;
  const report = new Report({
    title: `Translate: ${set.title}`,
    subtitle: `${network.spec.model}: ${(100 * scores.exact).toFixed(2)} % of ${scores.pairs} test sources right to the last letter`,
    notices: warnings.map((text) => ({ kind: "warning" as const, text })),
    footer: command,
  });
  report.section("Results");
  for (const table of tables) report.table(table);
  addAttention(report, input);
  addMistakes(report, input);
  report.section("Training");
  addTraining(report, input);
  return report.html();
}

function addAttention(report: Report, { set, network, written }: ReportInput): void {
  if (!network.attention) return;
  report.section("Where the decoder looked");
  for (const [i, { text, looked }] of written.slice(0, MAPS).entries()) {
    if (!looked) continue;
    const { source } = set.test[i];
    report.plot(
      heatMap({
        values: looked.flat(),
        rows: looked.length,
        columns: looked[0].length,
        label: "weight",
        rowLabel: "written",
        columnLabel: "read",
        rowNames: numbered([...tokensOf(text, network.spec.unit).map(visible), "end"]),
        columnNames: numbered([...source].map(visible)),
      }),
      `\`${source}\` was written as \`${text}\`: each row is a written token, each column a character of the source.`,
    );
  }
}

const visible = (token: string): string => (token === " " ? "␣" : token.trim());

/** Names that differ, as the axes need: the place stands behind each. */
const numbered = (names: readonly string[]): string[] => names.map((name, i) => `${name} ${i + 1}`);

function addMistakes(report: Report, { set, written }: ReportInput): void {
  const wrong = set.test.flatMap(({ source, target }, i) =>
    written[i].text === target ? [] : [{ source, target, text: written[i].text }],
  );
  report.section("Mistakes");
  report.text(
    wrong.length === 0
      ? "None in the test part."
      : `${wrong.length} of the test part; the first ${Math.min(wrong.length, MISTAKES)}:`,
  );
  if (wrong.length === 0) return;
  report.table({
    columns: [
      { key: "source", label: "source" },
      { key: "target", label: "right" },
      { key: "text", label: "written" },
    ],
    rows: wrong.slice(0, MISTAKES).map((cells) => ({ cells })),
  });
}

function addTraining(report: Report, input: ReportInput): void {
  const { set, network, recipe, trained, parameters } = input;
  const { history, bestEpoch = 0 } = trained.fit;
  report.plot(
    lossCurves({
      curves: [
        {
          name: network.spec.model,
          train: history.map(({ loss }) => loss),
          validation: history.map(({ validation }) => 1 - validation!.exact),
          best: bestEpoch + 1,
        },
      ],
      label: "cross entropy of a token; share of texts that are not right",
      unit: "nats",
      log: false,
    }),
    "Training: mean cross entropy of a token, more and more of them behind the network's own tokens. Validation: texts " +
      "that it writes by itself and not right to the last letter. The epoch with the fewest is kept, of equal ones that with " +
      "the fewest wrong letters; the test part takes no part in the choice.",
  );
  report.facts({
    data: set.id,
    "training pairs": set.train.length,
    "validation pairs": set.validation.length,
    "test pairs": set.test.length,
    parameters,
    hidden: network.spec.hidden,
    embedding: network.spec.embedding,
    epochs: history.length,
    "best epoch": bestEpoch + 1,
    batch: recipe.batch,
    "learning rate": recipe.lr,
    "teacher forcing at the end": recipe.teacherForcing,
    seconds: trained.seconds.toFixed(1),
  });
  report.text(set.notes.map((note) => `- ${note}`).join("\n"));
}
