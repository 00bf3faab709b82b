import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allocate } from "../graph/dtype.ts";
import { createBindingEngine } from "./binding/engine.ts";
import type { Engine, Value } from "./engine.ts";
import { EngineError } from "./errors.ts";
import { createNativeEngine } from "./native/engine.ts";
import { filled, floats, model, value } from "./testing.ts";
import { pinnedVersion } from "./version.ts";
import { createWebEngine } from "./web/engine.ts";

const makers = {
  native: async () => createNativeEngine({ threads: 2 }),
  "node-binding": () => createBindingEngine({ threads: 2 }),
  wasm: () => createWebEngine({ load: () => import("onnxruntime-web"), threads: 1 }),
};

const addition = model({
  inputs: { a: ["float32", [2, 2]], b: ["float32", [2]] },
  outputs: { sum: ["float32", [2, 2]] },
  nodes: [["Add", ["a", "b"], ["sum"]]],
});

const a = floats([2, 2], [1, 2, 3, 4]);
const b = floats([2], [10, 20]);
const numbers = (result: Value) => Array.from<number | bigint>(result.data as Float32Array);

describe.each(Object.entries(makers))("engine %s", (name, make) => {
  let engine: Engine;
  let add: Awaited<ReturnType<Engine["compile"]>>;
  beforeAll(async () => {
    engine = await make();
    add = await engine.compile(addition, { label: "addition" });
  });
  afterAll(() => add.release());

  test("says what it is", () => {
    expect(engine.info).toMatchObject({ name, version: pinnedVersion, reason: "" });
    expect(engine.info.threads).toBeGreaterThan(0);
    expect(engine.info.zeroCopy).toBe(name === "native");
  });

  test("tells a graph's ports", () => {
    expect(add.inputs).toEqual([
      { name: "a", dtype: "float32", shape: [2, 2] },
      { name: "b", dtype: "float32", shape: [2] },
    ]);
    expect(add.outputs).toEqual([{ name: "sum", dtype: "float32", shape: [2, 2] }]);
  });

  test("runs once into fresh memory", async () => {
    const first = await add.run({ a, b });
    const second = await add.run({ a, b: floats([2], [0, 0]) });
    expect(first.sum).toMatchObject({ dtype: "float32", shape: [2, 2] });
    expect(numbers(first.sum)).toEqual([11, 22, 13, 24]);
    expect(numbers(second.sum)).toEqual([1, 2, 3, 4]);
  });

  test("runs many times on bound memory", async () => {
    const inputs = { a: filled([2, 2], 1), b };
    const outputs = { sum: filled([2, 2], 0) };
    const binding = add.bind({ inputs, outputs });
    for (const factor of [1, 2, 3]) {
      inputs.a.data.fill(factor as never);
      await binding.run();
      expect(numbers(outputs.sum)).toEqual([10, 20, 10, 20].map((x) => x + factor));
    }
    binding.release();
    await expect(binding.run()).rejects.toThrow("addition: run() on a released binding");
  });

  test("updates bound memory in place, elementwise", async () => {
    const update = await engine.compile(
      model({
        inputs: { p: ["float32", [64]], g: ["float32", [64]] },
        outputs: { next: ["float32", [64]] },
        nodes: [["Sub", ["p", "g"], ["next"]]],
      }),
    );
    const p = filled([64], 10);
    const binding = update.bind({ inputs: { p, g: filled([64], 2) }, outputs: { next: p } });
    for (let step = 0; step < 3; step++) await binding.run();
    expect(new Set(numbers(p))).toEqual(new Set([4]));
  });

  test("binds parts of one buffer", async () => {
    const buffer = new ArrayBuffer(64);
    const inputs = { a: value("float32", [2, 2], new Float32Array(buffer, 4, 4)), b };
    const outputs = { sum: value("float32", [2, 2], new Float32Array(buffer, 32, 4)) };
    inputs.a.data.set([1, 2, 3, 4] as never);
    await add.bind({ inputs, outputs }).run();
    expect([...new Float32Array(buffer)]).toEqual([
      0, 1, 2, 3, 4, 0, 0, 0, 11, 22, 13, 24, 0, 0, 0, 0,
    ]);
  });

  test("takes every dtype", async () => {
    const samples: Value[] = [
      value("float32", [2], Float32Array.of(1.5, -2)),
      value("int32", [2], Int32Array.of(7, -8)),
      value("int64", [2], BigInt64Array.of(2n ** 40n, -1n)),
      value("bool", [2], Uint8Array.of(1, 0)),
    ];
    for (const x of samples) {
      const reshape = await engine.compile(
        model({
          inputs: { x: [x.dtype, [2]], axis: ["int64", [1]] },
          outputs: { y: [x.dtype, [1, 2]] },
          nodes: [["Unsqueeze", ["x", "axis"], ["y"]]],
        }),
      );
      const axis = value("int64", [1], BigInt64Array.of(0n));
      const { y } = await reshape.run({ x, axis });
      expect(y).toEqual({ ...x, shape: [1, 2] });
      const bound = value(x.dtype, [1, 2], allocate(x.dtype, 2));
      await reshape.bind({ inputs: { x, axis }, outputs: { y: bound } }).run();
      expect(bound.data).toEqual(x.data);
    }
  });

  test("takes scalars and tensors without elements", async () => {
    const graph = await engine.compile(
      model({
        inputs: { x: ["float32", []], e: ["float32", [0, 3]] },
        outputs: { y: ["float32", []], f: ["float32", [0, 3]] },
        nodes: [
          ["Neg", ["x"], ["y"]],
          ["Neg", ["e"], ["f"]],
        ],
      }),
    );
    const feeds = { x: floats([], [3]), e: floats([0, 3], []) };
    expect(await graph.run(feeds)).toEqual({ y: floats([], [-3]), f: floats([0, 3], []) });
    const outputs = { y: floats([], [0]), f: floats([0, 3], []) };
    await graph.bind({ inputs: feeds, outputs }).run();
    expect(outputs.y.data[0]).toBe(-3);
  });

  test("takes sizes that are known only at run time", async () => {
    const graph = await engine.compile(
      model({
        inputs: { x: ["float32", ["batch", 2]] },
        outputs: { y: ["float32", ["batch", 2]] },
        nodes: [["Neg", ["x"], ["y"]]],
      }),
      { label: "dynamic" },
    );
    expect(graph.inputs[0].shape).toEqual([-1, 2]);
    for (const batch of [1, 3, 0]) {
      const x = filled([batch, 2], 1);
      expect(await graph.run({ x })).toEqual({ y: filled([batch, 2], -1) });
      const outputs = { y: filled([batch, 2], 0) };
      await graph.bind({ inputs: { x }, outputs }).run();
      expect(outputs.y).toEqual(filled([batch, 2], -1));
    }
    const wrong = { inputs: { x: filled([3, 2], 1) }, outputs: { y: filled([2, 2], 0) } };
    await expect(graph.bind(wrong).run()).rejects.toThrow(/dynamic: .*shape/s);
  });

  test("hands on an input that is also an output", async () => {
    const graph = await engine.compile(
      model({
        inputs: { a: ["float32", [2]], b: ["float32", [2]] },
        outputs: { a: ["float32", [2]], c: ["float32", [2]], d: ["float32", [2]] },
        nodes: [
          ["Identity", ["b"], ["c"]],
          ["Add", ["a", "b"], ["d"]],
        ],
      }),
    );
    const feeds = { a: floats([2], [1, 2]), b: floats([2], [3, 4]) };
    const expected = { a: floats([2], [1, 2]), c: floats([2], [3, 4]), d: floats([2], [4, 6]) };
    expect(await graph.run(feeds)).toEqual(expected);
    const outputs = { a: filled([2], 0), c: filled([2], 0), d: filled([2], 0) };
    await graph.bind({ inputs: feeds, outputs }).run();
    expect(outputs).toEqual(expected);
  });

  test("takes initialisers from memory", async () => {
    const graph = await engine.compile(
      model({
        inputs: { x: ["float32", [1, 64]] },
        outputs: { y: ["float32", [1, 64]] },
        nodes: [["MatMul", ["x", "w"], ["y"]]],
        external: { w: ["float32", [64, 64]] },
      }),
      { initializers: { w: filled([64, 64], 0.5) } },
    );
    expect(graph.inputs.map((port) => port.name)).toEqual(["x"]);
    expect(graph.memory()).toBeGreaterThan(4 * 64 * 64);
    expect((await graph.run({ x: filled([1, 64], 1) })).y).toEqual(filled([1, 64], 32));
  });

  test("names the port, what it expects and what it got", async () => {
    const given = (feeds: Record<string, unknown>) => add.run(feeds as Record<string, Value>);
    const cases: [Record<string, unknown>, string][] = [
      [{ a }, 'input "b" is missing (float32 [2]); received "a"'],
      [{ a, b, c: b }, 'no input named "c"; its inputs are "a", "b"'],
      [{ a: floats([4], [1, 2, 3, 4]), b }, '"a" expects float32 [2,2], received shape [4]'],
      [
        { a, b: value("int32", [2], Int32Array.of(1, 2)) },
        '"b" expects float32 [2], received int32',
      ],
      [{ a, b: value("float32", [2], Int32Array.of(1, 2)) }, "received a Int32Array"],
      [{ a, b: floats([2], [1]) }, "received 1 elements for shape [2]"],
      [{ a, b: { ...b, data: [1, 2] } }, "received a Array"],
    ];
    for (const [feeds, message] of cases) {
      const failure = await given(feeds).catch((error: unknown) => error as Error);
      expect(failure).toBeInstanceOf(EngineError);
      expect((failure as Error).message).toContain("addition: ");
      expect((failure as Error).message).toContain(message);
      const outputs = { sum: filled([2, 2], 0) };
      expect(() => add.bind({ inputs: feeds as Record<string, Value>, outputs })).toThrow(message);
    }
    const small = { sum: filled([1, 2], 0) };
    expect(() => add.bind({ inputs: { a, b }, outputs: small })).toThrow(
      'output "sum" expects float32 [2,2], received shape [1,2]',
    );
    expect(() => add.bind({ inputs: { a, b }, outputs: {} })).toThrow('output "sum" is missing');
  });

  test("refuses memory that overlaps", () => {
    const buffer = new ArrayBuffer(64);
    const at = (offset: number) => value("float32", [2, 2], new Float32Array(buffer, offset, 4));
    const inputs = { a: at(0), b };
    expect(() => add.bind({ inputs, outputs: { sum: at(8) } })).toThrow(
      '"a" (bytes 0 to 16) and "sum" (bytes 8 to 24) overlaps',
    );
    expect(() => add.bind({ inputs, outputs: { sum: at(16) } })).not.toThrow();
  });

  test("runs a binding once at a time", async () => {
    const binding = add.bind({ inputs: { a, b }, outputs: { sum: filled([2, 2], 0) } });
    const first = binding.run();
    await expect(binding.run()).rejects.toThrow("while this binding is running already");
    await first;
    await binding.run();
  });

  test("turns ONNX Runtime's messages into errors that name the graph", async () => {
    const options = { label: "broken" };
    await expect(engine.compile(new Uint8Array(0), options)).rejects.toThrow(
      "broken: the model is empty",
    );
    const garbage = engine.compile(Uint8Array.of(1, 2, 3), options);
    await expect(garbage).rejects.toThrow(/^broken: ONNX Runtime says: .*protobuf/s);
    await expect(garbage).rejects.toBeInstanceOf(EngineError);
    const unknown = model({
      inputs: { x: ["float32", [1]] },
      outputs: { y: ["float32", [1]] },
      nodes: [["NoSuchOperator", ["x"], ["y"]]],
    });
    await expect(engine.compile(unknown, options)).rejects.toThrow(/NoSuchOperator/);
    const double = model({
      inputs: { x: ["double", [1]] },
      outputs: { y: ["double", [1]] },
      nodes: [["Neg", ["x"], ["y"]]],
    });
    await expect(engine.compile(double, options)).rejects.toThrow(/broken: .*"x".*float32/s);
  });

  test("reports a failing run and can run again", async () => {
    const gather = await engine.compile(
      model({
        inputs: { x: ["float32", [4]], i: ["int64", [1]] },
        outputs: { y: ["float32", [1]] },
        nodes: [["Gather", ["x", "i"], ["y"]]],
      }),
      { label: "gather" },
    );
    const i = value("int64", [1], BigInt64Array.of(9n));
    const outputs = { y: filled([1], 0) };
    const binding = gather.bind({ inputs: { x: floats([4], [1, 2, 3, 4]), i }, outputs });
    await expect(binding.run()).rejects.toThrow(/^gather: ONNX Runtime says: .*Gather/s);
    (i.data as BigInt64Array)[0] = 2n;
    await binding.run();
    expect(outputs.y.data[0]).toBe(3);
  });

  test("releases on request, after what is in flight", async () => {
    const before = engine.memory();
    const graph = await engine.compile(addition, { label: "gone" });
    expect(engine.memory()).toBeGreaterThan(before);
    expect(graph.memory()).toBe(engine.memory() - before);
    const outputs = { sum: filled([2, 2], 0) };
    const binding = graph.bind({ inputs: { a, b }, outputs });
    const running = [binding.run(), graph.run({ a, b })];
    graph.release();
    graph.release();
    await Promise.all(running);
    expect(numbers(outputs.sum)).toEqual([11, 22, 13, 24]);
    expect(engine.memory()).toBe(before);
    expect(graph.memory()).toBe(0);
    await expect(graph.run({ a, b })).rejects.toThrow("gone: run() after release()");
    expect(() => graph.bind({ inputs: { a, b }, outputs })).toThrow("gone: bind() after release()");
    await expect(binding.run()).rejects.toThrow(/gone: run\(\)/);
  });

  test("gives the same results every time", async () => {
    const graph = await engine.compile(
      model({
        inputs: { x: ["float32", [64, 96]], w: ["float32", [96, 33]] },
        outputs: { y: ["float32", [33]] },
        nodes: [
          ["MatMul", ["x", "w"], ["h"]],
          ["Tanh", ["h"], ["t"]],
          ["ReduceMean", ["t"], ["y"], { axes: [0], keepdims: 0 }],
        ],
      }),
    );
    const wave = (shape: number[]) =>
      floats(
        shape,
        Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i * i)),
      );
    const feeds = { x: wave([64, 96]), w: wave([96, 33]) };
    const first = await graph.run(feeds);
    for (let i = 0; i < 5; i++) expect(await graph.run(feeds)).toEqual(first);
  });
});

test("all engines agree", async () => {
  const bytes = model({
    inputs: { x: ["float32", [3, 5]] },
    outputs: { y: ["float32", [3, 5]] },
    nodes: [
      ["Softmax", ["x"], ["s"], { axis: 1 }],
      ["Log", ["s"], ["y"]],
    ],
  });
  const x = floats(
    [3, 5],
    Array.from({ length: 15 }, (_, i) => Math.cos(3 * i)),
  );
  const results: number[][] = [];
  for (const make of Object.values(makers)) {
    const graph = await (await make()).compile(bytes);
    results.push(numbers((await graph.run({ x })).y) as number[]);
  }
  for (const other of results) {
    for (const [i, y] of other.entries()) expect(y).toBeCloseTo(results[0][i], 5);
  }
});
