import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { data, nn, optim, Trainer } from "../index.ts";

/** Bytes of this process in memory, after a collection. */
function resident(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().rss;
}

test("ten thousand steps of a small model leave resident memory flat", async () => {
  const n = 64;
  const x = Float32Array.from({ length: n * 8 }, (_, i) => Math.sin(i));
  const set = new data.ArrayDataset({
    x: { data: x, shape: [n, 8] },
    y: { data: x.filter((_, i) => i % 8 === 0), shape: [n, 1] },
  });
  const model = new nn.Sequential(
    new nn.Linear({ inFeatures: 8, outFeatures: 16 }),
    new nn.Tanh(),
    new nn.Dropout({ p: 0.1 }),
    new nn.Linear({ inFeatures: 16, outFeatures: 1 }),
  );
  const trainer = new Trainer(model, {
    loss: (net, batch) => nn.mseLoss(net.forward(batch.x), batch.y),
    optimizer: new optim.Adam({ lr: 1e-3 }),
    clipNorm: 1,
  });
  const loader = new data.DataLoader(set, { batchSize: 16, shuffle: true, dropLast: true });
  await trainer.fit(loader, { epochs: 500, validation: loader });
  const before = resident();
  await trainer.fit(loader, { epochs: 3000, validation: loader });
  expect(trainer.steps).toBe(12_000);
  expect((resident() - before) / 2 ** 20).toBeLessThan(16);
});
