// Many to many, step by step: small letters in, and for each whether it was a capital. As many come out as go in.
import { data, nn, optim, type Tensor, Trainer } from "tensorlane";
import { text } from "./shared/data.ts";

const original = (await text()).slice(0, 200_000);
const characters = [...new Set(original.toLowerCase())].sort();
const steps = 50;

function part(from: number, to: number) {
  const count = Math.floor((to - from) / steps);
  const piece = [...original.slice(from, from + count * steps)];
  return new data.ArrayDataset({
    x: {
      data: Int32Array.from(piece, (letter) => characters.indexOf(letter.toLowerCase())),
      shape: [count, steps],
    },
    capital: {
      data: Float32Array.from(piece, (letter) => Number(letter !== letter.toLowerCase())),
      shape: [count, steps],
    },
  });
}

class Capitals extends nn.Module {
  readonly letter = new nn.Embedding({ numEmbeddings: characters.length, embeddingDim: 16 });
  readonly gru = new nn.GRU({
    inputSize: 16,
    hiddenSize: 32,
    bidirectional: true,
    batchFirst: true,
  });
  readonly head = new nn.Linear({ inFeatures: 64, outFeatures: 1 });

  /** Letters (N, T) -> how surely each is a capital (N, T) */
  forward(x: Tensor): Tensor {
    const { output } = this.gru.forward(this.letter.forward(x)); // (N, T, 64): all steps
    return this.head.forward(output).squeeze(-1);
  }
}

nn.manualSeed(1);
const trainer = new Trainer(new Capitals(), {
  loss: (net, { x, capital }) => {
    const scores = net.forward(x!);
    const found = scores.greater(0).cast("float32");
    const both = found.mul(capital!).mean();
    return {
      loss: nn.bceWithLogits(scores, capital!),
      metrics: { both, found: found.mean(), capitals: capital!.mean() },
    };
  },
  optimizer: new optim.AdamW({ lr: 8e-3 }),
});
const batches = { batchSize: 60, dropLast: true };
const train = new data.DataLoader(part(0, 180_000), { ...batches, shuffle: true, seed: 1 });
await trainer.fit(train, { epochs: 3 });
const test = new data.DataLoader(part(180_000, 200_000), batches);
const { both, found, capitals } = await trainer.evaluate(test);
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
console.log(`${percent(capitals!)} of the characters are capitals`);
console.log(`of the capitals found: ${percent(both! / capitals!)}`);
console.log(`of those found right: ${percent(both! / found!)}`);
