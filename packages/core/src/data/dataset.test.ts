import { describe, expect, it } from "vitest";
import { concat, decoded, subset } from "./combine.ts";
import { ArrayDataset, allocateBatch, WindowDataset } from "./dataset.ts";

const pairs = () =>
  new ArrayDataset({
    x: { data: Float32Array.from([1, 2, 3, 4, 5, 6]), shape: [3, 2] },
    y: { data: BigInt64Array.from([10n, 20n, 30n]) },
  });

describe("ArrayDataset", () => {
  it("stacks samples batch first in the order asked for", () => {
    const batch = pairs().get([2, 0]);
    expect(batch.x).toEqual({
      dtype: "float32",
      shape: [2, 2],
      data: Float32Array.from([5, 6, 1, 2]),
    });
    expect(batch.y).toEqual({
      dtype: "int64",
      shape: [2],
      data: BigInt64Array.from([30n, 10n]),
    });
  });

  it("fills memory in place and leaves further rows alone", () => {
    const dataset = pairs();
    const target = allocateBatch(dataset.fields, 3);
    const { data } = target.x!;
    dataset.fill(target, [1]);
    expect(target.x!.data).toBe(data);
    expect([...(data as Float32Array)]).toEqual([3, 4, 0, 0, 0, 0]);
  });

  it("says what does not fit", () => {
    const dataset = pairs();
    expect(() => dataset.get([3])).toThrow(/sample 3 of a data set of 3/);
    expect(() => dataset.fill({}, [0])).toThrow(/no field "x"/);
    expect(() => dataset.fill(allocateBatch(dataset.fields, 1), [0, 1])).toThrow(
      /holds 2 elements/,
    );
    const wrong = { ...allocateBatch(dataset.fields, 1), x: dataset.get([0]).y! };
    expect(() => dataset.fill(wrong, [0])).toThrow(/is int64, the data set gives float32/);
    expect(() => new ArrayDataset({})).toThrow(/at least one array/);
    expect(() => new ArrayDataset({ x: { data: new Float32Array(5), shape: [2, 2] } })).toThrow(
      /4 elements, the array has 5/,
    );
    expect(
      () => new ArrayDataset({ a: { data: new Float32Array(2) }, b: { data: new Int32Array(3) } }),
    ).toThrow(/first dimension must agree/);
  });
});

describe("WindowDataset", () => {
  const values = Float32Array.from({ length: 12 }, (_, i) => i);

  it("cuts input and the target that follows it", () => {
    const windows = new WindowDataset({ values, columns: 2, stepsIn: 2, stepsOut: 1 });
    expect(windows.length).toBe(4);
    const { x, y } = windows.get([0, 3]);
    expect(x!.shape).toEqual([2, 2, 2]);
    expect([...(x!.data as Float32Array)]).toEqual([0, 1, 2, 3, 6, 7, 8, 9]);
    expect([...(y!.data as Float32Array)]).toEqual([4, 5, 10, 11]);
  });

  it("takes a stride, chosen starts and covariates", () => {
    const strided = new WindowDataset({ values, columns: 2, stepsIn: 1, stepsOut: 1, stride: 2 });
    expect([...strided.starts]).toEqual([0, 2, 4]);
    const covariates = { values: Float32Array.from([0, 10, 20, 30, 40, 50]), columns: 1 };
    const chosen = new WindowDataset({
      values,
      columns: 2,
      stepsIn: 2,
      stepsOut: 2,
      starts: [1],
      covariates,
    });
    const { covariatesIn, covariatesOut } = chosen.get([0]);
    expect([...(covariatesIn!.data as Float32Array)]).toEqual([10, 20]);
    expect([...(covariatesOut!.data as Float32Array)]).toEqual([30, 40]);
  });

  it("refuses windows outside the series", () => {
    const base = { values, columns: 2, stepsIn: 4, stepsOut: 1 };
    expect(() => new WindowDataset({ ...base, starts: [2] })).toThrow(/does not fit into 6 rows/);
    expect(() => new WindowDataset({ ...base, columns: 5 })).toThrow(/not whole rows of 5/);
    expect(() => new WindowDataset({ ...base, stride: 0 })).toThrow(/stride 0/);
    expect(
      () => new WindowDataset({ ...base, covariates: { values: new Float32Array(3), columns: 1 } }),
    ).toThrow(/covariates hold 3 values/);
    expect(new WindowDataset({ ...base, stepsIn: 6 }).length).toBe(0);
  });
});

describe("subset, concat, decoded", () => {
  it("address the samples they stand for", async () => {
    const both = concat([subset(pairs(), [2, 1]), pairs()]);
    expect(both.length).toBe(5);
    const { y } = await both.get([0, 4, 1, 2]);
    expect([...(y!.data as BigInt64Array)]).toEqual([30n, 30n, 20n, 10n]);
    const target = allocateBatch(both.fields, 2);
    await both.fill(target, [1, 3]);
    expect([...(target.x!.data as Float32Array)]).toEqual([3, 4, 3, 4]);
  });

  it("decode samples side by side into their rows", async () => {
    const dataset = decoded(4, { x: { dtype: "float32", shape: [2] } }, async (i) => ({
      x: Float32Array.of(i, -i),
    }));
    expect([...((await dataset.get([3, 1])).x!.data as Float32Array)]).toEqual([3, -3, 1, -1]);
    await expect(dataset.get([4])).rejects.toThrow(/sample 4 of a data set of 4/);
    const bad = decoded(1, { x: { dtype: "float32", shape: [2] } }, () => ({
      x: Float32Array.of(1),
    }));
    await expect(bad.get([0])).rejects.toThrow(/has 1 elements, \[2\] needs 2/);
  });

  it("say what does not fit", async () => {
    expect(() => subset(pairs(), [0, 7])).toThrow(/index 7 at place 1/);
    expect(() => concat([])).toThrow(/at least one/);
    const other = new ArrayDataset({ x: { data: new Float32Array(2) } });
    expect(() => concat([pairs(), other])).toThrow(/must be the same/);
    expect(() => subset(pairs(), [0]).get([1])).toThrow(/sample 1 of a subset of 1/);
    await expect(concat([pairs()]).get([3])).rejects.toThrow(/sample 3 of a data set of 3/);
  });
});
