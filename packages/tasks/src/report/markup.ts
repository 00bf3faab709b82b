/** Text that is safe inside HTML, in attributes too. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

/**
 * One line of markdown-lite. Everything is escaped first, since texts may hold what users wrote (column
 * names, file names); then **bold**, *emphasis*, `code` and [link](https://...) are put in.
 */
export function span(source: string): string {
  const parts = source.split(/(`[^`]+`)/);
  return parts
    .map((part) => {
      if (/^`[^`]+`$/.test(part)) return `<code>${escapeHtml(part.slice(1, -1))}</code>`;
      return escapeHtml(part)
        .replaceAll(/\[([^\]]+)\]\((https?:[^\s()]+)\)/g, '<a href="$2">$1</a>')
        .replaceAll(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>")
        .replaceAll(/(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])/g, "<em>$1</em>");
    })
    .join("");
}

/** Paragraphs, divided by blank lines; blocks whose lines all begin with "- " are lists. */
export function markdown(source: string): string {
  const blocks = source.trim().split(/\n\s*\n/);
  return blocks
    .map((block) => {
      const lines = block.split("\n").map((line) => line.trim());
      if (!lines.every((line) => line.startsWith("- "))) return `<p>${span(lines.join(" "))}</p>`;
      return `<ul>${lines.map((line) => `<li>${span(line.slice(2))}</li>`).join("")}</ul>`;
    })
    .join("\n");
}
