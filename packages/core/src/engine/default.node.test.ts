import { afterEach, expect, test, vi } from "vitest";
import { chooseEngine, defaultEngine } from "./default.node.ts";
import type { Engine } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { spinningWanted, threadsWanted } from "./threads.node.ts";

afterEach(() => vi.restoreAllMocks());

const engineOf = (name: Engine["info"]["name"]) => async (reason: string) =>
  ({ info: { name, reason } }) as Engine;
const broken = async (): Promise<Engine> => {
  throw new Error("no such file");
};
const all = {
  native: engineOf("native"),
  "node-binding": engineOf("node-binding"),
  wasm: engineOf("wasm"),
};

test("takes the native engine, once, where it loads", async () => {
  const engine = await defaultEngine();
  expect(engine.info).toMatchObject({ name: "native", reason: "" });
  expect(await defaultEngine()).toBe(engine);
});

test("says why it falls back, in a warning and in the engine's reason", async () => {
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const { info } = await chooseEngine(undefined, { ...all, native: broken });
  const reason = "native cannot load: no such file";
  expect(info).toMatchObject({ name: "node-binding", reason });
  expect(warn.mock.calls).toEqual([
    [`Tensorlane runs on the slower engine node-binding: ${reason}`],
  ]);
  const last = await chooseEngine("", { ...all, native: broken, "node-binding": broken });
  expect(last.info.name).toBe("wasm");
  expect(last.info.reason).toContain("node-binding cannot load");
});

test("an explicit choice is kept or fails", async () => {
  expect((await chooseEngine("wasm", all)).info).toMatchObject({
    name: "wasm",
    reason: "chosen by TENSORLANE_ENGINE",
  });
  await expect(chooseEngine("native", { ...all, native: broken })).rejects.toThrow(
    'TENSORLANE_ENGINE is "native", which cannot load: no such file',
  );
  await expect(chooseEngine("gpu", all)).rejects.toThrow("give one of native, node-binding, wasm");
});

test("fails with every reason where nothing loads", async () => {
  const none = { native: broken, "node-binding": broken, wasm: broken };
  await expect(chooseEngine(undefined, none)).rejects.toThrow(
    /no engine can load here.*native cannot.*node-binding cannot.*wasm cannot/,
  );
});

test("spinning is on unless TENSORLANE_SPINNING is 0", () => {
  expect(["", "1", "0"].map((each) => spinningWanted(each))).toEqual([true, true, false]);
  expect(() => spinningWanted("yes")).toThrow('TENSORLANE_SPINNING is "yes": give 0 or 1');
});

test("threads come from TENSORLANE_THREADS or the machine", () => {
  expect(threadsWanted("3")).toBe(3);
  expect(threadsWanted("")).toBeGreaterThan(0);
  for (const wrong of ["0", "two", "1.5", "-1"]) {
    expect(() => threadsWanted(wrong)).toThrow(EngineError);
  }
});
