import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeAll, describe, expect, test } from "vitest";
import type { Engine, Executable } from "../engine.ts";
import { filled, floats, model, value } from "../testing.ts";
import { pinnedVersion } from "../version.ts";
import { createNativeEngine } from "./engine.ts";
import { Library, locateLibrary } from "./library.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const negation = model({
  inputs: { x: ["float32", [4]] },
  outputs: { y: ["float32", [4]] },
  nodes: [["Neg", ["x"], ["y"]]],
});

/** A chain of matrix products: long enough that other things happen meanwhile. */
const side = 384;
const products = model({
  inputs: { x: ["float32", [side, side]], w: ["float32", [side, side]] },
  outputs: { y: ["float32", [side, side]] },
  nodes: Array.from({ length: 20 }, (_, i) => [
    "MatMul",
    [i === 0 ? "x" : `h${i}`, "w"],
    [i === 19 ? "y" : `h${i + 1}`],
  ]),
});

let engine: Engine;
let long: Executable;
beforeAll(async () => {
  engine = createNativeEngine({ threads: 2 });
  long = await engine.compile(products, { label: "products" });
});

/** Memory for `long`: every element of y becomes 1. */
function longPorts() {
  const shape = [side, side];
  const inputs = { x: filled(shape, 1), w: filled(shape, 1 / side) };
  return { inputs, outputs: { y: filled(shape, 0) } };
}

/** Collects garbage until `done`, or gives up. */
async function collectUntil(done: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 200 && !done(); turn++) {
    collectGarbage();
    await nextTurn();
  }
  return done();
}

describe("the library", () => {
  test("is checked against the pinned version, which package.json pins too", () => {
    const path = locateLibrary();
    expect(new Library(path).version).toBe(pinnedVersion);
    expect(() => new Library(path, "1.29.1")).toThrow(
      `is ONNX Runtime ${pinnedVersion}, but this release of Tensorlane is made for 1.29.1. ` +
        "Run npm install --ignore-scripts onnxruntime-node@1.29.1",
    );
    const manifest = JSON.parse(
      readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
    );
    const pinned = { ...manifest.dependencies, ...manifest.optionalDependencies };
    for (const name of ["onnxruntime-node", "onnxruntime-web"]) {
      expect(pinned[name]).toBe(pinnedVersion);
    }
  });
});

describe("a run", () => {
  test("leaves the event loop free", async () => {
    let running = true;
    const { inputs, outputs } = longPorts();
    const finished = long
      .bind({ inputs, outputs })
      .run()
      .then(() => (running = false));
    let turns = 0;
    while (running) {
      await nextTurn();
      turns++;
    }
    await finished;
    expect(turns).toBeGreaterThan(10);
    expect(outputs.y.data[0]).toBeCloseTo(1, 3);
  });

  test("of those that are short leaves it free now and then", async () => {
    const brief = await engine.compile(negation);
    const [x, y] = [floats([4], [1, 2, 3, 4]), filled([4], 0)];
    const binding = brief.bind({ inputs: { x }, outputs: { y } });
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    let runs = 0;
    for (; !turned && runs < 1e6; runs++) await binding.run();
    expect(turned).toBe(true);
    expect([...y.data]).toEqual([-1, -2, -3, -4]);
    brief.release();
  });

  test("keeps its memory though nobody else does", async () => {
    const { inputs, outputs } = longPorts();
    const memory = outputs.y.data;
    // Neither the executable nor the binding can be reached while this runs.
    const running = (async () => {
      const executable = await engine.compile(products);
      await executable.bind({ inputs, outputs }).run();
    })();
    let pending = true;
    running.then(() => (pending = false));
    while (pending) {
      collectGarbage();
      await nextTurn();
    }
    await running;
    expect(memory.every((y) => Math.abs(Number(y) - 1) < 1e-3)).toBe(true);
  });

  test("goes side by side with runs of other bindings", async () => {
    const ports = [longPorts(), longPorts(), longPorts()];
    await Promise.all(ports.map((each) => long.bind(each).run()));
    for (const { outputs } of ports) expect(outputs.y.data[7]).toBeCloseTo(1, 3);
  });
});

describe("memory", () => {
  test("is released when executables and bindings are collected", async () => {
    const before = engine.memory();
    await (async () => {
      const executable = await engine.compile(products);
      await executable.bind(longPorts()).run();
      // What a run needed counts too, not only the model's bytes.
      expect(executable.memory()).toBeGreaterThan(4 * side * side);
    })();
    expect(engine.memory()).toBeGreaterThan(before);
    expect(await collectUntil(() => engine.memory() <= before)).toBe(true);
  });

  test("does not grow over a thousand executables and bindings", async () => {
    const x = floats([4], [1, 2, 3, 4]);
    const y = filled([4], 0);
    const cycle = async () => {
      const executable = await engine.compile(negation);
      const binding = executable.bind({ inputs: { x }, outputs: { y } });
      await binding.run();
      await executable.run({ x });
      binding.release();
      executable.release();
    };
    for (let i = 0; i < 200; i++) await cycle();
    collectGarbage();
    const before = process.memoryUsage.rss();
    const held = engine.memory();
    for (let i = 0; i < 1000; i++) await cycle();
    collectGarbage();
    expect(engine.memory()).toBe(held);
    // A leaked session costs about 70 KB; fragmentation stays well below 30.
    expect((process.memoryUsage.rss() - before) / 1000).toBeLessThan(30_000);
  });

  test("of small arrays does not move under a binding", async () => {
    const executable = await engine.compile(negation);
    // V8 keeps arrays this small inside its heap, where the collector moves them.
    const x = value("float32", [4], new Float32Array(4).fill(2));
    const y = value("float32", [4], new Float32Array(4));
    const binding = executable.bind({ inputs: { x }, outputs: { y } });
    for (let i = 0; i < 5; i++) {
      collectGarbage();
      x.data.fill(i as never);
      await binding.run();
      expect([...(y.data as Float32Array)]).toEqual(Array(4).fill(-i));
    }
  });

  test("may be shared between threads", async () => {
    const executable = await engine.compile(negation);
    const shared = () => value("float32", [4], new Float32Array(new SharedArrayBuffer(16)));
    const ports = { inputs: { x: shared() }, outputs: { y: shared() } };
    ports.inputs.x.data.fill(3 as never);
    await executable.bind(ports).run();
    expect(ports.outputs.y.data[3]).toBe(-3);
  });

  test("that was transferred away is noticed", async () => {
    const executable = await engine.compile(negation, { label: "negation" });
    const x = value("float32", [4], new Float32Array(new ArrayBuffer(16)));
    const binding = executable.bind({ inputs: { x }, outputs: { y: filled([4], 0) } });
    structuredClone(x.data.buffer, { transfer: [x.data.buffer as ArrayBuffer] });
    await expect(binding.run()).rejects.toThrow(
      'negation: the memory bound to "x" is gone (16 bytes then, 0 now)',
    );
    await expect(executable.run({ x })).rejects.toThrow("was its memory transferred away?");
    const growing = new ArrayBuffer(16, { maxByteLength: 64 } as never);
    const resizable = value("float32", [4], new Float32Array(growing, 0, 4));
    await expect(executable.run({ x: resizable })).rejects.toThrow("can change its size");
  });
});

describe("options", () => {
  test("threads are the process's and cannot change", () => {
    expect(createNativeEngine().info.threads).toBe(2);
    expect(() => createNativeEngine({ threads: 3 })).toThrow("already runs with 2 threads");
  });

  test("a profile is written with the given prefix and is complete", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tensorlane-"));
    try {
      const executable = await engine.compile(negation, { profilePrefix: join(folder, "step") });
      await executable.run({ x: filled([4], 1) });
      executable.release();
      const [file] = readdirSync(folder);
      expect(file).toMatch(/^step.*\.json$/);
      const events: unknown = JSON.parse(readFileSync(join(folder, file), "utf8"));
      expect(events).toEqual(expect.arrayContaining([expect.objectContaining({ cat: "Node" })]));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("session configuration reaches ONNX Runtime", async () => {
    const wrong = engine.compile(negation, {
      label: "configured",
      sessionConfig: { ["session.x".repeat(500)]: "1" },
    });
    await expect(wrong).rejects.toThrow(/^configured: ONNX Runtime says: .*key/is);
    const right = { "session.disable_prepacking": "1" };
    await engine.compile(negation, { sessionConfig: right });
  });
});
