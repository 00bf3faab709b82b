import { encode } from "fast-png";
import type { Picture } from "./pixelTools.ts";

/** The picture as a data URI. */
export function pngOf({ data, width, height, channels }: Picture): string {
  const area = width * height;
  const pixels = new Uint8Array(channels * area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < channels; c++) pixels[i * channels + c] = data[c * area + i]!;
  }
  const bytes = encode({ width, height, channels, data: pixels });
  return `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`;
}
