import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, decoded, subset } from "./combine.ts";
import { ArrayDataset, type Batch } from "./dataset.ts";
import { DataLoader, type LoadedBatch } from "./loader.ts";

const numbers = (n: number) =>
  new ArrayDataset({ x: { data: Float32Array.from({ length: n }, (_, i) => i + 1) } });
const rows = (batch: LoadedBatch) => [...(batch.fields.x!.data as Float32Array)];
const weights = (batch: LoadedBatch) => [...(batch.fields.weight!.data as Float32Array)];

async function collect(iterable: AsyncIterable<LoadedBatch>): Promise<LoadedBatch[]> {
  const all: LoadedBatch[] = [];
  for await (const batch of iterable) all.push(batch);
  return all;
}

describe("DataLoader", () => {
  it("pads the last batch with zero rows of weight 0 and says so", async () => {
    const loader = new DataLoader(numbers(5), { batchSize: 2 });
    expect(loader.notice).toMatch(/last batch holds 1 samples, padded to 2/);
    const batches = await collect(loader);
    expect(batches.map(rows)).toEqual([
      [1, 2],
      [3, 4],
      [5, 0],
    ]);
    expect(batches.map(weights)).toEqual([
      [1, 1],
      [1, 1],
      [1, 0],
    ]);
    expect(batches.map((b) => b.count)).toEqual([2, 2, 1]);
  });

  it("drops the last batch and says so, without a weight field", async () => {
    const loader = new DataLoader(numbers(5), { batchSize: 2, dropLast: true });
    expect(loader.notice).toMatch(/last 1 of 5 samples are left out/);
    const batches = await collect(loader);
    expect(batches.map(rows)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(Object.keys(batches[0]!.fields)).toEqual(["x"]);
    expect(new DataLoader(numbers(4), { batchSize: 2 }).notice).toBeUndefined();
  });

  it("clears old rows when it pads reused memory", async () => {
    const loader = new DataLoader(numbers(5), { batchSize: 2 });
    const target = loader.allocate();
    (target.x!.data as Float32Array).fill(9);
    expect(await loader.fill(target, 0, 2)).toBe(1);
    expect([...(target.x!.data as Float32Array)]).toEqual([5, 0]);
  });

  it("gives every sample once an epoch, in an order of (seed, epoch), from any batch on", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(5),
        fc.nat(),
        async (n, batchSize, epoch, pick) => {
          const make = () => new DataLoader(numbers(n), { batchSize, shuffle: true, seed: 3 });
          const whole = await collect(make().epoch(epoch));
          const seen = whole.flatMap(rows).filter((x) => x > 0);
          expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i + 1));
          const from = pick % whole.length;
          const rest = await collect(make().epoch(epoch, { from }));
          expect(rest).toEqual(whole.slice(from));
        },
      ),
      { numRuns: 30 },
    );
  });

  it("shuffles each epoch anew, and not at all when not asked", async () => {
    const shuffled = new DataLoader(numbers(64), { batchSize: 64, shuffle: true });
    const [first] = await collect(shuffled.epoch(0));
    const [second] = await collect(shuffled.epoch(1));
    expect(rows(first!)).not.toEqual(rows(second!));
    const plain = new DataLoader(numbers(64), { batchSize: 64 });
    expect(await collect(plain.epoch(1)).then((b) => rows(b[0]!))).toEqual(
      rows((await collect(plain.epoch(0)))[0]!),
    );
  });

  it("tells the set which pass a batch belongs to, also through subsets and unions", async () => {
    const passes: (number | undefined)[] = [];
    const base = numbers(4);
    const noting = {
      fields: base.fields,
      length: base.length,
      fill: (target: Batch, indices: ArrayLike<number>, pass?: number) => {
        passes.push(pass);
        return base.fill(target, indices);
      },
      get: (indices: ArrayLike<number>, pass?: number) => {
        passes.push(pass);
        return base.get(indices);
      },
    };
    const sets = [noting, subset(noting, [0, 1, 2, 3]), concat([noting])];
    for (const set of sets) {
      // Two batches a pass, three an epoch.
      const loader = new DataLoader(set, { batchSize: 2, batchesPerEpoch: 3 });
      await collect(loader.epoch(0));
      await collect(loader.epoch(1));
      expect(passes.splice(0)).toEqual([0, 0, 1, 1, 2, 2]);
    }
  });

  it("reads one batch ahead, and lets two buffers take turns on request", async () => {
    const started: number[] = [];
    const slow = decoded(4, { x: { dtype: "float32", shape: [] } }, async (i) => {
      started.push(i);
      return { x: Float32Array.of(i + 1) };
    });
    const loader = new DataLoader(slow, { batchSize: 1 });
    const iterator = loader.epoch(0, { reuse: true });
    const first = (await iterator.next()).value as LoadedBatch;
    expect(started).toEqual([0, 1]);
    expect(rows(first)).toEqual([1]);
    const second = (await iterator.next()).value as LoadedBatch;
    expect(rows(second)).toEqual([2]);
    const third = (await iterator.next()).value as LoadedBatch;
    expect(third.fields).toBe(first.fields);
    await iterator.return();
  });

  it("passes on a failure of the read-ahead where its batch is asked for", async () => {
    const broken = decoded(3, { x: { dtype: "float32", shape: [] } }, async (i) => {
      if (i === 1) throw new Error("unreadable image 1");
      return { x: Float32Array.of(i) };
    });
    const iterator = new DataLoader(broken, { batchSize: 1 }).epoch(0);
    expect((await iterator.next()).done).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(iterator.next()).rejects.toThrow("unreadable image 1");
  });

  it("says what is wrong with its options", async () => {
    expect(() => new DataLoader(numbers(3), { batchSize: 0 })).toThrow(/batchSize 0/);
    expect(() => new DataLoader(numbers(3), { batchSize: 4, dropLast: true })).toThrow(
      /3 samples make no batch of 4.*padLast/,
    );
    expect(
      () => new DataLoader(numbers(3), { batchSize: 2, dropLast: true, padLast: true }),
    ).toThrow(/choose exactly one/);
    const weighted = new ArrayDataset({ weight: { data: new Float32Array(2) } });
    expect(() => new DataLoader(weighted, { batchSize: 2 })).toThrow(/rename it/);
    const loader = new DataLoader(numbers(3), { batchSize: 2 });
    expect(() => loader.indices(0, 2)).toThrow(/batch 2 of an epoch of 2/);
    expect(() => loader.order(-1)).toThrow(/epoch -1/);
    await expect(loader.epoch(0, { from: 3 }).next()).rejects.toThrow(/batch 3 of 2/);
    await expect(loader.fill({ x: loader.allocate().x! }, 0, 0)).rejects.toThrow(/"weight"/);
  });
});
