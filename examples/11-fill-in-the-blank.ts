// Why two directions: to fill in a blank inside a sentence, what follows says as much as what came before.
import { data, nn, optim, type Tensor, Trainer } from "tensorlane";
import { text } from "./shared/data.ts";

const words = (await text()).toLowerCase().match(/[a-z']+|[.,;:?!]/g) ?? [];
const [cut, end] = [54_000, 60_000];
const counts = new Map<string, number>();
for (const word of words.slice(0, cut)) counts.set(word, (counts.get(word) ?? 0) + 1);
const frequent = [...counts].sort(([, a], [, b]) => b - a).slice(0, 998);
const known = new Map(frequent.map(([word], i) => [word, i + 2]));
// 0 is the blank, 1 any word that is not among the 998 most frequent. The blank has five words on each side.
const ids = Int32Array.from(words.slice(0, end), (word) => known.get(word) ?? 1);
const side = 5;

function part(from: number, to: number) {
  const places: number[] = [];
  for (let i = from + side; i + side < to; i++) if (ids[i]! > 1) places.push(i);
  const around = places.flatMap((i) =>
    Array.from({ length: 2 * side + 1 }, (_, t) => (t === side ? 0 : ids[i + t - side])),
  );
  return new data.ArrayDataset({
    around: { data: Int32Array.from(around), shape: [places.length, 2 * side + 1] },
    word: { data: Int32Array.from(places, (i) => ids[i]!) },
  });
}

class Filler extends nn.Module {
  readonly word = new nn.Embedding({ numEmbeddings: 1000, embeddingDim: 48 });
  readonly gru: nn.GRU;
  readonly head: nn.Linear;

  constructor(bidirectional: boolean) {
    super();
    this.gru = new nn.GRU({ inputSize: 48, hiddenSize: 64, bidirectional, batchFirst: true });
    this.head = new nn.Linear({ inFeatures: bidirectional ? 128 : 64, outFeatures: 1000 });
  }

  /** Words around a blank (N, 11) -> scores of what stands there (N, 1000) */
  forward(around: Tensor): Tensor {
    const { output } = this.gru.forward(this.word.forward(around));
    return this.head.forward(output.select(side, 1)); // the state at the blank
  }
}

const train = new data.DataLoader(part(0, cut), {
  batchSize: 128,
  shuffle: true,
  dropLast: true,
  seed: 1,
});
const test = new data.DataLoader(part(cut, end), { batchSize: 128, dropLast: true });
for (const bidirectional of [false, true]) {
  nn.manualSeed(1);
  const trainer = new Trainer(new Filler(bidirectional), {
    loss: (net, { around, word }) => {
      const scores = net.forward(around!);
      const right = scores.argmax({ dim: 1 }).cast("int32").equal(word!).cast("float32").mean();
      return { loss: nn.crossEntropy(scores, word!), metrics: { right } };
    },
    optimizer: new optim.AdamW({ lr: 4e-3 }),
  });
  await trainer.fit(train, { epochs: 1 });
  const { right } = await trainer.evaluate(test);
  console.log(
    `${bidirectional ? "two directions" : "one direction"}: ${(100 * right!).toFixed(1)} % right`,
  );
}
