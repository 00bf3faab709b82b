import { Report } from "../report/index.ts";
import { columnLabel, formatCell, isNumeric, type Table } from "../table.ts";
import type { Experiment, Plan, Verdict } from "./experiment.ts";
import type { LabRecord } from "./run.ts";

const planFacts = (plan: Plan): Record<string, string> =>
  Object.fromEntries(
    Object.entries(plan).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(", ") : String(value),
    ]),
  );

/** What the claim implies, and what was seen. */
export const checksTable = ({ checks }: Verdict): Table => ({
  caption: "The claim against the numbers",
  columns: [
    { key: "expected", label: "Expected" },
    { key: "seen", label: "Seen" },
    { key: "holds", label: "Holds" },
  ],
  rows: checks.map(({ expected, seen, holds }) => ({
    cells: { expected, seen, holds: holds ? "yes" : "no" },
  })),
});

/** The HTML report of an experiment. */
export function buildReport(experiment: Experiment, record: LabRecord): string {
  const { claim, setting, title } = experiment;
  const { plan, verdict, quick, command } = record;
  const { tables, plots } = experiment.show(record.result);
  const short = {
    kind: "warning",
    text: "Shortened (`--quick`): the verdict says little.",
  } as const;
  const report = new Report({
    title,
    subtitle: verdict.outcome,
    notices: quick ? [short] : [],
    footer: command,
  });
  report.section("Claim").text(`${claim.text}\n\n${claim.source}.`);
  report.section("What was seen");
  for (const { figure, caption } of plots) report.plot(figure, caption);
  for (const table of tables) report.table(table);
  report.section(`Verdict: ${verdict.outcome}`).table(checksTable(verdict));
  report
    .section("How")
    .text(setting)
    .facts({ ...planFacts(plan), seed: record.seed });
  return report.html();
}

/** A page of documentation of all experiments, from their committed results. */
export function labPage(
  entries: readonly { readonly experiment: Experiment; readonly record: LabRecord | undefined }[],
): string {
  const parts = entries.map(({ experiment, record }) => {
    const { id, title, claim, setting } = experiment;
    const head = [`## ${title}`, `*${claim.text}* (${claim.source}.)`, setting];
    if (record === undefined) {
      return [...head, `No full run is recorded: \`tensorlane lab run ${id}\`.`].join("\n\n");
    }
    const { plan, verdict, command, result } = record;
    const facts = Object.entries(planFacts(plan)).map(([name, value]) => `${name} ${value}`);
    return [
      ...head,
      `\`${command}\` (${facts.join("; ")}) gives:`,
      ...experiment.show(result).tables.map(markdownTable),
      `**Verdict: ${verdict.outcome}.**`,
      markdownTable({ ...checksTable(verdict), caption: "" }),
    ].join("\n\n");
  });
  return `${[pageHead, ...parts].join("\n\n")}\n`;
}

const pageHead = `# The lecture's experiments

What the lecture tells of the papers, tried with real training. Each verdict below is computed from the numbers that are
committed under \`bench/results/lab\`; \`node bench/lab.js ID\` measures them again and writes this page, which a test holds
equal to them. Where a schedule is shorter than the paper's, it is said. \`tensorlane lab list\` names the experiments;
\`tensorlane lab run ID --out DIR\` writes curves, plots and verdict of one.`;

function markdownTable(table: Table): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const { caption, columns, rows, notes = [] } = table;
  return [
    ...(caption ? [`${caption}:`, ""] : []),
    line(columns.map((column) => cell(columnLabel(column)))),
    line(columns.map((column) => (isNumeric(table, column) ? "---:" : "---"))),
    ...rows.map(({ cells }) =>
      line(columns.map((column) => cell(formatCell(column, cells[column.key])))),
    ),
    ...notes.flatMap((note) => ["", note]),
  ].join("\n");
}
