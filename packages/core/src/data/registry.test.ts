import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { dataEntries, dataEntry } from "./registry.ts";

const mirror = fileURLToPath(new URL("../../../../../shared/data/", import.meta.url));

describe("data registry", () => {
  it("has the ids that the command names", () => {
    const ids = dataEntries().map((e) => e.id);
    expect(ids).toEqual(expect.arrayContaining(["los-loop", "pems-flow", "hangzhou-metro"]));
    expect(ids).toEqual(expect.arrayContaining(["nyc-taxi", "metro-interstate", "sst"]));
    expect(ids.filter((id) => id.startsWith("nab-")).length).toBe(7);
    expect(new Set(ids).size).toBe(ids.length);
    expect(() => dataEntry("los-lop")).toThrow(/no data set "los-lop"; known: los-loop, pems-flow/);
  });

  it("pins full commits or archives, and gives a hash exactly where it is verified", () => {
    for (const { id, files } of dataEntries()) {
      for (const file of files) {
        const at = `${id} ${file.role}`;
        if (file.url !== undefined)
          expect(file.url, at).toMatch(
            /^https:\/\/(raw\.githubusercontent\.com\/[^/]+\/[^/]+\/[0-9a-f]{40}\/\S+|\S+\.(gz|zip))$/,
          );
        expect(file.sha256 !== undefined, at).toBe(file.verified);
        // It must come from somewhere.
        expect(file.url ?? file.mirror, at).toBeDefined();
        if (!file.mirror) continue;
        expect(file.mirror.sha256, at).toMatch(/^[0-9a-f]{64}$/);
        expect(file.mirror.bytes, at).toBeGreaterThan(0);
      }
    }
  });

  it("names the task that reads a data set", () => {
    const readers = { surnames: "names", sst: "sentiment", "flickr8k-part": "caption" };
    for (const [id, task] of Object.entries(readers)) expect(dataEntry(id).loader, id).toBe(task);
  });

  it("marks what only the mirror's own part holds with -part", () => {
    for (const id of ["cifar10-part", "gtsrb-part", "flickr8k-part"])
      expect(dataEntry(id).files.every((f) => f.url === undefined)).toBe(true);
  });

  describe.skipIf(!existsSync(mirror))("with ../shared/data (skipped where it is absent)", () => {
    it("lists the mirror's files with the hashes of its index, all but the READMEs", () => {
      const index = readFileSync(`${mirror}README.md`, "utf8");
      const rows = [...index.matchAll(/^\| (\S+) \| (\d+) \| ([0-9a-f]{64}) \|/gm)]
        .map(([, path, bytes, sha256]) => ({ path: path!, bytes: Number(bytes), sha256: sha256! }))
        .filter((row) => !row.path.endsWith("README.md"));
      const registered = new Map(
        dataEntries().flatMap(({ files }) =>
          files.flatMap(({ mirror: own }) => (own ? [[own.path, own] as const] : [])),
        ),
      );
      for (const row of rows) expect(registered.get(row.path)).toEqual(row);
      expect(registered.size).toBe(rows.length);
    });
  });
});
