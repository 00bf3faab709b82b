import { bestRows, type Cell, columnLabel, formatCell, isNumeric, type Table } from "../table.ts";
import { escapeHtml, markdown, span } from "./markup.ts";
import type { Figure, KeyEntry } from "./plot/base.ts";
import { style } from "./style.ts";

export interface Notice {
  readonly kind: "warning" | "info";
  /** In markdown-lite, as all texts of a report. */
  readonly text: string;
}

export interface ReportOptions {
  readonly title: string;
  readonly subtitle?: string;
  /** Shown first and loudly: simulated data, a shortened schedule, a model that lost to a baseline. */
  readonly notices?: readonly Notice[];
  /** A line at the end, such as the command that made the report. */
  readonly footer?: string;
}

/**
 * Builds one HTML file that needs nothing else: styles and pictures are inside, a content security policy
 * forbids every request, and there is no script. It follows the reader's light or dark setting, has a
 * narrow form of every plot for phones, and prints.
 */
export class Report {
  readonly #options: ReportOptions;
  readonly #body: string[] = [];
  readonly #sections: { id: string; title: string }[] = [];

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  /** Begins a section; four and more get a list of contents. */
  section(title: string): this {
    const id = `s${this.#sections.length + 1}`;
    this.#sections.push({ id, title });
    this.#body.push(`<h2 id="${id}">${escapeHtml(title)}</h2>`);
    return this;
  }

  /** Paragraphs and lists in markdown-lite: **bold**, *emphasis*, `code`, [link](https://...), "- " items. */
  text(source: string): this {
    this.#body.push(markdown(source));
    return this;
  }

  notice(notice: Notice): this {
    this.#body.push(noticeHtml(notice));
    return this;
  }

  /** Short facts side by side: sizes, settings, times. */
  facts(facts: Readonly<Record<string, Cell>>): this {
    const items = Object.entries(facts).map(
      ([key, value]) =>
        `<div><dt>${escapeHtml(key)}</dt><dd>${span(value == null ? "-" : String(value))}</dd></div>`,
    );
    this.#body.push(`<dl class="facts">${items.join("")}</dl>`);
    return this;
  }

  /** A table; the best values of columns that have a `best` are highlighted. */
  table(table: Table): this {
    this.#body.push(tableHtml(table));
    return this;
  }

  /** A plot with its caption. `alt` comes with the figure. */
  plot(figure: Figure, caption?: string): this {
    const alt = escapeHtml(figure.alt);
    const key = figure.key.length > 1 ? keyHtml(figure) : "";
    const below = caption === undefined ? "" : `<figcaption>${span(caption)}</figcaption>`;
    this.#body.push(
      `<figure>${key}<div role="img" aria-label="${alt}">` +
        `<div class="wide">${figure.wide}</div><div class="narrow">${figure.narrow}</div></div>${below}</figure>`,
    );
    return this;
  }

  /** HTML made by the task itself (a score, a confusion matrix, a sound): escaping is its duty. */
  raw(html: string): this {
    this.#body.push(html);
    return this;
  }

  /** The whole file. */
  html(): string {
    const { title, subtitle, notices = [], footer } = this.#options;
    const contents = this.#sections
      .map(({ id, title: text }) => `<li><a href="#${id}">${escapeHtml(text)}</a></li>`)
      .join("");
    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
${subtitle === undefined ? "" : `<p class="subtitle">${span(subtitle)}</p>`}
${notices.map(noticeHtml).join("\n")}
${this.#sections.length < 4 ? "" : `<nav aria-label="Contents"><ul>${contents}</ul></nav>`}
</header>
<main>
${this.#body.join("\n")}
</main>
<footer>${footer === undefined ? "" : `${span(footer)}<br>`}Made with Tensorlane. This file needs no network.</footer>
</body>
</html>
`;
  }
}

const noticeHtml = ({ kind, text }: Notice): string =>
  `<p class="notice ${kind}" role="note"><strong>${kind === "warning" ? "Warning:" : "Note:"}</strong>${span(text)}</p>`;

const kindNames = { baseline: "baseline", published: "published" } as const;

function tableHtml(table: Table): string {
  const numeric = table.columns.map((column) => isNumeric(table, column));
  const best = table.columns.map((column) => bestRows(table, column));
  const head = table.columns
    .map(
      (c, i) =>
        `<th scope="col"${numeric[i] ? ' class="number"' : ""}>${escapeHtml(columnLabel(c))}</th>`,
    )
    .join("");
  const rows = table.rows.map((row, index) => {
    const cells = table.columns.map((column, i) => {
      const text = escapeHtml(formatCell(column, row.cells[column.key]));
      if (i === 0) {
        const kind =
          row.kind === undefined || row.kind === "model" ? undefined : kindNames[row.kind];
        // Grey and italics alone would be lost on some readers: the kind is said in words too.
        return `<th scope="row">${text}${kind === undefined ? "" : `<span class="tag">${kind}</span>`}</th>`;
      }
      const wins = best[i]!.has(index);
      const classes = [numeric[i] ? "number" : "", wins ? "best" : ""].filter(Boolean).join(" ");
      return `<td${classes === "" ? "" : ` class="${classes}"`}>${text}</td>`;
    });
    const before = table.rows[index - 1]?.kind;
    const divide = index > 0 && before !== row.kind ? " divide" : "";
    return `<tr class="${row.kind ?? "model"}${divide}">${cells.join("")}</tr>`;
  });
  const caption = table.caption === undefined ? "" : `<caption>${span(table.caption)}</caption>`;
  const name = escapeHtml(table.caption ?? "Table");
  const notes = (table.notes ?? []).map((note) => `<li>${span(note)}</li>`).join("");
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table>${caption}` +
    `<thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>` +
    (notes === "" ? "" : `<ul class="notes">${notes}</ul>`)
  );
}

function keyHtml({ key, keyAlways }: Figure): string {
  const items = key.map((entry) => `<li>${sample(entry)}${escapeHtml(entry.name)}</li>`).join("");
  return `<ul class="key${keyAlways ? " always" : ""}">${items}</ul>`;
}

function sample({ color, dash, shape = "line" }: KeyEntry): string {
  const inside = {
    line: `<line x1="0" y1="6" x2="22" y2="6" stroke="${color}" stroke-width="2.5"${
      dash === undefined ? "" : ` stroke-dasharray="${dash}"`
    }/>`,
    dot: `<path d="M11,1L16,6L11,11L6,6Z" fill="none" stroke="${color}" stroke-width="1.5"/>`,
    band: `<rect x="0" y="0" width="22" height="12" fill="${color}" fill-opacity="0.25"/>`,
  }[shape];
  return `<svg width="22" height="12" aria-hidden="true">${inside}</svg>`;
}
