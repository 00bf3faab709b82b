import { type Table, unknownName } from "@tensorlane/tasks";
import type { Command } from "commander";
import { examples } from "../options.ts";
import type { Context } from "../program.ts";

type Node = typeof import("tensorlane/node");
type Entry = ReturnType<Node["dataEntry"]>;

const jsonHelp = "print one JSON object with all results as the last line of output";

/** `tensorlane data list|get|info`: the registry of data sets. */
export function addData(program: Command, context: Context): void {
  const names = ["list", "get", "info"];
  const data: Command = program
    .command("data")
    .description("list, fetch and describe the known data sets")
    .usage("<command> [options]")
    .argument("[command]")
    .allowUnknownOption()
    .allowExcessArguments()
    .action((name: string | undefined) => {
      if (name === undefined) return data.help({ error: true });
      throw unknownName("command of data:", name, names);
    })
    .addHelpText(
      "after",
      `${examples(["tensorlane data list", "tensorlane data get los-loop", "tensorlane data info pems-flow"])}

TENSORLANE_DATA_MIRROR names a folder that holds the files already; TENSORLANE_DATA_CACHE the folder of
downloads; TENSORLANE_OFFLINE=1 rules the network out.`,
    );
  data
    .command("list")
    .allowExcessArguments(false)
    .description("every data set by id, and whether it is here")
    .option("--json", jsonHelp)
    .addHelpText("after", examples(["tensorlane data list"]))
    .action(async () => list(context));
  data
    .command("get")
    .allowExcessArguments(false)
    .description("fetch data sets into the cache folder and check them")
    .argument("<id...>", "data sets")
    .option("--json", jsonHelp)
    .addHelpText("after", examples(["tensorlane data get los-loop pems-flow"]))
    .action(async (ids: string[]) => get(ids, context));
  data
    .command("info")
    .allowExcessArguments(false)
    .description("source, licence, size and hashes of one data set")
    .argument("<id>", "data set")
    .option("--json", jsonHelp)
    .addHelpText("after", examples(["tensorlane data info los-loop"]))
    .action(async (id: string) => info(id, context));
}

function entryOf(node: Node, id: string): Entry {
  const entries = node.dataEntries();
  const entry = entries.find((one) => one.id === id);
  if (entry !== undefined) return entry;
  throw unknownName(
    "data set",
    id,
    entries.map((one) => one.id),
  );
}

const megabytes = <B extends number | undefined>(bytes: B): B =>
  (bytes === undefined ? undefined : bytes / 1e6) as B;
/** Undefined where the size of a file is not known before it is fetched. */
const sizeOf = ({ files }: Entry): number | undefined =>
  files.reduce<number | undefined>((sum, file) => {
    const bytes = file.bytes ?? file.mirror?.bytes;
    return sum === undefined || bytes === undefined ? undefined : sum + bytes;
  }, 0);

async function placeOf(node: Node, entry: Entry): Promise<string> {
  const found = new Set((await node.locateData(entry)).map((file) => file.origin));
  if (found.size === 1) return [...found][0] === "absent" ? "not here" : [...found][0]!;
  return found.has("absent") ? "in part" : [...found].join(", ");
}

async function list({ terminal, done }: Context): Promise<void> {
  const node = await import("tensorlane/node");
  const entries = await Promise.all(
    node.dataEntries().map(async (entry) => ({ entry, place: await placeOf(node, entry) })),
  );
  const table: Table = {
    columns: [
      { key: "id", label: "Id" },
      { key: "title", label: "What it is" },
      { key: "size", label: "Size", unit: "MB", digits: 2 },
      { key: "place", label: "Where" },
      { key: "verified", label: "Hash" },
    ],
    rows: entries.map(({ entry, place }) => ({
      cells: {
        id: entry.id,
        title: entry.title,
        size: megabytes(sizeOf(entry)),
        place,
        verified: entry.files.every((file) => file.verified) ? "verified" : "unverified",
      },
    })),
  };
  terminal.table(table);
  terminal.notice(`Cache: ${node.dataCacheFolder()}`);
  terminal.notice(
    `Mirror: ${node.dataMirrorFolder() ?? "none (TENSORLANE_DATA_MIRROR is not set)"}`,
  );
  done({
    command: "data list",
    cache: node.dataCacheFolder(),
    mirror: node.dataMirrorFolder() ?? null,
    data: entries.map(({ entry, place }) => ({
      id: entry.id,
      title: entry.title,
      kind: entry.kind,
      bytes: sizeOf(entry) ?? null,
      licence: entry.licence,
      place,
      verified: entry.files.every((file) => file.verified),
    })),
  });
}

async function get(ids: readonly string[], { terminal, done }: Context): Promise<void> {
  const node = await import("tensorlane/node");
  // All names first: a slip in the last one should not cost the download of the others.
  const entries = ids.map((id) => entryOf(node, id));
  const files = [];
  for (const entry of entries) {
    for (const { role, path } of entry.files) {
      let bar: ReturnType<typeof terminal.progress> | undefined;
      const file = await node.obtainFile(entry, role, {
        signal: terminal.signal,
        onProgress: ({ received, total }) => {
          if (total === undefined) return;
          bar ??= terminal.progress(`${entry.id} ${path} (MB)`, megabytes(total));
          bar.update(megabytes(received));
        },
      });
      bar?.stop();
      const { origin, sha256, verified } = file;
      const hash = verified ? "hash verified" : "hash unverified";
      terminal.notice(`${entry.id} ${role}: ${file.path} (${origin}, ${hash})`);
      files.push({ id: entry.id, role, path: file.path, origin, sha256, verified });
    }
  }
  done({ command: "data get", files });
}

async function info(id: string, { terminal, done }: Context): Promise<void> {
  const node = await import("tensorlane/node");
  const entry = entryOf(node, id);
  const places = await node.locateData(entry);
  const facts: [string, string | undefined][] = [
    ["id", entry.id],
    ["title", entry.title],
    ["unit", entry.unit],
    ["interval", entry.interval === undefined ? undefined : `${entry.interval} min`],
    ["licence", entry.licence],
    ["citation", entry.citation],
    ["read by", entry.loader ?? "no task yet: files only"],
  ];
  for (const [name, value] of facts) {
    if (value !== undefined) terminal.write(`${`${name}:`.padEnd(11)}${value}\n`);
  }
  for (const { file, origin, path } of places) {
    terminal.write(`\n${file.role}: ${file.path}\n`);
    terminal.write(`  source:  ${file.url ?? "none publishes it in this form"}\n`);
    const known = file.sha256 === undefined ? "not known" : file.sha256;
    terminal.write(`  SHA-256: ${known} (${file.verified ? "verified" : "unverified"})\n`);
    terminal.write(`  here:    ${path === undefined ? "no" : `${path} (${origin})`}\n`);
  }
  done({
    command: "data info",
    ...(JSON.parse(JSON.stringify(entry)) as Record<string, never>),
    places: places.map(({ file, origin, path }) => ({ role: file.role, origin, path })),
  });
}
