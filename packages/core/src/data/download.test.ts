import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataCacheFolder, locateData, obtainFile } from "./cache.node.ts";
import { type DownloadProgress, download } from "./download.node.ts";
import type { DataEntry, DataFile } from "./registry.ts";

const content = Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 7) % 251));
const sha256 = createHash("sha256").update(content).digest("hex");

let folder: string;
let server: Server | undefined;
let requests: IncomingMessage[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tensorlane-download-"));
  requests = [];
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

/** A server on the loopback; gives the URL of a file on it. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/file.csv`;
}

/** An ordinary file server with ranges. */
function file(request: IncomingMessage, response: ServerResponse): void {
  const match = /bytes=(\d+)-/.exec(request.headers.range ?? "");
  const from = match ? Number(match[1]) : 0;
  const changed =
    request.headers["if-range"] !== undefined && request.headers["if-range"] !== '"v"';
  if (match && from >= content.length) {
    response.writeHead(416).end();
  } else if (match && !changed) {
    const range = `bytes ${from}-${content.length - 1}/${content.length}`;
    const length = content.length - from;
    response.writeHead(206, { etag: '"v"', "content-range": range, "content-length": length });
    response.end(content.subarray(from));
  } else {
    response.writeHead(200, { etag: '"v"', "content-length": content.length }).end(content);
  }
}

describe("download", () => {
  it("verifies, reports progress and leaves nothing but the file", async () => {
    const seen: DownloadProgress[] = [];
    const path = join(folder, "deep/file.csv");
    const got = await download(await serve(file), path, {
      sha256,
      onProgress: (p) => seen.push(p),
    });
    expect(got).toBe(sha256);
    expect(await readFile(path)).toEqual(content);
    expect(seen.at(-1)).toMatchObject({ received: content.length, total: content.length });
    expect(await readdir(join(folder, "deep"))).toEqual(["file.csv"]);
  });

  it("goes on where an earlier attempt broke off", async () => {
    let broken: ServerResponse | undefined;
    const url = await serve((request, response) => {
      if (broken) return file(request, response);
      broken = response.writeHead(200, { etag: '"v"', "content-length": content.length });
      broken.write(content.subarray(0, 20_000));
    });
    const path = join(folder, "file.csv");
    const cut = { sha256, onProgress: () => broken!.destroy() };
    await expect(download(url, path, cut)).rejects.toThrow(/broke off.*Run again/);
    expect(existsSync(path)).toBe(false);
    const seen: number[] = [];
    await download(url, path, { sha256, onProgress: (p) => seen.push(p.received) });
    expect(requests[1]!.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(requests[1]!.headers["if-range"]).toBe('"v"');
    expect(seen.at(-1)).toBe(content.length);
    expect(await readFile(path)).toEqual(content);
  });

  it("starts over when the source changed, or knows no ranges, or the part is too long", async () => {
    const path = join(folder, "file.csv");
    const url = await serve(file);
    await writeFile(`${path}.part`, "an older version");
    await writeFile(`${path}.part.etag`, '"old"');
    await download(url, path, { sha256 });
    await writeFile(`${path}.part`, Buffer.concat([content, content]));
    await download(url, path, { sha256 });
    expect(requests.map((r) => r.headers.range)).toEqual(["bytes=16-", "bytes=100000-", undefined]);
  });

  it("keeps nothing of a wrong file and names both hashes", async () => {
    const path = join(folder, "file.csv");
    const wrong = "0".repeat(64);
    await expect(download(await serve(file), path, { sha256: wrong })).rejects.toThrow(
      new RegExp(`SHA-256 ${sha256}.*expected ${wrong}`),
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it("gives up on a dead, a silent and a stalling server", async () => {
    const path = join(folder, "file.csv");
    await expect(download("http://127.0.0.1:1/file", path)).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringMatching(/cannot reach http:\/\/127\.0\.0\.1:1\/file: /),
    });
    const silent = await serve(() => {});
    await expect(download(silent, path, { connectTimeoutMs: 50 })).rejects.toThrow(
      /no answer within 0.05 s/,
    );
    server!.closeAllConnections();
    server!.close();
    const stalling = await serve((_, response) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 10));
    });
    await expect(download(stalling, path, { stallTimeoutMs: 50 })).rejects.toThrow(
      /broke off: no byte for 0.05 s/,
    );
  });

  it("tells a refusal, a short file and a second process", async () => {
    const path = join(folder, "file.csv");
    const url = await serve((_, response) => response.writeHead(404).end());
    await expect(download(url, path)).rejects.toThrow(/answered 404 Not Found/);
    server!.close();
    const short = await serve((_, response) => response.writeHead(200).end("abc"));
    await expect(download(short, path, { bytes: 5 })).rejects.toThrow(/3 of 5 bytes/);
    await writeFile(`${path}.lock`, String(process.pid));
    await expect(download(short, path)).rejects.toMatchObject({ code: "busy" });
    // Process numbers end well below this one: the lock is stale.
    await writeFile(`${path}.lock`, "999999999");
    await rm(`${path}.part`);
    await download(short, path);
    expect(await readFile(path, "utf8")).toBe("abc");
  });

  it("stops when asked to", async () => {
    const url = await serve(file);
    const signal = AbortSignal.abort(new Error("Ctrl-C"));
    await expect(download(url, join(folder, "file.csv"), { signal })).rejects.toThrow("Ctrl-C");
  });
});

describe("obtainFile", () => {
  const entryOf = (over: Partial<DataFile>): DataEntry => ({
    id: "test-set",
    title: "test",
    kind: "traffic",
    licence: "none",
    citation: "none",
    files: [
      {
        role: "values",
        path: "traffic/file.csv",
        verified: false,
        mirror: { path: "traffic/file.csv.gz", bytes: content.length, sha256 },
        ...over,
      },
    ],
  });
  const places = () => ({ mirror: null, cache: join(folder, "cache") });

  it("takes the mirror first and checks it", async () => {
    const mirror = join(folder, "mirror");
    await download(await serve(file), join(mirror, "traffic/file.csv.gz"));
    const entry = entryOf({});
    const got = await obtainFile(entry, "values", { ...places(), mirror });
    expect(got).toMatchObject({ origin: "mirror", sha256, verified: true });
    expect((await locateData(entry, { mirror }))[0]).toMatchObject({ origin: "mirror" });
    await writeFile(join(mirror, "traffic/file.csv.gz"), "damaged");
    await expect(obtainFile(entry, "values", { ...places(), mirror })).rejects.toThrow(
      new RegExp(`is damaged: SHA-256 [0-9a-f]{64} \\(7 bytes\\), expected ${sha256}`),
    );
    await expect(
      obtainFile(entry, "values", { ...places(), mirror: join(folder, "nowhere") }),
    ).rejects.toThrow(/mirror folder .*nowhere does not exist/);
  });

  it("downloads once, then reads the cache, and notices damage there", async () => {
    const entry = entryOf({ url: await serve(file) });
    expect(await obtainFile(entry, "values", places())).toMatchObject({
      origin: "network",
      verified: false,
    });
    expect(await obtainFile(entry, "values", places())).toMatchObject({ origin: "cache", sha256 });
    expect(requests.length).toBe(1);
    expect((await locateData(entry, places()))[0]).toMatchObject({ origin: "cache" });
    await writeFile(join(folder, "cache/traffic/file.csv"), "damaged");
    await expect(obtainFile(entry, "values", places())).rejects.toThrow(
      new RegExp(`expected ${sha256}. Delete it and run again`),
    );
  });

  it("says how to get what is nowhere", async () => {
    await expect(obtainFile(entryOf({}), "values", places())).rejects.toThrow(
      /neither in a mirror \(none set\) nor in the cache .*Set TENSORLANE_DATA_MIRROR/,
    );
    const url = "http://127.0.0.1:1/file";
    await expect(
      obtainFile(entryOf({ url }), "values", { ...places(), offline: true }),
    ).rejects.toMatchObject({ code: "offline" });
    await expect(obtainFile(entryOf({ url }), "values", places())).rejects.toThrow(
      /test-set: cannot reach.*Set TENSORLANE_DATA_MIRROR to a folder that holds traffic\/file/,
    );
    await expect(obtainFile(entryOf({}), "speed", places())).rejects.toThrow(/it has values/);
  });

  it("has a cache folder of its own", () => {
    expect(dataCacheFolder()).toMatch(/tensorlane/);
  });
});
