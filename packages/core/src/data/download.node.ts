import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { DataError } from "./data-error.ts";

export interface DownloadProgress {
  readonly url: string;
  /** Bytes on disk so far, those of an earlier attempt included. */
  readonly received: number;
  /** Bytes in all, where the server or the registry says. */
  readonly total: number | undefined;
}

export interface DownloadOptions {
  /** SHA-256 that the file must have; without it the download is taken as it is. */
  readonly sha256?: string | undefined;
  readonly bytes?: number | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Give up when no answer has begun after this long; default 5000 ms. */
  readonly connectTimeoutMs?: number | undefined;
  /** Give up when no further byte has come for this long; default 30000 ms. */
  readonly stallTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** SHA-256 of a file, in hexadecimal, read as a stream. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

const sizeOf = (path: string) =>
  stat(path).then(
    (s) => s.size,
    () => 0,
  );

/**
 * Downloads `url` to `path`: resumable, verified, atomic; gives the SHA-256 of what came.
 *
 * Bytes collect in `path.part`; an interrupted download goes on from there (HTTP Range, guarded by the
 * server's ETag). The file takes its name only when complete and, where `sha256` is given, right.
 * Throws `DataError` with `code` `unreachable`, `http`, `size` or `hash`.
 *
 * @example await download(file.url, "cache/los_speed.csv", { sha256: file.sha256, onProgress: draw });
 */
export async function download(
  url: string,
  path: string,
  options: DownloadOptions = {},
): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const release = await lock(path);
  try {
    const part = `${path}.part`;
    await receive(url, part, options);
    const got = await hashFile(part);
    if (options.sha256 !== undefined && got !== options.sha256) {
      const size = await sizeOf(part);
      await removePart(part);
      throw new DataError(
        "hash",
        `${url} came with SHA-256 ${got} (${size} bytes), expected ${options.sha256}: nothing was kept. Try again; if it stays so, the source has changed or something between rewrites it`,
      );
    }
    await rename(part, path);
    await rm(`${part}.etag`, { force: true });
    return got;
  } finally {
    await release();
  }
}

async function removePart(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.etag`, { force: true });
}

/** One download of a file at a time, over processes; a lock whose process is gone is taken over. */
async function lock(path: string): Promise<() => Promise<void>> {
  const name = `${path}.lock`;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(name, String(process.pid), { flag: "wx" });
      return () => rm(name, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const owner = Number(await readFile(name, "utf8").catch(() => "0"));
      if (owner > 0 && isAlive(owner))
        throw new DataError(
          "busy",
          `process ${owner} is downloading ${path}: wait for it, or delete ${name} if that is not so`,
        );
      await rm(name, { force: true });
    }
  }
  throw new DataError("busy", `cannot lock ${name}; another process took it`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function receive(url: string, part: string, options: DownloadOptions): Promise<void> {
  const { connectTimeoutMs = 5000, stallTimeoutMs = 30_000 } = options;
  const have = await sizeOf(part);
  const etag = have > 0 ? await readFile(`${part}.etag`, "utf8").catch(() => "") : "";
  const abort = new AbortController();
  const stop = () => abort.abort(options.signal?.reason);
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener("abort", stop, { once: true });
  // Once the answer has begun the same timer watches for a stall.
  const timer = watchdog(abort);
  let begun = false;
  try {
    timer.start(connectTimeoutMs, `no answer within ${connectTimeoutMs / 1000} s`);
    const response = await fetch(url, {
      signal: abort.signal,
      headers: {
        // A packed transfer would make byte ranges count packed bytes.
        "accept-encoding": "identity",
        ...(have > 0 && { range: `bytes=${have}-`, ...(etag !== "" && { "if-range": etag }) }),
      },
    });
    begun = true;
    timer.start(stallTimeoutMs, `no byte for ${stallTimeoutMs / 1000} s`);
    if (response.status === 416) {
      // What is here is as long as the source, or longer: only a fresh start can tell.
      await response.body?.cancel();
      await removePart(part);
      return await receive(url, part, options);
    }
    if (!response.ok)
      throw new DataError(
        "http",
        `${url}: the server answered ${response.status} ${response.statusText}`.trimEnd(),
      );
    const start = rangeStart(response);
    const resumed = have > 0 && start === have;
    if (!resumed && start !== 0)
      throw new DataError("http", `${url}: asked for bytes from ${have}, the server sent ${start}`);
    await writeFile(`${part}.etag`, response.headers.get("etag") ?? "");
    const length = Number(response.headers.get("content-length") ?? Number.NaN);
    const from = resumed ? have : 0;
    const total = Number.isNaN(length) ? options.bytes : from + length;
    await write(response, part, resumed, (received) => {
      timer.start(stallTimeoutMs, `no byte for ${stallTimeoutMs / 1000} s`);
      options.onProgress?.({ url, received: from + received, total });
    });
    const size = await sizeOf(part);
    if (total !== undefined && size !== total)
      throw new DataError(
        "size",
        `${url}: ${size} of ${total} bytes came. Run again: the download goes on where it stopped`,
      );
  } catch (error) {
    if (error instanceof DataError || options.signal?.aborted) throw error;
    const reason = timer.reason ?? reasonOf(error);
    throw new DataError(
      "unreachable",
      begun
        ? `the download of ${url} broke off: ${reason}. Run again: it goes on where it stopped`
        : `cannot reach ${url}: ${reason}`,
      { cause: error },
    );
  } finally {
    timer.stop();
    options.signal?.removeEventListener("abort", stop);
  }
}

function rangeStart(response: Response): number {
  if (response.status !== 206) return 0;
  const match = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  return match ? Number(match[1]) : Number.NaN;
}

async function write(
  response: Response,
  part: string,
  append: boolean,
  onBytes: (received: number) => void,
): Promise<void> {
  const file = await open(part, append ? "a" : "w");
  try {
    let received = 0;
    if (response.body === null) return;
    for await (const chunk of response.body) {
      await file.writeFile(chunk as Uint8Array);
      received += (chunk as Uint8Array).byteLength;
      onBytes(received);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

function watchdog(abort: AbortController) {
  let timer: NodeJS.Timeout | undefined;
  const dog = {
    reason: undefined as string | undefined,
    start(ms: number, reason: string) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        dog.reason = reason;
        abort.abort(new Error(reason));
      }, ms);
    },
    stop: () => clearTimeout(timer),
  };
  return dog;
}

/** fetch hides what happened in a chain of causes. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  const { code, message } = reason as NodeJS.ErrnoException;
  if (!message) return code ?? String(error);
  return code && !message.includes(code) ? `${code} ${message}` : message;
}
