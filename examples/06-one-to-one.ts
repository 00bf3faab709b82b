// One to one: an image in, a class out. Nothing is a sequence here, so a plain network will do.
import { data, nn, optim, Trainer } from "tensorlane";
import { digits } from "./shared/data.ts";

const { pixels, labels } = await digits();
const part = (from: number, to: number) =>
  new data.ArrayDataset({
    x: { data: pixels.subarray(from * 784, to * 784), shape: [to - from, 784] },
    y: { data: labels.subarray(from, to) },
  });
const train = new data.DataLoader(part(0, 8000), { batchSize: 100, shuffle: true, seed: 1 });
const test = new data.DataLoader(part(8000, 10_000), { batchSize: 100 });

nn.manualSeed(1);
const model = new nn.Sequential(
  new nn.Linear({ inFeatures: 784, outFeatures: 128 }),
  new nn.ReLU(),
  new nn.Linear({ inFeatures: 128, outFeatures: 10 }),
);
const trainer = new Trainer(model, {
  loss: (net, { x, y }) => {
    const scores = net.forward(x!); // (N, 784) -> (N, 10)
    const right = scores.argmax({ dim: 1 }).cast("int32").equal(y!).cast("float32").mean();
    return { loss: nn.crossEntropy(scores, y!), metrics: { right } };
  },
  optimizer: new optim.AdamW({ lr: 2e-3 }),
});
await trainer.fit(train, { epochs: 5 });
const { right } = await trainer.evaluate(test);
console.log(`digits told rightly: ${(100 * right!).toFixed(1)} % of 2000 new ones`);
