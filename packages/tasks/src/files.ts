import { writeFileAtomic as replaceFile } from "tensorlane/node";
import { UserError } from "./errors.ts";

/** Replaces a file as a whole; throws a UserError where the user can do something about a failure. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await replaceFile(path, content);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** What keeps a file from being written, where the user can do something about it. */
const writeErrors: Readonly<Record<string, string>> = {
  ENOENT: "its folder does not exist",
  ENOTDIR: "a part of its path is a file",
  EISDIR: "it is a folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left on the device",
  EDQUOT: "the disk quota is used up",
  ENAMETOOLONG: "the name is too long",
};

/** A failure to write in words, where the user can do something about it. */
export function unwritable(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (!Object.hasOwn(writeErrors, code)) return error;
  return new UserError(`cannot write ${path}: ${writeErrors[code]} (${code}).`, { cause: error });
}

/** The code of a system error, "" of any other. */
export const errorCode = (error: unknown): string =>
  String((error as NodeJS.ErrnoException)?.code ?? "");
