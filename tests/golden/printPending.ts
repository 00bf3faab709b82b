import { readJson } from "./files.ts";
import { type PendingGroup, pending } from "./pending.ts";

interface Cases {
  readonly cases: readonly { readonly kind?: string; readonly net?: string }[];
}

function count(file: string, group: PendingGroup): string[] {
  const { cases } = readJson<Cases>(file);
  return pending[group].flatMap((name) => {
    const n = cases.filter((entry) => (entry.kind ?? entry.net) === name).length;
    return n > 0 ? [`${name} (${n})`] : [];
  });
}

/** A global setup of Vitest: what it returns runs after the last test and says what was skipped. */
export default function setup(): () => void {
  return () => {
    const rows = [
      ["layers", count("layers.json", "kinds")],
      ["models", count("models.json", "nets")],
      ["training", count("training.json", "nets")],
    ] as const;
    const lines = rows.flatMap(([file, list]) =>
      list.length > 0 ? [`  ${file}: ${list.join(", ")}`] : [],
    );
    if (lines.length > 0) {
      process.stdout.write(`\nPending in the golden suite (skipped cases):\n${lines.join("\n")}\n`);
    }
  };
}
