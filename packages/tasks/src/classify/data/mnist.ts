import { gunzipSync } from "node:zlib";
import { UserError } from "../../errors.ts";
import { type PictureBlock, sharedBytes } from "./set.ts";

/** Magic numbers of IDX files: unsigned bytes in three dimensions, and in one. */
const IMAGES = 0x803;
const LABELS = 0x801;

/** The dimensions and bytes of an IDX file, packed by gzip or not. */
function readIdx(name: string, file: Uint8Array, magic: number): { sizes: number[]; body: Buffer } {
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? gunzipSync(file) : Buffer.from(file);
  const rank = magic & 0xff;
  const start = 4 + 4 * rank;
  if (bytes.length < start || bytes.readUInt32BE(0) !== magic) {
    throw new UserError(
      `${name} is not the IDX file that is needed: it begins with ` +
        `${bytes.subarray(0, 4).toString("hex") || "nothing"}, not ${magic.toString(16).padStart(8, "0")}.`,
    );
  }
  const sizes = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const body = bytes.subarray(start);
  const expected = sizes.reduce((product, size) => product * size, 1);
  if (body.length !== expected) {
    throw new UserError(
      `${name} holds ${body.length} bytes for ${sizes.join(" x ")}: it is damaged.`,
    );
  }
  return { sizes, body };
}

/** Images and labels of a pair of IDX files, as MNIST and its like come. */
export function readMnist(images: Uint8Array, labels: Uint8Array): PictureBlock {
  const { sizes, body } = readIdx("the image file", images, IMAGES);
  const { body: classes } = readIdx("the label file", labels, LABELS);
  const [count, height, width] = sizes;
  if (height !== width || classes.length !== count) {
    throw new UserError(
      `${count} images of ${height} x ${width} with ${classes.length} labels: they do not belong together.`,
    );
  }
  const pixels = sharedBytes(body.length);
  pixels.set(body);
  return { pixels, labels: Int32Array.from(classes), channels: 1, side: width! };
}
