import { UserError } from "../../errors.ts";

const BLOCK = 512;

/** The files of a tar archive by name; directories and links are left out. */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (from: number, length: number) =>
    new TextDecoder("latin1").decode(archive.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const start = at + BLOCK;
    if (!(size >= 0 && start + size <= archive.length)) {
      throw new UserError(`the tar archive is damaged at byte ${at}.`);
    }
    // Type "0" or nothing is a file.
    if (archive[at + 156] === 0x30 || archive[at + 156] === 0) {
      const prefix = text(at + 345, 155);
      const name = text(at, 100);
      files.set(prefix ? `${prefix}/${name}` : name, archive.subarray(start, start + size));
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
