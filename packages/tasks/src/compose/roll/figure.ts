import { heatMap } from "../../report/index.ts";
import { KEYS, type Roll } from "./rolls.ts";

/** A roll as a picture: a row for each key between the highest and the lowest that sound. */
export function rollFigure(roll: Roll) {
  const used = roll.flat();
  const [low, high] = used.length > 0 ? [Math.min(...used), Math.max(...used)] : [0, KEYS - 1];
  const keys = Array.from({ length: high - low + 1 }, (_, i) => high - i);
  return heatMap({
    values: keys.flatMap((key) => roll.map((sounding) => Number(sounding.includes(key)))),
    rows: keys.length,
    columns: roll.length,
    label: "sounds",
    rowLabel: "key",
    columnLabel: "step",
    // More names than that would lie upon each other.
    ...(keys.length <= 40 && { rowNames: keys.map((key) => `${key + 1}`) }),
  });
}
