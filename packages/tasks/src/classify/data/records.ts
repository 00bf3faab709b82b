import { UserError } from "../../errors.ts";
import { type PictureBlock, sharedBytes } from "./set.ts";

/** Records of some label bytes (the first is the class) and the planes of a colour picture. */
export interface RecordLayout {
  readonly labelBytes: number;
  readonly side: number;
  readonly classes: number;
}

/** CIFAR-10's binary version: a label, then 32 x 32 red, green and blue. */
export const cifarLayout: RecordLayout = { labelBytes: 1, side: 32, classes: 10 };
/** The 35 x 35 part of GTSRB: class, track in the class, then the planes. */
export const gtsrbLayout: RecordLayout = { labelBytes: 2, side: 35, classes: 43 };

/** Pictures, classes, and the further label bytes of each record. */
export function readRecords(
  name: string,
  bytes: Uint8Array,
  { labelBytes, side, classes }: RecordLayout,
): PictureBlock & { readonly extra: readonly Uint8Array[] } {
  const size = 3 * side * side;
  const count = bytes.length / (labelBytes + size);
  if (!Number.isInteger(count) || count === 0) {
    throw new UserError(
      `${name} has ${bytes.length} bytes, which is no whole number of records of ${labelBytes + size}.`,
    );
  }
  const pixels = sharedBytes(count * size);
  const labels = new Int32Array(count);
  const extra = Array.from({ length: labelBytes - 1 }, () => new Uint8Array(count));
  for (let i = 0; i < count; i++) {
    const start = i * (labelBytes + size);
    labels[i] = bytes[start]!;
    if (labels[i]! >= classes) {
      throw new UserError(`${name}: record ${i} is of class ${labels[i]}; there are ${classes}.`);
    }
    for (const [k, list] of extra.entries()) list[i] = bytes[start + 1 + k]!;
    pixels.set(bytes.subarray(start + labelBytes, start + labelBytes + size), i * size);
  }
  return { pixels, labels, channels: 3, side, extra };
}
