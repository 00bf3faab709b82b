import { InferenceSession } from "onnxruntime-node";
import { expect, test, vi } from "vitest";
import { model } from "../testing.ts";
import { createNativeEngine } from "./engine.ts";

test("works in a process where onnxruntime-node made the environment first, and says so", async () => {
  const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  const bytes = model({
    inputs: { x: ["float32", [2]] },
    outputs: { y: ["float32", [2]] },
    nodes: [["Neg", ["x"], ["y"]]],
  });
  await (await InferenceSession.create(bytes)).release();
  const engine = createNativeEngine();
  const executable = await engine.compile(bytes);
  expect(warning).toHaveBeenCalledOnce();
  expect(String(warning.mock.calls[0][0])).toMatch(/threads of their own/);
  const x = { dtype: "float32", shape: [2], data: Float32Array.of(1, -2) } as const;
  expect([...(await executable.run({ x })).y.data]).toEqual([-1, 2]);
  await engine.compile(bytes);
  expect(warning).toHaveBeenCalledOnce();
  warning.mockRestore();
});
