import { expect, test } from "vitest";
import { nn } from "../index.ts";

const model = () =>
  new nn.Sequential(
    new nn.Linear({ inFeatures: 2, outFeatures: 3 }),
    new nn.BatchNorm1d({ numFeatures: 3 }),
  );
/** The state of another such model, changed. */
const changed = (change: (state: nn.StateDict) => void): nn.StateDict => {
  const state = model().stateDict();
  change(state);
  return state;
};
const floats = (...shape: number[]) => ({
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
  shape,
});

test("loads what fits, and reports the rest in words", () => {
  const state = changed((all) => {
    all.delete("0.bias");
    all.set("0.weight", floats(3, 5));
    all.set("1.num_batches_tracked", floats());
    all.set("fc.weight", floats(1));
    all.set("1.weight", { data: Float32Array.of(7, 8, 9), shape: [3] });
  });
  const target = model();
  const report = target.loadStateDict(state, { strict: false });
  expect(report).toMatchObject({
    loaded: ["1.weight", "1.bias", "1.running_mean", "1.running_var"],
    missing: ["0.bias"],
    unexpected: ["fc.weight"],
    wrongShape: ["0.weight", "1.num_batches_tracked"],
  });
  expect([...target.stateDict().get("1.weight")!.data]).toEqual([7, 8, 9]);
  expect(`\n${report}`).toBe(`
4 loaded
  missing in the file: 0.bias
  not in the model: fc.weight
  of another shape or type: 0.weight is float32[3, 5] in the file, float32[3, 2] in the model, \
1.num_batches_tracked is float32[] in the file, int64[] in the model`);
});

test("strict: a typed error with the report, before anything changes", () => {
  const state = changed((all) => {
    all.set("1.weight", floats(3));
    for (let i = 0; i < 8; i++) all.set(`head.${i}`, floats(1));
  });
  const target = model();
  let error: unknown;
  try {
    target.loadStateDict(state);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(nn.StateDictError);
  expect((error as nn.StateDictError).report.unexpected).toHaveLength(8);
  expect((error as Error).message).toMatch(/head\.4, and 3 more\n {2}pass \{ strict: false \}/);
  expect([...target.stateDict().get("1.weight")!.data]).toEqual([1, 1, 1]);
});

test("files from before PyTorch 0.4.1 have no counts of batches", () => {
  const report = model().loadStateDict(changed((all) => all.delete("1.num_batches_tracked")));
  expect(report.missing).toEqual(["1.num_batches_tracked"]);
  expect(() => model().loadStateDict(changed((all) => all.delete("1.running_mean")))).toThrow(
    "missing in the file: 1.running_mean",
  );
});
