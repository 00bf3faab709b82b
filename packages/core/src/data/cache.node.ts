import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import envPaths from "env-paths";
import { TensorlaneError } from "../errors.ts";
import { DataError } from "./data-error.ts";
import { type DownloadProgress, download } from "./download.node.ts";
import type { DataEntry, DataFile } from "./registry.ts";

/** Where data may come from. */
export interface DataPlaces {
  /** Mirror folder; default: the variable TENSORLANE_DATA_MIRROR, none if that is unset. `null`: none. */
  readonly mirror?: string | null | undefined;
  /** Cache folder; default: TENSORLANE_DATA_CACHE, else the platform's cache folder. */
  readonly cache?: string | undefined;
  /** Never touch the network; default: whether TENSORLANE_OFFLINE is 1. */
  readonly offline?: boolean | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly connectTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file's content and where it came from. */
export interface ObtainedFile {
  readonly bytes: Uint8Array;
  readonly origin: "mirror" | "cache" | "network";
  /** Its path on this machine. */
  readonly path: string;
  readonly sha256: string;
  /** Whether the hash was compared with one that is known to be right. */
  readonly verified: boolean;
}

/** The folder of downloaded data: `~/.cache/tensorlane/data` on Linux, its like elsewhere. */
export function dataCacheFolder(): string {
  return (
    process.env.TENSORLANE_DATA_CACHE || join(envPaths("tensorlane", { suffix: "" }).cache, "data")
  );
}

/** The mirror folder in use, if any. */
export function dataMirrorFolder(): string | undefined {
  return process.env.TENSORLANE_DATA_MIRROR || undefined;
}

function mirrorOf(places: DataPlaces): string | undefined {
  return places.mirror === null ? undefined : (places.mirror ?? dataMirrorFolder());
}

const exists = (path: string) =>
  stat(path).then(
    (s) => s.isFile(),
    () => false,
  );

/** Where each file of a data set is now, without reading it. */
export async function locateData(
  entry: DataEntry,
  places: DataPlaces = {},
): Promise<{ file: DataFile; origin: "mirror" | "cache" | "absent"; path: string | undefined }[]> {
  const mirror = mirrorOf(places);
  const cache = places.cache ?? dataCacheFolder();
  return Promise.all(
    entry.files.map(async (file) => {
      if (mirror !== undefined) {
        const path = join(mirror, mirrored(file).path);
        if (await exists(path)) return { file, origin: "mirror" as const, path };
      }
      const path = join(cache, file.path);
      if (await exists(path)) return { file, origin: "cache" as const, path };
      return { file, origin: "absent" as const, path: undefined };
    }),
  );
}

/**
 * The content of one file of a data set: from the mirror, else the cache, else the network into the cache.
 *
 * Every byte is checked: against the registry's hash, or, where nobody verified one, against the hash noted
 * when the file was downloaded. Throws `DataError`; `code` tells an unreachable source from bad content.
 *
 * @example await obtainFile(dataEntry("los-loop"), "values", { onProgress: draw })
 */
export async function obtainFile(
  entry: DataEntry,
  role: string,
  places: DataPlaces = {},
): Promise<ObtainedFile> {
  const file = entry.files.find((f) => f.role === role);
  if (file === undefined)
    throw new TensorlaneError(
      `${entry.id} has no file "${role}"; it has ${entry.files.map((f) => f.role).join(", ")}`,
    );
  const mirror = mirrorOf(places);
  const fromMirror = mirror === undefined ? undefined : await readMirror(mirror, file);
  if (fromMirror !== undefined) return fromMirror;
  const path = join(places.cache ?? dataCacheFolder(), file.path);
  if (await exists(path)) return readCached(path, file);
  const offline = places.offline ?? process.env.TENSORLANE_OFFLINE === "1";
  if (file.url === undefined || offline)
    throw new DataError(
      file.url === undefined ? "missing" : "offline",
      `${entry.id}: ${mirrored(file).path} is neither in a mirror (${mirror ?? "none set"}) nor in the cache (${path})${file.url === undefined ? ", and no source publishes it in this form" : ", and the network is ruled out"}. ${advice(file, path)}`,
    );
  const { onProgress, connectTimeoutMs, signal } = places;
  const { sha256, bytes } = file;
  try {
    const got = await download(file.url, path, {
      sha256,
      bytes,
      onProgress,
      connectTimeoutMs,
      signal,
    });
    // What came is noted, so that later damage shows even where the source's hash is unknown.
    await writeFile(`${path}.sha256`, `${got}\n`);
    return {
      bytes: await readFile(path),
      origin: "network",
      path,
      sha256: got,
      verified: file.verified,
    };
  } catch (error) {
    if (!(error instanceof DataError) || error.code === "hash") throw error;
    throw new DataError(error.code, `${entry.id}: ${error.message}. ${advice(file, path)}`, {
      cause: error,
    });
  }
}

function advice(file: DataFile, path: string): string {
  const url = file.url === undefined ? "" : `, or save ${file.url} as ${path}`;
  return `Set TENSORLANE_DATA_MIRROR to a folder that holds ${mirrored(file).path}${url}`;
}

/** What a mirror folder holds of a file: a form of its own, or the source's bytes. */
const mirrored = (
  file: DataFile,
): { readonly path: string; readonly sha256?: string | undefined } => file.mirror ?? file;

async function readMirror(mirror: string, file: DataFile): Promise<ObtainedFile | undefined> {
  const folder = await stat(mirror).catch(() => undefined);
  if (!folder?.isDirectory())
    throw new DataError(
      "missing",
      `the mirror folder ${mirror} ${folder ? "is not a folder" : "does not exist"}: correct TENSORLANE_DATA_MIRROR (or the option) or leave it out`,
    );
  const { path: place, sha256: expected } = mirrored(file);
  const path = join(mirror, place);
  if (!(await exists(path))) return undefined;
  const bytes = await readFile(path);
  const sha256 = hash(bytes);
  if (expected !== undefined && sha256 !== expected)
    throw damaged(path, sha256, expected, bytes.length, "Copy it again from its origin");
  return { bytes, origin: "mirror", path, sha256, verified: expected !== undefined };
}

async function readCached(path: string, file: DataFile): Promise<ObtainedFile> {
  const bytes = await readFile(path);
  const sha256 = hash(bytes);
  const noted = await readFile(`${path}.sha256`, "utf8").catch(() => undefined);
  const expected = file.sha256 ?? noted?.trim();
  if (expected !== undefined && sha256 !== expected)
    throw damaged(path, sha256, expected, bytes.length, "Delete it and run again to download it");
  return { bytes, origin: "cache", path, sha256, verified: file.verified };
}

function damaged(path: string, got: string, expected: string, size: number, what: string) {
  return new DataError(
    "hash",
    `${path} is damaged: SHA-256 ${got} (${size} bytes), expected ${expected}. ${what}`,
  );
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
