import abcjs from "abcjs";
import { parseHTML } from "linkedom";
import { escapeHtml } from "../../report/index.ts";
import type { Note } from "../sound/note.ts";

/** What abcjs, a parser that knows nothing of ours, has against a tune in ABC; nothing where it is valid. */
export function warningsOf(abc: string): readonly string[] {
  const [tune] = abcjs.parseOnly(abc);
  const plain = (tune.warnings ?? []).map((warning) => warning.replaceAll(/<[^>]*>/g, ""));
  return tune.lines.length === 0 ? [...plain, "no music in it"] : plain;
}

/** A tune as it sounds: repeats played, chords accompanied. */
export function notesOf(abc: string): Note[] {
  const [tune] = abcjs.parseOnly(abc);
  const { tracks } = tune.setUpAudio({});
  // Times are in whole notes.
  const whole = tune.millisecondsPerMeasure() / 1000 / tune.getBarLength();
  return tracks.flat().flatMap((event) =>
    event.cmd === "note"
      ? [
          {
            pitch: event.pitch,
            start: event.start * whole,
            seconds: event.duration * whole,
            velocity: event.volume,
          },
        ]
      : [],
  );
}

/** What abcjs makes of a percent sign that is not to begin a comment. */
const PERCENT = /\u200B\uFF05/g;

/** What is read of a page's node. */
interface PageNode {
  readonly nodeType: number;
  readonly nodeName: string;
  readonly nodeValue: string | null;
  readonly localName: string;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  readonly childNodes: Iterable<PageNode>;
}

/**
 * Markup that is HTML and XML alike. The page's own `innerHTML` is neither: it leaves `<` and `&` in a <title> and in
 * attributes as they are, and both hold what users wrote.
 */
function markupOf(node: PageNode): string {
  if (node.nodeType === 3) return escapeHtml((node.nodeValue ?? "").replace(PERCENT, "%"));
  if (node.nodeType !== 1 || node.nodeName.toLowerCase() === "style") return "";
  const { localName, attributes, childNodes } = node;
  const given = Array.from(attributes, ({ name, value }) =>
    value === "" ? "" : ` ${name}="${escapeHtml(value.replace(PERCENT, "%"))}"`,
  );
  return `<${localName}${given.join("")}>${Array.from(childNodes, markupOf).join("")}</${localName}>`;
}

/** A tune as a score: an SVG that stands alone, black or in the colour of the text around it. */
export function scoreSvg(abc: string): string {
  const { document, window } = parseHTML("<html><body></body></html>");
  const holder = document.createElement("div");
  // abcjs draws into the page it finds; there is none here, so it is lent one while it draws.
  const page = { document, window, navigator: { userAgent: "" } };
  const before = Object.keys(page).map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  );
  for (const [name, value] of Object.entries(page)) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
  try {
    abcjs.renderAbc(holder as never, abc, { staffwidth: 740, add_classes: false });
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
  }
  const svg = Array.from(holder.childNodes as Iterable<PageNode>, markupOf).join("");
  const [, width] = / width="([\d.]+)"/.exec(svg)!;
  const [, height] = / height="([\d.]+)"/.exec(svg)!;
  const scale = `viewBox="0 0 ${width} ${height}" style="max-width:100%;height:auto"`;
  return svg.replace(/<svg style="[^"]*"/, `<svg xmlns="http://www.w3.org/2000/svg" ${scale}`);
}
