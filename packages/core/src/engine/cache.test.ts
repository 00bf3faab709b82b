import { expect, test } from "vitest";
import { ExecutableCache } from "./cache.ts";
import type { Executable } from "./engine.ts";

/** Counts compilations and releases; holds 10 bytes each. */
function workshop() {
  const log: string[] = [];
  const compile =
    (name: string, bytes = 10) =>
    async () => {
      log.push(`compile ${name}`);
      return {
        memory: () => bytes,
        release: () => log.push(`release ${name}`),
      } as unknown as Executable;
    };
  return { log, compile };
}
const nothing = async () => {};

test("compiles once and hands out the same executable", async () => {
  const { log, compile } = workshop();
  const cache = new ExecutableCache(100);
  const keep = async (executable: Executable) => executable;
  const first = cache.use("a", compile("a"), keep);
  const second = cache.use("a", compile("a"), keep);
  expect(await second).toBe(await first);
  expect(log).toEqual(["compile a"]);
  expect(cache.bytes).toBe(10);
});

test("releases the one unused for longest when the budget is exceeded", async () => {
  const { log, compile } = workshop();
  const cache = new ExecutableCache(25);
  for (const key of ["a", "b", "a", "c"]) await cache.use(key, compile(key), nothing);
  await Promise.resolve();
  expect(log).toEqual(["compile a", "compile b", "compile c", "release b"]);
  expect(cache.size).toBe(2);
});

test("keeps what is in use, over the budget, and releases it afterwards", async () => {
  const { log, compile } = workshop();
  const cache = new ExecutableCache(5);
  let finish = () => {};
  const busy = cache.use("a", compile("a"), () => new Promise<void>((done) => (finish = done)));
  await cache.use("b", compile("b"), nothing);
  expect(log).not.toContain("release a");
  finish();
  await busy;
  await Promise.resolve();
  expect(log).toContain("release a");
  expect(log).not.toContain("release b");
});

test("clear() waits for users too", async () => {
  const { log, compile } = workshop();
  const cache = new ExecutableCache(100);
  let finish = () => {};
  const busy = cache.use("a", compile("a"), () => new Promise<void>((done) => (finish = done)));
  await cache.use("b", compile("b"), nothing);
  cache.clear();
  await Promise.resolve();
  expect(log.at(-1)).toBe("release b");
  finish();
  await busy;
  await Promise.resolve();
  expect(log.at(-1)).toBe("release a");
  expect(cache.size).toBe(0);
});

test("forgets a failure to compile", async () => {
  const { compile } = workshop();
  const cache = new ExecutableCache(100);
  const fail = () => Promise.reject(new Error("no such operator"));
  await expect(cache.use("a", fail, nothing)).rejects.toThrow("no such operator");
  await cache.use("a", compile("a"), nothing);
  expect(cache.size).toBe(1);
});
