import type { Fitted } from "../fitting.ts";
import { heatMap, lossCurves, Report } from "../report/index.ts";
import type { Table } from "../table.ts";
import { type Judged, largest, ofRoot, softmax } from "./judging.ts";
import { isTreeModel, type NetworkSpec, type Recipe } from "./networks.ts";
import type { Scores } from "./scores.ts";
import { CLASSES, rootLabel, type Treebank } from "./treebank.ts";
import { drawTree } from "./treeDrawing.ts";

export interface ReportInput {
  readonly bank: Treebank;
  readonly spec: NetworkSpec;
  readonly recipe: Recipe;
  readonly trained: Fitted;
  readonly judged: Judged;
  readonly scores: Scores;
  readonly table: Table;
  readonly warnings: readonly string[];
  readonly parameters: number;
  readonly command: string;
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

/** The HTML report of a training run. */
export function buildReport(input: ReportInput): string {
  const { bank, spec, scores, table, warnings, command } = input;
  const report = new Report({
    title: `Sentiment: ${bank.title}`,
    subtitle: `${spec.model}: ${percent(scores.accuracy)} of ${scores.sentences} test sentences in the right one of five classes`,
    notices: warnings.map((text) => ({ kind: "warning" as const, text })),
    footer: command,
  });
  report.section("Results").table(table);
  report.plot(
    heatMap({
      values: scores.confusion.flat(),
      rows: CLASSES.length,
      columns: CLASSES.length,
      label: "sentences",
      rowLabel: "true class",
      columnLabel: "judged as",
      rowNames: CLASSES,
      columnNames: CLASSES,
    }),
    "Which class (row) was taken for which (column).",
  );
  if (isTreeModel(spec.model)) addTrees(report, input);
  else addSentences(report, input);
  report.section("Training");
  addTraining(report, input);
  return report.html();
}

/** Test sentences that fit the page: some judged rightly, some wrongly, of all classes. */
function examples({ bank, judged }: ReportInput, count: number): number[] {
  const said = (i: number) => largest(ofRoot(judged[i]));
  const fits = [...bank.test.keys()].filter((i) => {
    const { words } = bank.test[i];
    return words.length >= 6 && words.length <= 14;
  });
  const kinds = CLASSES.flatMap((_, label) =>
    [true, false].map((right) =>
      fits.filter((i) => rootLabel(bank.test[i]) === label && (said(i) === label) === right),
    ),
  );
  const picked: number[] = [];
  for (let round = 0; picked.length < count && kinds.some((kind) => kind.length > round); round++) {
    picked.push(...kinds.flatMap((kind) => kind.slice(round, round + 1)));
  }
  return picked.slice(0, count);
}

function addTrees(report: Report, input: ReportInput): void {
  report.section("Trees of the test part");
  report.text(
    "Each node carries the network's judgement of its phrase, from `--` (very negative) to `++` (very positive); a " +
      "dashed ring marks a judgement that is not the data's.",
  );
  for (const i of examples(input, 10)) {
    const logits = input.judged[i];
    const said = Array.from({ length: logits.length / CLASSES.length }, (_, node) =>
      largest(logits.subarray(node * CLASSES.length, (node + 1) * CLASSES.length)),
    );
    report.raw(drawTree(input.bank.test[i], said));
  }
}

function addSentences(report: Report, input: ReportInput): void {
  report.section("Sentences of the test part").table({
    columns: [
      { key: "text", label: "sentence" },
      { key: "truth", label: "true class" },
      { key: "said", label: "judged as" },
      { key: "sure", label: "probability", unit: "%", digits: 0 },
    ],
    rows: examples(input, 10).map((i) => {
      const probabilities = softmax(ofRoot(input.judged[i]));
      const said = largest(probabilities);
      const text = input.bank.test[i].words.join(" ");
      const truth = CLASSES[rootLabel(input.bank.test[i])];
      return { cells: { text, truth, said: CLASSES[said], sure: 100 * probabilities[said] } };
    }),
  });
}

function addTraining(report: Report, input: ReportInput): void {
  const { bank, spec, recipe, trained, parameters, scores } = input;
  const { history, bestEpoch = 0 } = trained.fit;
  report.plot(
    lossCurves({
      curves: [
        {
          name: `${spec.model}, sentences of the development part`,
          train: history.map(({ loss }) => loss),
          validation: history.map(({ validation }) => validation!.loss),
          best: bestEpoch + 1,
        },
      ],
      label: "mean cross entropy",
      unit: "nats",
      log: true,
    }),
    "Training: over all labelled nodes (words mostly, which are easy); development: over whole sentences. The epoch with " +
      "most development sentences in the right class is kept; the test part takes no part in the choice.",
  );
  report.facts({
    data: bank.id,
    "training trees": bank.train.length,
    "development trees": bank.dev.length,
    "test trees": bank.test.length,
    parameters,
    words: spec.words - 1,
    "word vectors": spec.embedding,
    hidden: spec.hidden,
    "dropout of words": recipe.wordDropout,
    "dropout of states": recipe.dropout,
    epochs: history.length,
    "best epoch": bestEpoch + 1,
    batch: recipe.batch,
    "learning rate": recipe.lr,
    seconds: trained.seconds.toFixed(1),
    ...(scores.nodes !== undefined && { "all nodes right": percent(scores.nodes) }),
  });
  report.text(bank.notes.map((note) => `- ${note}`).join("\n"));
}
