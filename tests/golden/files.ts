import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Tensor, tensor } from "tensorlane";

const committed = dirname(fileURLToPath(import.meta.url));
/** Where the cases are: another folder of the same form can be handed in. */
export const folder: string = resolve(process.env.TENSORLANE_GOLDEN || committed);

/** A value of JSON that stands for a keyword of PyTorch. */
export type Json = null | boolean | number | string | readonly Json[];

/** One of the folder's JSON files. */
export function readJson<T>(name: string): T {
  const path = join(folder, name);
  if (!existsSync(path)) {
    throw new Error(`${name} is missing in ${folder} (the folder named by TENSORLANE_GOLDEN)`);
  }
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** A stored tensor; `data` is exactly what PyTorch wrote. */
export interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}
export const asTensor = ({ data, shape }: Stored): Tensor => tensor(data, shape);

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * The tensors of a safetensors file. Read here without the library's own reader, so that the reference
 * does not pass through the code it judges.
 */
export function readTensors(name: string): Map<string, Stored> {
  const file = readFileSync(join(folder, name));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + length)) as Record<string, Entry>;
  const tensors = new Map<string, Stored>();
  for (const [key, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    // A copy of its own: typed arrays must start at a multiple of their element size.
    const bytes = Uint8Array.from(file.subarray(8 + length + offsets[0], 8 + length + offsets[1]));
    const data =
      dtype === "F32"
        ? new Float32Array(bytes.buffer)
        : dtype === "I32"
          ? new Int32Array(bytes.buffer)
          : bytes;
    if (!["F32", "I32", "BOOL"].includes(dtype)) throw new Error(`${key}: unknown type ${dtype}`);
    tensors.set(key, { shape, data });
  }
  return tensors;
}
