import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";

const colours = { red: [220, 30, 30], green: [30, 200, 40], blue: [30, 40, 220] } as const;
type Colour = keyof typeof colours;
const names = Object.keys(colours) as Colour[];

/** A picture whose left half has one colour and whose right half another, with noise drawn from `i`. */
export function halves(
  i: number,
  left: Colour,
  right: Colour,
  width = 40,
  height = 36,
): Uint8Array {
  let seed = i + 1;
  const noise = () => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return (seed / 2 ** 31 - 0.5) * 40;
  };
  const data = Uint8Array.from({ length: 3 * width * height }, (_, k) => {
    const colour = colours[Math.floor(k / 3) % width < width / 2 ? left : right];
    return Math.max(0, Math.min(255, colour[k % 3] + noise()));
  });
  return encode({ width, height, channels: 3, data });
}

/** A folder of pictures with two colours that are named by their captions, one or two a picture. */
export function writePictures(folder: string, count: number): void {
  mkdirSync(join(folder, "Images"), { recursive: true });
  const lines = ["image,caption"];
  for (let i = 0; i < count; i++) {
    const [left, right] = [names[i % 3], names[Math.floor(i / 3) % 3]];
    // Mirroring must not make a caption wrong.
    const [first, second] = [left, right].sort();
    const file = `${i}.png`;
    writeFileSync(join(folder, "Images", file), halves(i, left, right));
    lines.push(`${file},A ${first} wall beside a ${second} one .`);
    if (i % 2 === 0) lines.push(`${file},"A ${first} wall, beside a ${second} one"`);
  }
  writeFileSync(join(folder, "captions.txt"), `${lines.join("\n")}\n`);
}
