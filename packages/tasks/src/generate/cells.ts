import { inspect, tensor } from "tensorlane";
import type { LanguageModel, TokenIds, Vocabulary } from "../language/index.ts";

/** Something in a text that a unit may keep count of. */
interface Signal {
  readonly name: string;
  readonly values: readonly number[];
}

/** A unit whose state follows something in the text. */
export interface Follower {
  /** What it follows: "the position in the line". */
  readonly what: string;
  /** "layers.0, unit 17". */
  readonly unit: string;
  /** Pearson's, over the whole passage. */
  readonly correlation: number;
  /** Its state after each token. */
  readonly states: readonly number[];
}

/** What the states of a model do along a passage. */
export interface CellStates {
  readonly followers: readonly Follower[];
  /** Of the units that follow the first signal most closely: a row for each, a column for each token. */
  readonly map: { readonly values: Float32Array; readonly names: readonly string[] };
}

/** Units shown side by side. */
const SHOWN = 24;

/**
 * The states (C of an LSTM, h otherwise) of every layer after each token of a passage, and the units that
 * follow the position in the line, or whether a quotation is open, as in Karpathy et al. 2015.
 */
export async function cellStates(
  model: LanguageModel,
  vocabulary: Vocabulary,
  ids: TokenIds,
): Promise<CellStates> {
  const tokens = tensor(Int32Array.from(ids), [1, ids.length], "int32");
  const layers = await inspect.gates(model, tokens);
  const ranked = signalsOf(vocabulary, ids).map((signal) => ({
    signal,
    units: layers
      .flatMap(({ name, gates }) => {
        const gate = gates.C ?? gates.h!;
        return inspect.rankUnits(gate, signal.values).map((rank) => ({ ...rank, name, gate }));
      })
      .sort((a, b) => Math.abs(b.correlation) - Math.abs(a.correlation)),
  }));
  type Unit = (typeof ranked)[number]["units"][number];
  // Each module is one layer in one direction, which its loop's name says again.
  const label = ({ name, unit }: Unit) => `${name.replace(/\.l0$/, "")}, unit ${unit}`;
  const statesOf = ({ gate: { data, shape }, unit }: Unit) =>
    Array.from(ids, (_, at) => data[at * shape[2]! + unit]!);
  const rows = ranked[0]!.units.slice(0, SHOWN);
  return {
    followers: ranked
      .filter(({ units }) => units[0]!.correlation !== 0)
      .map(({ signal, units: [best] }) => ({
        what: signal.name,
        unit: label(best!),
        correlation: best!.correlation,
        states: statesOf(best!),
      })),
    map: { values: Float32Array.from(rows.flatMap(statesOf)), names: rows.map(label) },
  };
}

function signalsOf({ tokens }: Vocabulary, ids: TokenIds): Signal[] {
  const [line, quotation]: number[][] = [[], []];
  let [column, open] = [0, 0];
  for (const id of ids) {
    const token = tokens[id]!;
    column = token === "\n" ? 0 : column + 1;
    if (token.trim() === '"') open = 1 - open;
    line.push(column);
    quotation.push(open);
  }
  return [
    { name: "the position in the line", values: line },
    { name: "whether a quotation is open", values: quotation },
  ];
}
