import { unzipSync } from "fflate";
import { WeightsError } from "../error.ts";
import { bad } from "./pickle.ts";

/** Smallest entry of a zip's directory. */
const ENTRY_BYTES = 46;
/** What compressed members may grow to: weights barely compress, PyTorch stores them as they are. */
const limitFor = (fileBytes: number): number => 16 * fileBytes + 2 ** 20;

/** The members of a zip file, which may not be more than the file can honestly hold. */
export function unzip(bytes: Uint8Array): Record<string, Uint8Array> {
  let entries = 0;
  let stored = 0;
  let grown = 0;
  const sizes = new Map<string, number>();
  const admit = (name: string, size: number, originalSize: number, isStored: boolean): boolean => {
    entries++;
    stored += size;
    grown += isStored ? 0 : originalSize;
    if (entries * ENTRY_BYTES > bytes.length || stored > bytes.length) {
      throw bad("its zip directory lists more than the file holds");
    }
    if (grown > limitFor(bytes.length)) {
      throw bad(
        `its ${bytes.length} bytes would grow to more than ${limitFor(bytes.length)}, which no ` +
          "weights do; it is refused",
      );
    }
    if (sizes.has(name)) throw bad("its zip directory lists a member twice");
    sizes.set(name, originalSize);
    return true;
  };
  try {
    const members = unzipSync(bytes, {
      filter: ({ name, size, originalSize, compression }) =>
        admit(name, size, originalSize, compression === 0),
    });
    for (const [name, size] of sizes) {
      if (members[name]?.length !== size) throw bad("a member of its zip is cut off");
    }
    return members;
  } catch (cause) {
    if (cause instanceof WeightsError) throw cause;
    throw bad("its zip directory is broken or cut off", { cause });
  }
}
